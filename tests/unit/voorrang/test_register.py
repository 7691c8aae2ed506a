"""The register: who may move the order, since when, and by whose decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.integration.worklist_world import (
    BY,
    LUNG,
    NOON,
    STROKE,
    make_activation,
    make_pathway,
    make_version,
    worklist_world,
)
from voorrang import register
from voorrang.database import Database
from voorrang.errors import ConfigurationError
from voorrang.events.envelope import decode
from voorrang.pathways.pathway import Pathway
from voorrang.purpose import Purpose
from voorrang.register import Actor, EnvelopeFacts, Influence, ModelVersion, standing_of
from voorrang.tables import model_activation, operator_log, outbox

FACTS = EnvelopeFacts(Purpose.DEMO, "site")
HEAD = make_version("head")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with worklist_world(tmp_path) as world:
        yield world.database


def activate(
    database: Database,
    influence: Influence = Influence.RANK,
    by: Actor = BY,
    model: ModelVersion = HEAD,
    pathway: Pathway = STROKE,
) -> register.Activation:
    with database.write() as connection:
        return register.activate(connection, pathway, model, influence, by, NOON, FACTS)


def add(database: Database, model: ModelVersion = HEAD) -> None:
    with database.write() as connection:
        register.register_model(connection, model, NOON)


def suspend(database: Database, by: Actor = BY) -> register.Activation:
    with database.write() as connection:
        return register.suspend(connection, "stroke", "head", by, NOON + timedelta(hours=1), FACTS)


def active(database: Database) -> list[register.Activation]:
    with database.read() as connection:
        return register.activations(connection)


def rows(database: Database, table: Any) -> list[dict[str, Any]]:
    with database.read() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def test_registered_model_has_no_influence(database: Database) -> None:
    add(database)

    assert active(database) == []
    assert standing_of(active(database), STROKE, "head").influence is Influence.NONE


def test_activation_records_what_was_activated(database: Database) -> None:
    add(database)
    made = activate(database)

    assert made == make_activation(model=HEAD)
    assert active(database) == [made]


def test_version_registered_twice_is_one_version(database: Database) -> None:
    add(database)
    add(database)

    with database.read() as connection:
        assert register.registered(connection) == [HEAD]


@pytest.mark.parametrize("other", [make_version(version="2.0"), make_version(digest="f" * 64)])
def test_only_that_very_version_can_be_activated(other: ModelVersion, database: Database) -> None:
    add(database)
    with pytest.raises(ConfigurationError, match="not registered"):
        activate(database, model=other)


def test_model_that_the_pathway_does_not_name_cannot_be_activated(database: Database) -> None:
    add(database)
    with pytest.raises(ConfigurationError, match="does not name model head") as caught:
        activate(database, pathway=LUNG)
    for step in ("{name: head, operating_point: ", "VOORRANG_PATHWAYS_DIR", "restart", "docs/pathway-files.md"):
        assert step in str(caught.value)


@pytest.mark.parametrize("decide", [activate, suspend])
@pytest.mark.parametrize(
    "by", [Actor("", "physicist", "why"), Actor("Vermeulen", " ", "why"), Actor("Vermeulen", "physicist", "\t\n")]
)
def test_decision_without_actor_role_or_reason_is_refused(
    decide: Callable[..., register.Activation], by: Actor, database: Database
) -> None:
    add(database)
    activate(database, Influence.DISPLAY)
    before = active(database), rows(database, operator_log)
    with pytest.raises(ConfigurationError, match="actor, a role and a reason"):
        decide(database, by=by)

    assert (active(database), rows(database, operator_log)) == before


def test_every_decision_is_in_the_log_and_none_is_overwritten(database: Database) -> None:
    add(database)
    kept: list[dict[str, Any]] = []
    for n, influence in enumerate((Influence.DISPLAY, Influence.RANK, Influence.NONE), start=1):
        activate(database, influence, Actor(f"actor {n}", "physicist", f"reason {n}"))
        log = rows(database, operator_log)
        assert log[:-1] == kept
        kept = log
    suspend(database)

    log = rows(database, operator_log)
    assert [(row["actor"], row["action"]) for row in log] == [
        ("actor 1", "model influence display"),
        ("actor 2", "model influence rank"),
        ("actor 3", "model influence none"),
        (BY.actor, "model influence none"),
    ]
    assert [row["influence"] for row in rows(database, model_activation)] == ["display", "rank", "none", "none"]


def test_suspending_leaves_no_influence(database: Database) -> None:
    add(database)
    activate(database)
    suspend(database)

    (found,) = active(database)
    assert found.influence is Influence.NONE
    with database.read() as connection:
        assert register.revision(connection) == 2


def test_model_that_was_never_activated_cannot_be_suspended(database: Database) -> None:
    add(database)
    with pytest.raises(ConfigurationError, match="never activated"):
        suspend(database)


def test_event_of_a_decision_is_written_with_it(database: Database) -> None:
    add(database)
    activate(database)
    suspend(database)

    events = [decode(row["payload"]) for row in rows(database, outbox)]
    assert [(event.type, event.purpose, event.data.activation) for event in events] == [
        ("model-activated", Purpose.DEMO, 1),
        ("model-suspended", Purpose.DEMO, 2),
    ]


def test_decision_that_is_rolled_back_leaves_nothing(database: Database) -> None:
    add(database)

    def activate_and_crash() -> None:
        with database.write() as connection:
            register.activate(connection, STROKE, HEAD, Influence.RANK, BY, NOON, FACTS)
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        activate_and_crash()

    assert active(database) == []
    assert rows(database, outbox) == rows(database, operator_log) == []


@pytest.mark.parametrize(
    ("changed", "influence", "words"),
    [
        (STROKE, Influence.RANK, None),
        (make_pathway(models=(("head", 0.499),)), Influence.NONE, "differs from what was activated"),
        (make_pathway(lift_to="stat"), Influence.NONE, "differs from what was activated"),
        (make_pathway(lift_to="routine"), Influence.NONE, "differs from what was activated"),
        (make_pathway(harm_per_minute=1.001), Influence.NONE, "differs from what was activated"),
        (make_pathway(read_within_minutes=5), Influence.NONE, "differs from what was activated"),
        (make_pathway(models=(("second-head", 0.5),)), Influence.NONE, "not activated"),
        (make_pathway("stroke-2"), Influence.NONE, "not activated"),
    ],
    ids=["same", "operating_point", "lift_to_up", "lift_to_down", "harm", "target", "other_model", "other_name"],
)
def test_standing_under_todays_pathway_file(changed: Pathway, influence: Influence, words: str | None) -> None:
    found = standing_of([make_activation()], changed, "head")

    assert found.influence is influence
    assert (found.banner is None) if words is None else (words in (found.banner or ""))


def test_decision_of_before_targets_were_written_down_still_stands() -> None:
    before = make_activation(read_within_minutes=None)
    assert standing_of([before], make_pathway(read_within_minutes=5), "head").influence is Influence.RANK


def test_displayed_model_has_a_banner() -> None:
    found = standing_of([make_activation(influence=Influence.DISPLAY)], STROKE, "head")

    assert found.influence is Influence.DISPLAY
    assert found.banner == "head is shown for stroke but moves nothing"


def test_decision_about_one_pathway_gives_nothing_on_another() -> None:
    chest = make_pathway("chest", (("head", 0.5),))

    assert standing_of([make_activation(STROKE)], chest, "head").influence is Influence.NONE
