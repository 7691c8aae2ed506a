"""Rule 9: words on every result."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.integration.worklist_world import (
    NOON,
    World,
    make_activation,
    make_answer,
    make_confirmation,
    make_study,
    make_version,
    serving,
)
from voorrang import register
from voorrang.__main__ import main
from voorrang.events.records import ScoringState
from voorrang.purpose import Purpose
from voorrang.register import EnvelopeFacts, Influence
from voorrang.statement import RESEARCH

STATEMENT = "Research. Not CE-marked. Not for clinical use."


def answers(world: World, path: str) -> str:
    with serving(world) as server:
        return httpx.get(f"{server.address}{path}", timeout=20).text


def test_our_statement_is_the_one_of_the_design() -> None:
    assert RESEARCH == STATEMENT


def test_page_and_api_carry_the_statement_even_when_empty(world: World) -> None:
    assert STATEMENT in answers(world, "/")
    assert json.loads(answers(world, "/api/worklist"))["statement"] == STATEMENT


def test_every_result_carries_the_statement(world: World) -> None:
    world.activate()
    told = [
        make_answer(1, 0.9),
        make_answer(2, 0.1),
        make_answer(3, 0.1),
        make_answer(4, state=ScoringState.FAILED),
        make_answer(5, state=ScoringState.OUT_OF_SCOPE),
    ]
    world.tell(*(make_study(n) for n in range(1, 6)), *told, make_confirmation(2))

    items = json.loads(answers(world, "/api/worklist"))["items"]
    assert [pathway["statement"] for row in items for pathway in row["pathways"]] == [STATEMENT] * 5
    assert answers(world, "/rows").count(f"<small>{STATEMENT}</small>") == 5


def test_result_of_another_model_carries_what_its_register_entry_says(world: World) -> None:
    vendor = make_version(statement="Vendor X 3.1, CE class IIb, flag")
    with world.database.write() as connection:
        register.register_model(connection, vendor, NOON)
        facts = EnvelopeFacts(Purpose.CLINICAL, "site")
        stroke = world.runtime.pathways["stroke"]
        made = register.activate(
            connection,
            stroke,
            vendor,
            Influence.RANK,
            register.Actor("Vermeulen", "physicist", "validated"),
            NOON,
            facts,
        )
    world.tell(make_study(1), make_answer(1, 0.9))

    assert made == make_activation(model=vendor)
    assert "Vendor X 3.1, CE class IIb, flag" in answers(world, "/rows")


def test_command_line_says_what_it_is_not_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])

    said = " ".join(capsys.readouterr().out.split())
    assert "not CE-marked, not for clinical use" in said


def test_templates_and_script_claim_nothing() -> None:
    folder = Path(__file__).parents[2] / "worklist" / "web"
    claims = ("no finding", "normal", "negative", "no bleed", "absent", "excluded", "diagnos", "ce-marked device")
    for path in [*folder.glob("templates/*"), *folder.glob("static/*.js")]:
        text = path.read_text().lower()
        assert not [claim for claim in claims if claim in text], path
