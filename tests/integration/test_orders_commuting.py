"""Orders, reports, merges and rejections commute: the list follows from the set of events, not from their order."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.builders import START, activate, make_event, make_findings_scored, make_runtime, make_study_updated
from tests.integration.conftest import FreshDatabase
from tests.integration.test_commuting import (
    END,
    EXAMPLES,
    History,
    Rows,
    deliver_at_once,
    forget_receipts,
    histories,
    rows_of,
)
from voorrang.clock import ManualClock
from voorrang.database import Database
from voorrang.events.envelope import Event
from voorrang.events.records import (
    Claim,
    OrderCancelled,
    OrderChanged,
    OrderPlaced,
    PatientMerged,
    ReportCorrected,
    ReportFinalized,
    ReportPreliminary,
    SeriesRejected,
)
from worklist import tables
from worklist.handlers import handlers
from worklist.orders import tables as order_tables
from worklist.ranking import Ranking

pytestmark = pytest.mark.integration

# Two studies with numbers of their own, one of them unknown as an order, and two without.
STUDIES = {"1.2.1": "o_one", "1.2.2": "o_two", "1.2.3": "", "1.2.4": ""}
ORDERS = ("o_one", "o_three")
PATIENTS = ("p_a", "p_b", "p_c")
REPORTS = (ReportPreliminary, ReportFinalized, ReportCorrected)
some_studies = st.lists(st.sampled_from(sorted(STUDIES)), max_size=2, unique=True).map(tuple)
some_time = st.integers(0, 3).map(lambda minutes: START + timedelta(minutes=minutes))


@st.composite
def studies(draw: st.DrawFn) -> list[Event[Any]]:
    """Draw versions of studies, some withdrawn, some of which the order changes."""
    events = []
    for uid, own in STUDIES.items():
        for version in range(1, draw(st.integers(0, 2)) + 1):
            gone = draw(st.sampled_from([None, None, None, "quality"]))
            record = make_study_updated(
                study_instance_uid=uid,
                study_version=version,
                claims=(Claim(series_instance_uid=f"{uid}.1", pathway="stroke"),),
                prior=draw(st.sampled_from([False, False, True])),
                withdrawn=gone,
                withdrawn_at=START if gone else None,
            )
            order = draw(st.sampled_from([own, own, "o_three"])) if version > 1 else own
            patient = draw(st.sampled_from(PATIENTS))
            events.append(make_event(record, subject=uid, order_key=order, patient_key=patient))
    return events


@st.composite
def orders(draw: st.DrawFn) -> list[Event[Any]]:
    """Draw versions of orders."""
    events = []
    for key in ORDERS:
        for version in range(1, draw(st.integers(0, 3)) + 1):
            kind = draw(st.sampled_from([OrderPlaced, OrderChanged, OrderCancelled]))
            record = kind(
                order_version=version,
                urgency=draw(st.sampled_from(["stat", "urgent", "routine"])),
                reading_group=draw(st.sampled_from(["", "NEURO"])),
                study_instance_uids=draw(some_studies),
                ordered_at=START,
                stated_at=draw(some_time),
            )
            patient = draw(st.sampled_from(PATIENTS))
            events.append(make_event(record, subject=key, order_key=key, patient_key=patient))
    return events


@st.composite
def reports(draw: st.DrawFn) -> list[Event[Any]]:
    """Draw versions of reports, of an order that is known, of one that never is, and of studies alone."""
    chosen = draw(
        st.lists(
            st.tuples(st.sampled_from(["o_one", "o_two", "o_never", ""]), st.integers(1, 4)), max_size=5, unique=True
        )
    )
    events = []
    for key, version in chosen:
        uids = draw(some_studies)
        record = draw(st.sampled_from(REPORTS))(
            report_version=version,
            study_instance_uids=uids or (("1.2.3",) if not key else ()),
            content_digest="d" * 64,
            stated_at=draw(some_time),
        )
        events.append(make_event(record, subject=key or "1.2.3", order_key=key))
    return events


@st.composite
def merges(draw: st.DrawFn) -> list[Event[Any]]:
    """Draw merges, in circles too."""
    pairs = st.tuples(st.sampled_from(PATIENTS), st.sampled_from(PATIENTS), some_time)
    return [
        make_event(
            PatientMerged(merged_patient_key=merged, surviving_patient_key=surviving, stated_at=at), subject=surviving
        )
        for merged, surviving, at in draw(st.lists(pairs, max_size=4, unique=True))
        if merged != surviving
    ]


@st.composite
def answers_and_rejections(draw: st.DrawFn) -> list[Event[Any]]:
    """Draw flagged answers about series, and rejections of their revisions."""
    events = []
    for uid in STUDIES:
        for revision in range(1, draw(st.integers(0, 2)) + 1):
            answer = make_findings_scored(
                study_instance_uid=uid, series_instance_uid=f"{uid}.1", series_revision=revision, findings=()
            )
            events.append(make_event(answer, subject=uid))
        if draw(st.booleans()):
            rejected = SeriesRejected(
                study_instance_uid=uid,
                series_instance_uid=f"{uid}.1",
                series_revision=draw(st.integers(0, 2)),
                reason=draw(st.sampled_from(["quality", "patient_safety"])),
                rejected_at=START,
            )
            events.append(make_event(rejected, subject=uid))
    return events


HISTORY = histories(studies(), orders(), reports(), merges(), answers_and_rejections())


def service(database: Database, clock: ManualClock, folder: Path) -> tuple[Ranking, Mapping[str, Any]]:
    activate(database)
    runtime = make_runtime("worklist", database, folder, clock=clock)
    ranking = Ranking(runtime)
    ranking.step()
    return ranking, handlers(runtime, ranking)


def stored(database: Database) -> Rows:
    """Return all rows but the items whose studies moved to another: those only keep their version."""
    rows = rows_of(
        database,
        tables.study,
        tables.item,
        order_tables.placed_order,
        order_tables.named_study,
        order_tables.report,
        order_tables.report_study,
        order_tables.merge,
        order_tables.rejection,
    )
    rows["worklist_item"] = [row for row in rows["worklist_item"] if row["study_count"]]
    return rows


def in_order(fresh_database: FreshDatabase, events: Sequence[Event[Any]], folder: Path) -> Rows:
    with fresh_database() as database:
        _, handle = service(database, ManualClock(END), folder)
        for event in events:
            handle[event.type](event)
        return stored(database)


@hypothesis_settings(EXAMPLES, max_examples=6)
@given(history=HISTORY)
def test_any_order_gives_the_same_list(fresh_database: FreshDatabase, scratch: Path, history: History) -> None:
    expected = in_order(fresh_database, history.events, scratch)
    clock = ManualClock(START)
    with fresh_database() as database:
        ranking, handle = service(database, clock, scratch)
        for number, (event, moment) in enumerate(zip(history.delivered, history.moments, strict=True)):
            clock.advance((START - clock.now()).total_seconds() + moment)
            if number == history.forgets_receipts_at:
                forget_receipts(database)
            handle[event.type](event)
        clock.advance((END - clock.now()).total_seconds())
        ranking.step()
        assert stored(database) == expected


def test_so_do_several_at_once(fresh_database: FreshDatabase, scratch: Path) -> None:
    chance = random.Random(7)
    events = _one_day()
    expected = in_order(fresh_database, events, scratch)
    for _ in range(3):
        chance.shuffle(events)
        with fresh_database() as database:
            _, handle = service(database, ManualClock(END), scratch)
            deliver_at_once(partial(_dispatch, handle), events)
            assert stored(database) == expected


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that nothing is written to."""
    return tmp_path_factory.mktemp("data")


def _dispatch(handle: Mapping[str, Any], event: Event[Any]) -> None:
    handle[event.type](event)


def _one_day() -> list[Event[Any]]:
    """Return an order that names a study without a number, its report, a merge and a rejection, all within a moment."""
    placed = OrderPlaced(
        order_version=1, urgency="urgent", study_instance_uids=("1.2.3",), ordered_at=START, stated_at=START
    )
    changed = OrderChanged(**(placed.model_dump() | {"order_version": 2, "urgency": "stat"}))
    records = [
        (make_study_updated(study_instance_uid="1.2.3"), "1.2.3", ""),
        (make_study_updated(study_instance_uid="1.2.3", study_version=2), "1.2.3", "o_one"),
        (make_study_updated(study_instance_uid="1.2.1"), "1.2.1", "o_one"),
        (placed, "o_one", "o_one"),
        (changed, "o_one", "o_one"),
        (ReportPreliminary(report_version=1, content_digest="a", stated_at=START), "o_one", "o_one"),
        (ReportFinalized(report_version=2, content_digest="b", stated_at=START), "o_one", "o_one"),
        (PatientMerged(merged_patient_key="p_a", surviving_patient_key="p_b", stated_at=START), "p_b", ""),
    ]
    return [make_event(record, subject=key, order_key=order, patient_key="p_a") for record, key, order in records]
