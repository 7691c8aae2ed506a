"""`asymmetry` as it ships: over files, beside its card and its figures, and in the register."""

from __future__ import annotations

import json
import os
import random
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from inference.builtin.asymmetry.model import Asymmetry
from inference.builtin.cards import FIGURES, FOLDER, PAGE, card_of
from inference.training.asymmetry import __main__ as command
from inference.training.asymmetry.card import tables
from inference.training.asymmetry.evaluating import (
    TOLERANCE,
    scan_past_the_gate,
    scores_of,
    seen_again,
    try_heads,
)
from inference.training.asymmetry.heads import PHANTOM_SEEDS, split, volumes_past_the_gate
from voorrang.__main__ import main
from voorrang.demo.phantoms.head import Bleed, make_head
from voorrang.demo.phantoms.series import Person, StudyContext, make_series
from voorrang.demo.studies import HEAD
from voorrang.statement import RESEARCH

pytestmark = pytest.mark.integration

DATA = Path(os.environ.get("VOORRANG_TEST_DATA", Path(__file__).resolve().parents[3].parent / "shared" / "data"))
BUNDLE = FOLDER / "asymmetry"
KEPT: dict[str, Any] = json.loads((BUNDLE / FIGURES).read_text(encoding="utf-8"))
Told = pytest.CaptureFixture[str]


def real(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"{name} is not in VOORRANG_TEST_DATA or ../shared/data")
    return DATA / name


def write_head(folder: Path, bleed: Bleed | None) -> Path:
    folder.mkdir()
    study = StudyContext(
        Person("Test^Nobody", "TEST-1", date(1960, 1, 1), "O"), "TEST0001", datetime(2026, 11, 29, 10, tzinfo=UTC)
    )
    for number, ds in enumerate(make_series(make_head(5, bleed), HEAD, study, random.Random(1))):
        ds.save_as(folder / f"{number:04}.dcm", enforce_file_format=True)
    return folder


def run(folder: Path, capsys: Told) -> dict[str, Any]:
    assert main(["model", "run", "asymmetry", str(folder), "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


@pytest.fixture
def register(tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with an empty register."""
    shutil.copyfile(migrated_sqlite, tmp_path / "voorrang.sqlite")
    monkeypatch.setenv("VOORRANG_DATA_DIR", str(tmp_path))
    return tmp_path


def test_a_head_is_scored_from_its_files(tmp_path: Path, capsys: Told) -> None:
    line = run(write_head(tmp_path / "head", None), capsys)
    assert line["state"] == "scored", line["reason"]
    assert line["score"] == pytest.approx(KEPT["scores"]["phantom-5"][0], abs=TOLERANCE)
    for finding in line["findings"]:
        assert finding["type"].startswith("asymmetry_")
        assert finding["diameter_mm"] is None


def test_a_flagged_bleed_suppresses_the_score(tmp_path: Path, capsys: Told) -> None:
    line = run(write_head(tmp_path / "head", Bleed((30.0, 5.0, 18.0), 30.0, 68.0)), capsys)
    assert (line["state"], line["score"], line["findings"]) == ("out_of_scope", None, [])
    assert "reference-head flags a possible bleed" in line["reason"]


def test_the_rules_give_the_scores_of_the_card_for_a_phantom() -> None:
    _, (head,) = try_heads([], PHANTOM_SEEDS[:1])
    assert seen_again({head.name: scores_of(head)}, Asymmetry().weights_digest, KEPT)


def test_the_rules_give_the_scores_of_the_card_for_a_patient() -> None:
    patients = split(real("head-ich-jpeg"))[1][:1]
    (head,), _ = try_heads(patients, ())
    assert seen_again({head.name: scores_of(head)}, Asymmetry().weights_digest, KEPT)


def test_other_rules_or_scores_are_not_those_of_the_card() -> None:
    assert seen_again(KEPT["scores"], KEPT["rules_digest"], KEPT)
    assert not seen_again(KEPT["scores"], "0" * 64, KEPT)
    assert not seen_again({"phantom-0": [2.0] * len(KEPT["scores"]["phantom-0"])}, KEPT["rules_digest"], KEPT)


def test_the_head_with_an_infarct_is_out_of_scope_by_its_slices(capsys: Told) -> None:
    line = run(real("head-ge-infarct"), capsys)
    assert line["state"] == "out_of_scope"
    assert "7 mm thick" in line["reason"]


def test_past_the_gate_that_head_is_as_the_card_says() -> None:
    (volume,) = volumes_past_the_gate(real("head-ge-infarct"))
    found, (kept,) = scan_past_the_gate(volume), KEPT["scans_past_the_gate"]["head-ge-infarct"]
    assert found["region"] == kept["region"]
    assert found["score"] == pytest.approx(kept["score"], abs=TOLERANCE)


def test_the_tables_of_the_page_are_those_of_the_figures() -> None:
    assert tables(KEPT) in (BUNDLE / PAGE).read_text(encoding="utf-8")


def test_its_card_says_that_it_is_an_experiment_and_names_no_aspects(
    register: Path, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    assert main(["model", "add", "asymmetry"]) == 0
    assert "influence none; shows flag" in capsys.readouterr().out
    assert main(["model", "show", "asymmetry"]) == 0
    shown = json.loads(capsys.readouterr().out)
    (version,) = shown["versions"]
    assert version["shows"] == "flag"
    assert version["statement"].startswith(RESEARCH)
    assert "Experimental" in version["statement"]
    page = "\n".join(shown["card"]["page"])
    assert RESEARCH in page
    assert "It is not the ASPECTS" in page
    assert card_of("asymmetry")["figures"] == KEPT


def test_lists_name_it_as_an_experiment(register: Path, capsys: Told) -> None:
    main(["model", "add", "asymmetry"])
    capsys.readouterr()
    assert main(["model", "list"]) == 0
    assert "asymmetry 1-experimental  influence none" in capsys.readouterr().out


@pytest.mark.parametrize("influence", ["display", "rank"])
def test_nobody_gives_it_an_influence(register: Path, influence: str, capsys: Told) -> None:
    main(["model", "add", "asymmetry"])
    asked = ["model", "activate", "asymmetry", "--pathway", "stroke", "--influence", influence]
    assert main([*asked, "--actor", "a", "--role", "b", "--reason", "c"]) == 1
    assert "influence none is all that it may have" in capsys.readouterr().err


@pytest.mark.parametrize(("digest", "code"), [(KEPT["rules_digest"], 0), ("0" * 64, 1)])
def test_the_command_says_whether_it_found_what_the_card_has(
    digest: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    monkeypatch.setattr(command, "evaluate", lambda data, scan: KEPT | {"rules_digest": digest})
    assert command.main(["evaluate", "--data", "anywhere"]) == code
    assert json.loads(capsys.readouterr().out)["as_on_the_card"] is (code == 0)
