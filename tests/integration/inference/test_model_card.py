"""`voorrang model show ich`: the card says what was measured, and needs no torch to say it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from inference.builtin.cards import FOLDER, PAGE, card_of
from inference.builtin.haemorrhage import Haemorrhage
from inference.bundles.contract import CONTRACT
from inference.training.ich.card import tables
from voorrang.__main__ import main
from voorrang.statement import RESEARCH

pytestmark = pytest.mark.integration

_WITHOUT_TORCH = """
import sys
sys.modules["torch"] = sys.modules["numpy"] = sys.modules["pydicom"] = None
from voorrang.__main__ import main
sys.exit(main(["model", "show", "ich"]))
"""


def test_the_card_is_shown_where_there_is_no_register_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VOORRANG_DATA_DIR", str(tmp_path))
    assert main(["model", "show", "ich"]) == 0
    shown = json.loads(capsys.readouterr().out)
    page = "\n".join(shown["card"]["page"])
    assert RESEARCH in page
    assert "register" in shown
    assert shown["card"]["figures"]["shipped"]["weights_digest"] == Haemorrhage().weights_digest


def test_the_card_is_shown_on_a_machine_without_what_runs_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOORRANG_DATA_DIR", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", _WITHOUT_TORCH], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["card"]["figures"]


def test_the_tables_of_the_page_are_those_of_the_figures() -> None:
    assert tables(card_of("ich")["figures"]) in (FOLDER / "ich" / PAGE).read_text(encoding="utf-8")


def test_scores_are_made_as_the_inner_splits_chose() -> None:
    top = json.loads((FOLDER / "ich" / CONTRACT).read_text(encoding="utf-8"))["reading"]["top"]
    assert card_of("ich")["figures"]["ways"]["shipped"].startswith(f"top {top},")


def test_a_model_without_a_card_has_none() -> None:
    assert card_of("reference-head") == {}
