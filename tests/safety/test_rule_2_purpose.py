"""Rule 2: every event says its purpose, a stack serves one, and nothing of another gets onto the list."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select

from ingest.admission import Request, purpose_of
from tests.integration.worklist_world import (
    KEYS,
    NOON,
    World,
    consuming,
    make_answer,
    make_confirmation,
    make_event,
    make_study,
    uid,
)
from voorrang.errors import ConfigurationError
from voorrang.events.envelope import Event
from voorrang.purpose import Purpose
from voorrang.runtime import hold_site
from voorrang.settings import Settings, load_settings
from voorrang.tables import receipt

OTHERS = [purpose for purpose in Purpose if purpose is not Purpose.CLINICAL]


def skipped() -> float:
    labels = {"consumer": "worklist", "reason": "purpose"}
    return REGISTRY.get_sample_value("voorrang_events_skipped_total", labels) or 0.0


def outcomes(world: World) -> list[str]:
    with world.database.read() as connection:
        return list(connection.execute(select(receipt.c.outcome)).scalars())


@pytest.mark.parametrize("purpose", OTHERS)
def test_events_of_another_purpose_are_counted_and_skipped(purpose: Purpose, world: World) -> None:
    world.activate()
    before = skipped()
    events = [make_event(record, purpose=purpose) for record in (make_study(1), make_answer(1), make_confirmation(1))]
    with consuming(world) as publish:
        publish(*events, make_event(make_study(2)))

    assert [row.study_instance_uids for row in world.rows()] == [(uid(2),)]
    assert skipped() - before == 3
    assert sorted(outcomes(world)) == ["handled", "skipped", "skipped", "skipped"]


@pytest.mark.parametrize("purpose", OTHERS)
def test_answer_of_another_purpose_does_not_touch_a_clinical_item(purpose: Purpose, world: World) -> None:
    world.activate()
    world.tell(make_study(1), make_study(2), make_answer(1, 0.1), make_answer(2, 0.9))
    before = [row.model_dump() for row in world.rows()]
    with consuming(world) as publish:
        publish(
            make_event(make_answer(1, 0.99, revision=5), purpose=purpose),
            make_event(make_answer(2, 0.0, revision=5), purpose=purpose),
            make_event(make_confirmation(1), purpose=purpose),
            make_event(make_study(2, version=9, prior=True), purpose=purpose),
        )

    assert [row.model_dump() for row in world.rows()] == before


def test_what_the_worklist_says_carries_the_purpose_of_its_stack(world: World) -> None:
    world.tell(make_study(1))

    ranked: list[Event[Any]] = world.announced("worklist-item-ranked")
    assert [event.purpose for event in ranked] == [Purpose.CLINICAL]


@pytest.mark.parametrize("purpose", OTHERS)
def test_database_serves_one_purpose(purpose: Purpose, world: World) -> None:
    settings = world.runtime.settings
    with world.database.write() as connection:
        hold_site(connection, KEYS, settings)
        hold_site(connection, KEYS, settings)
        with pytest.raises(ConfigurationError, match="another purpose; one stack serves one purpose"):
            hold_site(connection, KEYS, settings.model_copy(update={"purpose": purpose}))
        hold_site(connection, KEYS, settings)


def test_unknown_purpose_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOORRANG_PURPOSE", "almost-clinical")
    with pytest.raises(ConfigurationError, match="purpose"):
        load_settings()


def test_default_purpose_is_clinical() -> None:
    assert Settings().purpose is Purpose.CLINICAL


@pytest.mark.parametrize(
    ("called", "purpose"),
    [("VOORRANG", Purpose.CLINICAL), ("VOORRANGQA", Purpose.QA), ("ELSEWHERE", None), ("", None), ("voorrangqa", None)],
)
def test_purpose_of_images_comes_from_the_called_ae_title(called: str, purpose: Purpose | None) -> None:
    titles = Settings(ae_titles={"VOORRANG": Purpose.CLINICAL, "VOORRANGQA": Purpose.QA}).called_ae_titles
    request = Request(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        sop_instance_uid=uid(1, 1),
        calling_ae_title="VOORRANGQA",
        called_ae_title=called,
    )

    assert purpose_of(request, titles) is purpose


@pytest.mark.parametrize("purpose", Purpose)
def test_the_one_ae_title_of_a_plain_stack_gives_its_purpose(purpose: Purpose, tmp_path: Path) -> None:
    assert Settings(purpose=purpose, data_dir=tmp_path).called_ae_titles == {"VOORRANG": purpose}


def test_prior_is_listed_last_under_its_own_state_and_never_ranked(world: World) -> None:
    world.activate()
    world.tell(make_study(1, prior=True, arrived_at=NOON - timedelta(days=3)))
    world.tell(make_study(2), make_answer(1, 0.99))

    last = world.rows()[-1]
    assert (last.study_instance_uids, last.state, last.rank, last.rank_without_ai) == ((uid(1),), "prior", None, None)
    assert world.order() == [2]
    assert world.row(2).rank == 1
    assert world.row(2).rank_without_ai == 1
