"""
Handlers commute: what is stored follows from the set of events, not from their order.

Events come in any order, twice, long after, and from several processes at once; the rows are the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, delete, select

from ingest import tables as ingest_tables
from ingest.answering import on_findings_scored
from ingest.intake_store import open_claim
from tests.builders import (
    MODEL,
    START,
    activate,
    make_event,
    make_findings_scored,
    make_runtime,
    make_series_confirmed,
    make_study_updated,
)
from tests.integration.conftest import FreshDatabase
from voorrang.clock import ManualClock, utc
from voorrang.database import Database
from voorrang.errors import RetryableError
from voorrang.events.envelope import Event
from voorrang.events.records import Claim, ModelIdentity, ScoringState
from voorrang.pathways.pathway import ModelUse
from voorrang.runtime import Runtime
from voorrang.tables import receipt
from worklist import tables as worklist_tables
from worklist.handlers import handlers
from worklist.ranking import Ranking

pytestmark = pytest.mark.integration

LUNG = ModelIdentity(model_id="reference-lung", version_label="1", weights_digest="e" * 64)
MODELS = {"stroke": (MODEL, MODEL.model_copy(update={"version_label": "2"})), "lung-nodule": (LUNG,)}
STUDIES = {"1.2.1": "o_one", "1.2.2": "o_one", "1.2.3": ""}  # two of one order, and one without
SERIES = {f"{study}.{number}": study for study in STUDIES for number in (1, 2)}
END = START + timedelta(minutes=20)  # by then stroke answers are late and lung answers are not
NOT_COMPARED = {"item_version", "change", "ranked_at", "at"}
Rows = dict[str, list[dict[str, Any]]]

EXAMPLES = settings(
    derandomize=True, max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=False
)


@dataclass(frozen=True)
class History:
    """A set of events, and one order in which they come; some come twice."""

    events: tuple[Event[Any], ...]
    delivered: tuple[Event[Any], ...]
    moments: tuple[float, ...]
    forgets_receipts_at: int


@st.composite
def study_events(draw: st.DrawFn) -> list[Event[Any]]:
    """Draw versions of studies; the first arrival only moves back, the last only forward."""
    events = []
    for study, order in STUDIES.items():
        mine = sorted(series for series, owner in SERIES.items() if owner == study)
        for version in range(1, draw(st.integers(0, 3)) + 1):
            claims = draw(st.lists(st.tuples(st.sampled_from(mine), st.sampled_from(sorted(MODELS))), unique=True))
            record = make_study_updated(
                study_instance_uid=study,
                study_version=version,
                first_received_at=START - timedelta(seconds=version),
                last_received_at=START + timedelta(minutes=draw(st.sampled_from([0, 5, 18]))),
                modalities=("CT",) if version < 3 else ("CT", "SR"),
                prior=draw(st.sampled_from([False, False, False, True])),
                claims=tuple(
                    Claim(
                        series_instance_uid=s,
                        pathway=p,
                        series_revision=draw(st.integers(0, 3)),
                        open=draw(st.booleans()),
                    )
                    for s, p in sorted(claims)
                ),
            )
            events.append(make_event(record, subject=study, order_key=order))
    return events


@st.composite
def answer_events(draw: st.DrawFn, runs: int) -> list[Event[Any]]:
    """Draw answers: one for each identity of a finding, whatever is retried."""
    identity = st.tuples(
        st.sampled_from(sorted(SERIES)),
        st.sampled_from([(pathway, model) for pathway, models in MODELS.items() for model in models]),
        st.integers(1, 3),
        st.integers(1, runs),
    )
    events = []
    for series, (pathway, model), revision, run in draw(
        st.lists(identity, max_size=8, unique_by=lambda i: (i[0], i[1][0], i[1][1].version_label, *i[2:]))
    ):
        state = draw(st.sampled_from([ScoringState.SCORED, ScoringState.SCORED, *ScoringState]))
        record = make_findings_scored(
            study_instance_uid=SERIES[series],
            series_instance_uid=series,
            series_revision=revision,
            pathway=pathway,
            model=model,
            run=run,
            state=state,
            score=draw(st.sampled_from([0.1, 0.5, 0.9])) if state is ScoringState.SCORED else None,
            findings=(),
        )
        events.append(make_event(record, subject=SERIES[series], order_key=STUDIES[SERIES[series]]))
    return events


@st.composite
def confirmation_events(draw: st.DrawFn) -> list[Event[Any]]:
    """Draw confirmations of revisions."""
    confirmed = st.tuples(st.sampled_from(sorted(SERIES)), st.sampled_from(sorted(MODELS)), st.integers(1, 3))
    return [
        make_event(
            make_series_confirmed(
                study_instance_uid=SERIES[series],
                series_instance_uid=series,
                pathway=pathway,
                series_revision=revision,
            ),
            subject=SERIES[series],
            order_key=STUDIES[SERIES[series]],
        )
        for series, pathway, revision in draw(st.lists(confirmed, max_size=5, unique=True))
    ]


@st.composite
def histories(draw: st.DrawFn, *parts: st.SearchStrategy[list[Event[Any]]]) -> History:
    """Draw a history and an order of it."""
    events = [event for part in parts for event in draw(part)]
    twice = draw(st.lists(st.sampled_from(events), max_size=6)) if events else []
    delivered = draw(st.permutations(events + twice))
    moments = draw(st.lists(st.floats(0, 1200), min_size=len(delivered), max_size=len(delivered)))
    return History(
        tuple(events), tuple(delivered), tuple(sorted(moments)), draw(st.integers(0, max(1, len(delivered))))
    )


def rows_of(database: Database, *tables: Table) -> Rows:
    """Return every row of the tables, without what tells when and how often it was written."""
    found: Rows = {}
    with database.read() as connection:
        for table in tables:
            kept = [column for column in table.columns if column.name not in NOT_COMPARED]
            rows = connection.execute(select(*kept).order_by(*table.primary_key.columns)).mappings()
            found[table.name] = [{k: _plain(v) for k, v in row.items()} for row in rows]
    return found


def _plain(value: Any) -> Any:
    return utc(value) if isinstance(value, datetime) else value


class TestWorklist:
    TABLES = (worklist_tables.study, worklist_tables.answer, worklist_tables.confirmation, worklist_tables.item)
    HISTORY = histories(study_events(), answer_events(runs=2), confirmation_events())

    def service(self, database: Database, clock: ManualClock, folder: Path) -> tuple[Ranking, Mapping[str, Any]]:
        activate(database)
        activate(database, LUNG, "lung-nodule")
        runtime = make_runtime("worklist", database, folder, clock=clock)
        ranking = Ranking(runtime)
        ranking.step()  # it has seen the register: from now on it looks at pending items only
        return ranking, handlers(runtime, ranking)

    def in_order(self, fresh_database: FreshDatabase, events: Sequence[Event[Any]], folder: Path) -> Rows:
        with fresh_database() as database:
            _, handle = self.service(database, ManualClock(END), folder)
            for event in events:
                handle[event.type](event)
            return rows_of(database, *self.TABLES)

    @EXAMPLES
    @given(history=HISTORY)
    def test_any_order_gives_the_same_rows(
        self, fresh_database: FreshDatabase, scratch: Path, history: History
    ) -> None:
        expected = self.in_order(fresh_database, history.events, scratch)
        with fresh_database() as database:
            _, handle = self.service(database, ManualClock(END), scratch)
            for event in history.delivered:
                handle[event.type](event)
            assert rows_of(database, *self.TABLES) == expected

    @EXAMPLES
    @given(history=HISTORY)
    def test_so_does_any_delay_once_time_has_been_looked_at(
        self, fresh_database: FreshDatabase, scratch: Path, history: History
    ) -> None:
        expected = self.in_order(fresh_database, history.events, scratch)
        clock = ManualClock(START)
        with fresh_database() as database:
            ranking, handle = self.service(database, clock, scratch)
            for number, (event, moment) in enumerate(zip(history.delivered, history.moments, strict=True)):
                clock.advance((START - clock.now()).total_seconds() + moment)
                if number == history.forgets_receipts_at:
                    forget_receipts(database)
                handle[event.type](event)
            clock.advance((END - clock.now()).total_seconds())
            ranking.step()
            assert rows_of(database, *self.TABLES) == expected

    def test_so_do_several_at_once(self, fresh_database: FreshDatabase, scratch: Path) -> None:
        """Several processes of one group each have some of the partitions: events of one order may meet."""
        for seed in range(6):
            chance = random.Random(seed)
            events = _busy_order(chance)
            expected = self.in_order(fresh_database, events, scratch)
            chance.shuffle(events)
            with fresh_database() as database:
                _, handle = self.service(database, ManualClock(END), scratch)
                deliver_at_once(partial(_dispatch, handle), events)
                assert rows_of(database, *self.TABLES) == expected, f"seed {seed}"


class TestIngest:
    TABLES = (ingest_tables.answer, ingest_tables.claim)

    def service(self, database: Database, folder: Path) -> Callable[[Event[Any]], None]:
        runtime: Runtime = make_runtime("ingest", database, folder, clock=ManualClock(END))
        stroke = runtime.pathways["stroke"]
        second = ModelUse(name="second", operating_point=0.5)
        runtime.pathways["stroke"] = stroke.model_copy(update={"models": (*stroke.models, second)})
        with database.write() as connection:
            for series in SERIES:
                for pathway in MODELS:
                    open_claim(connection, series, pathway, START)
        return partial(on_findings_scored, runtime)

    def commutes(self, fresh_database: FreshDatabase, folder: Path, history: History) -> None:
        with fresh_database() as database:
            handle = self.service(database, folder)
            for event in history.events:
                handle(event)
            expected = rows_of(database, *self.TABLES)
        with fresh_database() as database:
            handle = self.service(database, folder)
            for number, event in enumerate(history.delivered):
                if number == history.forgets_receipts_at:
                    forget_receipts(database)
                handle(event)
            assert rows_of(database, *self.TABLES) == expected

    @EXAMPLES
    @given(history=histories(answer_events(runs=1)))
    def test_any_order_of_answers_gives_the_same_rows(
        self, fresh_database: FreshDatabase, scratch: Path, history: History
    ) -> None:
        self.commutes(fresh_database, scratch, history)

    def test_so_does_any_order_of_two_runs_that_ended_differently(
        self, fresh_database: FreshDatabase, scratch: Path
    ) -> None:
        failed = make_event(make_findings_scored(run=1, state=ScoringState.FAILED, score=None, findings=()))
        scored = make_event(make_findings_scored(run=2))
        history = History((failed, scored), (scored, failed), (0.0, 0.0), 9)
        self.commutes(fresh_database, scratch, history)

    def test_so_do_several_at_once(self, fresh_database: FreshDatabase, scratch: Path) -> None:
        """A claim that every model has answered is closed, though the last two answers came together."""
        second = ModelIdentity(model_id="second", version_label="1", weights_digest="f" * 64)
        events = [
            make_event(make_findings_scored(series_instance_uid=series, model=model, series_revision=revision))
            for series in SERIES
            for model in (MODEL, second)
            for revision in (1, 2)
        ]
        for seed in range(3):
            random.Random(seed).shuffle(events)
            with fresh_database() as database:
                deliver_at_once(self.service(database, scratch), events)
                (*_, claims) = rows_of(database, *self.TABLES).values()
                answered = {row["series_instance_uid"]: row["answered_revision"] for row in claims if _is_stroke(row)}
                assert answered == dict.fromkeys(SERIES, 2), f"seed {seed}"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that nothing is written to."""
    return tmp_path_factory.mktemp("data")


def forget_receipts(database: Database) -> None:
    """Do what pruning does after a week: what comes after it again is handled again."""
    with database.write() as connection:
        connection.execute(delete(receipt))


def deliver_at_once(handle: Callable[[Event[Any]], None], events: Sequence[Event[Any]], threads: int = 4) -> None:
    """Hand events over from several threads; one that is told to retry does so, as the consumer loop would."""

    def deliver(mine: Sequence[Event[Any]]) -> None:
        for event in mine:
            for _ in range(200):
                try:
                    handle(event)
                except RetryableError:
                    continue
                break
            else:
                raise AssertionError(f"{event.type} was never handled")

    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(deliver, events[n::threads]) for n in range(threads)]:
            future.result()


def _dispatch(handle: Mapping[str, Callable[[Event[Any]], None]], event: Event[Any]) -> None:
    handle[event.type](event)


def _busy_order(chance: random.Random) -> list[Event[Any]]:
    """Return what happens to the two studies of one order within a moment."""
    events = []
    for series, study in SERIES.items():
        order = STUDIES[study]
        if not order:
            continue
        claims = tuple(Claim(series_instance_uid=s, pathway="stroke") for s, owner in SERIES.items() if owner == study)
        version = int(series[-1])
        records = [
            make_study_updated(study_instance_uid=study, study_version=version, claims=claims),
            make_findings_scored(
                study_instance_uid=study, series_instance_uid=series, score=chance.choice([0.1, 0.2]), findings=()
            ),
            make_series_confirmed(study_instance_uid=study, series_instance_uid=series),
        ]
        events += [make_event(record, subject=study, order_key=order) for record in records]
    return events


def _is_stroke(row: Mapping[str, Any]) -> bool:
    return bool(row["pathway"] == "stroke")
