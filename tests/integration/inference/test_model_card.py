"""`voorrang model show ich`: the card says what was measured, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inference.builtin.cards import card_of
from inference.builtin.haemorrhage import Haemorrhage
from inference.builtin.shipped import FOLDER
from inference.training.ich.card import tables
from inference.training.ich.evaluating import FIGURES
from voorrang.__main__ import main
from voorrang.statement import RESEARCH

pytestmark = pytest.mark.integration


needs_figures = pytest.mark.skipif(
    not (FOLDER / "ich" / FIGURES).is_file(), reason="figures of ich do not ship yet: run inference.training.ich train"
)


@needs_figures
def test_the_card_is_shown_where_there_is_no_register_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VOORRANG_DATA_DIR", str(tmp_path))
    assert main(["model", "show", "ich"]) == 0
    shown = json.loads(capsys.readouterr().out)
    page = "\n".join(shown["card"]["page"])
    assert RESEARCH in page
    assert "register" in shown
    assert shown["card"]["figures"]["shipped_on_training_patients"]["weights_digest"] == Haemorrhage().weights_digest


@needs_figures
def test_the_tables_of_the_page_are_those_of_the_figures() -> None:
    card = card_of("ich")
    assert tables(card["figures"]) in (FOLDER / "ich" / "docs" / "README.md").read_text(encoding="utf-8")


def test_a_model_without_a_card_has_none() -> None:
    assert card_of("reference-head") == {}
