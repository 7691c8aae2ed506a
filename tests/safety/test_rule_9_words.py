"""Rule 9: words on every result."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from inference.bundles.contract import Contract
from inference.results import Identity, Result, keep_first
from inference.timeline import timeline
from tests.integration.worklist_world import (
    NOON,
    World,
    make_activation,
    make_answer,
    make_confirmation,
    make_study,
    make_version,
    serving,
    uid,
)
from tests.unit.inference.bundles.small import make_values
from voorrang import register
from voorrang.__main__ import main
from voorrang.archive import PictureFolder
from voorrang.events.records import FindingsScored, ScoringState
from voorrang.purpose import Purpose
from voorrang.register import EnvelopeFacts, Influence
from voorrang.statement import RESEARCH, Shows

PICTURE = b"\x89PNG\r\n\x1a\n of a finding"
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


def vendor_answer(world: World) -> FindingsScored:
    """Return a flagged answer that tells more than a flag: score, place, size, box, picture."""
    folder = PictureFolder(world.runtime.settings.pictures_dir)
    picture = folder.store(uid(1), uid(1, 1), "1", PICTURE)
    answer = make_answer(1, 0.8765)
    told = {"position_mm": (-71.25, 32.5, 8.125), "diameter_mm": 17.375, "picture": picture}
    return answer.model_copy(update={"findings": (answer.findings[0].model_copy(update=told),)})


SHOWN_OF = {Shows.FLAG: (), Shows.BOX: ("place", "picture"), Shows.MEASURE: ("place", "picture", "score")}


@pytest.mark.parametrize("shows", Shows)
def test_a_result_shows_what_the_register_entry_allows_and_no_more(world: World, shows: Shows) -> None:
    world.activate(shows=shows)
    world.tell(make_study(1), vendor_answer(world))
    with serving(world) as server, httpx.Client(base_url=server.address, timeout=20) as client:
        told = client.get("/api/worklist").text + client.get("/rows").text
        picture = client.get(f"/api/worklist/{uid(1)}/findings/1/picture")
    found = {
        "place": any(place in told for place in ("-71", "71.25")),
        "picture": picture.status_code == 200 and "/findings/1/picture" in told,
        "score": "0.8765" in told,
    }
    assert tuple(name for name, is_there in found.items() if is_there) == SHOWN_OF[shows]
    assert (picture.content == PICTURE) == ("picture" in SHOWN_OF[shows])
    assert "17.375" not in told
    (item,) = json.loads(answers(world, "/api/worklist"))["items"]
    assert item["pathways"][0]["flagged"], item
    assert item["tier"] == "urgent"


def test_who_registers_or_activates_a_version_again_does_not_widen_what_is_shown(world: World) -> None:
    world.activate(shows=Shows.FLAG)
    made = world.activate(shows=Shows.MEASURE)
    world.tell(make_study(1), vendor_answer(world))
    assert made.model.shows is Shows.FLAG
    assert "picture" not in answers(world, "/rows")


def test_a_bundle_that_does_not_say_shows_its_flag_alone() -> None:
    assert "shows" not in make_values()
    assert Contract.model_validate(make_values()).shows is Shows.FLAG


def test_the_timeline_of_a_study_tells_no_score_that_is_not_shown(world: World) -> None:
    world.activate(shows=Shows.BOX)
    with world.database.write() as connection:
        told = Result(ScoringState.SCORED, 0.8765, (), (), NOON)
        keep_first(connection, Identity(uid(1, 1), 1, make_answer().model, 1), "stroke", told)
        (moment,) = timeline(connection, [uid(1, 1)])
    assert (moment.what, moment.detail.endswith(", scored")) == ("scored", True)


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
