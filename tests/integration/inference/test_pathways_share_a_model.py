"""Two pathways with one model: it reads a series once, and each pathway has its own gate, rivals and calibration."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import select, text

from inference import results
from inference.failures import Failure
from inference.model import Opinion
from inference.reading import Outcome, failed
from inference.results import Identity, Result
from inference.running.messages import Job
from inference.scope import ScopeCode, ScopeReason
from inference.tables import result
from inference.timeline import timeline
from inference.worker import Worker
from tests.builders import MODEL, SERIES_UID, START, make_event, make_runtime, make_series_completed
from tests.integration.conftest import FreshDatabase
from tests.integration.inference.archived import archive_series
from tests.integration.inference.test_worker import Scripted
from tests.integration.inference.test_worker_selects import Head, InProcess
from voorrang.calibration import Calibration
from voorrang.database import Database
from voorrang.events.envelope import decode
from voorrang.events.records import FindingsScored, ScoredFinding, ScoringState, SeriesCompleted, SeriesRejected
from voorrang.migrating import _config, migrate
from voorrang.runtime import Runtime
from voorrang.tables import outbox

pytestmark = pytest.mark.integration

WIDE_MM, NARROW_MM = 130.0, 40.0  # of coverage; the series have 120
THIN, THICK = 2.0, 5.0
SCORED, PREFERRED, COVERAGE = ("scored", ""), ("out_of_scope", "another_preferred"), ("out_of_scope", "coverage")
CUT_OFF = Outcome(ScoringState.OUT_OF_SCOPE, reasons=(ScopeReason(ScopeCode.COVERAGE, "The head is cut off."),))


@pytest.fixture
def runtime(database: Database, tmp_path: Path) -> Runtime:
    """Three pathways with `reference-head`; `wide` wants more coverage than the series of these tests have."""
    made = make_runtime("inference", database, tmp_path)
    stroke = made.pathways["stroke"]
    made.pathways = {
        name: stroke.model_copy(
            update={"name": name, "wants": stroke.wants.model_copy(update={"min_coverage_mm": coverage_mm})}
        )
        for name, coverage_mm in {"stroke": NARROW_MM, "trauma": NARROW_MM, "wide": WIDE_MM}.items()
    }
    return made


@pytest.fixture
def head() -> Head:
    return Head("reference-head")


@pytest.fixture
def worker(runtime: Runtime, head: Head) -> Worker:
    return Worker(runtime, InProcess(runtime.archive, {"reference-head": head}))


def complete(worker: Worker, pathway: str, spacing_mm: float = THIN, again: int = 0) -> SeriesCompleted:
    """Put a series into the archive and hand its event to the worker, or another event that asks the same again."""
    uid = f"{SERIES_UID}.{int(spacing_mm)}"
    manifest = archive_series(worker.runtime.archive, uid, int(spacing_mm), spacing_mm)
    record = make_series_completed(series_instance_uid=uid, manifest=manifest, pathway=pathway)
    worker.on_series_completed(make_event(record, facts=(pathway, uid, again)))
    return record


def answers(runtime: Runtime) -> list[FindingsScored]:
    with runtime.database.read() as connection:
        rows = connection.execute(select(outbox.c.payload).order_by(outbox.c.id)).scalars()
        return [decode(payload).data for payload in rows]


def told(runtime: Runtime) -> dict[tuple[str, int], tuple[str, str]]:
    """Return state and first code of each answer, by pathway and thickness of the slices; none is told twice."""
    found = {
        (a.pathway, int(a.series_instance_uid.rpartition(".")[2])): (
            a.state.value,
            next((r.code for r in a.reasons), ""),
        )
        for a in answers(runtime)
    }
    assert len(found) == len(answers(runtime))
    return found


@pytest.mark.parametrize("order", list(permutations(["wide", "stroke", "trauma"])))
def test_each_pathway_is_told_what_its_own_gate_says_and_the_model_is_asked_once(
    worker: Worker, head: Head, order: tuple[str, ...]
) -> None:
    for again in (0, 1):
        for pathway in order:
            complete(worker, pathway, again=again)
    assert told(worker.runtime) == {("wide", 2): COVERAGE, ("stroke", 2): SCORED, ("trauma", 2): SCORED}
    assert head.read_hu == [2]
    (refusal,) = (a for a in answers(worker.runtime) if a.pathway == "wide")
    assert [reason.text for reason in refusal.reasons] == ["The stack covers 120 mm; at least 130 mm is asked."]
    assert (refusal.score, refusal.findings) == (None, ())


def test_where_says_which_pathway_was_told_what(worker: Worker) -> None:
    records = [complete(worker, pathway) for pathway in ("stroke", "wide")]
    with worker.runtime.database.read() as connection:
        said = [moment.detail for moment in timeline(connection, [records[0].series_instance_uid])]
    assert sorted("wide" if ": wide series" in detail else "stroke" for detail in said) == ["stroke", "wide"]
    assert [detail.endswith("at least 130 mm is asked.") for detail in said if ": wide series" in detail] == [True]


def test_a_better_series_of_another_pathway_is_no_rival(worker: Worker) -> None:
    complete(worker, "stroke", THIN)
    complete(worker, "trauma", THICK)
    complete(worker, "stroke", THICK)
    assert told(worker.runtime) == {("stroke", 2): SCORED, ("trauma", 5): SCORED, ("stroke", 5): PREFERRED}


def test_what_another_pathway_asked_for_first_is_a_rival_on_this_one_too(worker: Worker, head: Head) -> None:
    complete(worker, "stroke", THIN)
    complete(worker, "trauma", THIN)
    complete(worker, "trauma", THICK)
    assert told(worker.runtime)[("trauma", 5)] == PREFERRED
    assert head.read_hu == [2]


def test_what_was_told_stands_when_it_is_asked_again_whatever_came_since(worker: Worker) -> None:
    thick = complete(worker, "stroke", THICK)
    complete(worker, "trauma", THICK)
    complete(worker, "trauma", THIN)
    complete(worker, "stroke", THIN)
    complete(worker, "wide", THICK)
    before = answers(worker.runtime)
    for pathway in ("stroke", "trauma", "wide"):
        complete(worker, pathway, THICK, again=1)
    assert answers(worker.runtime) == before
    with worker.runtime.database.read() as connection:
        kept = timeline(connection, [thick.series_instance_uid])
    assert ["preferred" in moment.detail for moment in kept] == [False] * 3


def test_a_refusal_stands_when_it_is_asked_again_after_its_reason_is_gone(worker: Worker, head: Head) -> None:
    thin = complete(worker, "stroke", THIN)
    complete(worker, "stroke", THICK)
    values = {"reason": "quality", "rejected_at": START, "series_revision": thin.series_revision}
    uids = {"study_instance_uid": thin.study_instance_uid, "series_instance_uid": thin.series_instance_uid}
    worker.on_series_rejected(make_event(SeriesRejected(**uids, **values)))
    complete(worker, "stroke", THICK, again=1)
    assert told(worker.runtime)[("stroke", 5)] == PREFERRED
    assert head.read_hu == [2]
    complete(worker, "trauma", THICK)
    assert told(worker.runtime)[("trauma", 5)] == SCORED


def test_a_model_that_failed_is_not_asked_again_and_a_gate_that_refuses_speaks_first(
    worker: Worker, head: Head
) -> None:
    head.fails_at = {2}
    for pathway in ("stroke", "trauma", "wide"):
        complete(worker, pathway)
    failure = ("failed", "model_error")
    assert told(worker.runtime) == {("stroke", 2): failure, ("trauma", 2): failure, ("wide", 2): COVERAGE}
    assert head.read_hu == [2]


def test_no_score_is_taken_over_where_the_gate_could_not_be_asked(runtime: Runtime) -> None:
    reader = Scripted([])
    worker = Worker(runtime, reader)
    for pathway, outcome in (("stroke", reader.outcome), ("trauma", failed(Failure.MANIFEST_UNREADABLE))):
        reader.outcome = outcome
        worker.on_series_completed(make_event(make_series_completed(pathway=pathway)))
    assert len(reader.asked) == 2
    assert [(a.pathway, a.state.value) for a in answers(runtime)] == [("stroke", "scored"), ("trauma", "failed")]


def test_what_a_model_did_not_read_for_one_pathway_it_is_asked_for_another(runtime: Runtime) -> None:
    reader = Scripted([], outcome=CUT_OFF)
    worker = Worker(runtime, reader)
    worker.on_series_completed(make_event(make_series_completed(pathway="wide")))
    reader.outcome = Scripted([]).outcome
    worker.on_series_completed(make_event(make_series_completed(pathway="stroke")))
    assert [(a.pathway, a.state.value) for a in answers(runtime)] == [("wide", "out_of_scope"), ("stroke", "scored")]


def test_two_workers_that_read_for_two_pathways_at_once_tell_one_score(runtime: Runtime) -> None:
    other = Worker(runtime, Scripted([]))

    class Overtaken(Scripted):
        def read(self, job: Job) -> Iterator[tuple[str, Outcome]]:
            other.on_series_completed(make_event(make_series_completed(pathway="trauma")))
            for name in job.models:
                yield name, replace(self.outcome, opinion=Opinion(0.1, ()))

    Worker(runtime, Overtaken([])).on_series_completed(make_event(make_series_completed(pathway="stroke")))
    assert sorted((a.pathway, a.score) for a in answers(runtime)) == [("stroke", 0.7), ("trauma", 0.7)]
    with runtime.database.read() as connection:
        assert len(connection.execute(select(result)).all()) == 1


def test_a_finding_is_worth_on_each_pathway_what_was_counted_there(database: Database) -> None:
    counted = Calibration.model_validate(
        {
            **{"schema_version": 1, "flagged": 20, "true_positives": 20, "positives": 25, "site": "site"},
            **{"pathway": "stroke", "model_id": MODEL.model_id, "weights_digest": MODEL.weights_digest},
            **{"operating_point": 0.5, "made_by": "Vermeulen", "made_on": "2026-11-01", "source": "reports"},
        }
    )
    identity = Identity(SERIES_UID, 1, MODEL, 1)
    found = Result(ScoringState.SCORED, 0.7, (ScoredFinding(type="bleed", score=0.7),), (), START)
    with database.write() as connection:
        for _ in range(2):  # as after a restart
            stroke = results.keep_first(connection, identity, "stroke", found, counted)
            trauma = results.keep_first(connection, identity, "trauma", found)
        said = results.said(connection, identity)
        assert (results.find(connection, identity, "stroke"), said) == (stroke, found)
    assert stroke.findings[0].calibrated_probability == pytest.approx(20 / 23.841459, abs=1e-6)
    assert trauma.findings[0].calibrated_probability is None


def test_answers_of_the_version_before_are_found_again_and_its_refusals_count_for_no_other_pathway(
    fresh_database: FreshDatabase,
) -> None:
    latest, refused, older = ("1.1", 2), ("1.2", 1), ("1.1", 1)
    with fresh_database() as database:
        _go_back(database)
        for of, state in ((latest, "scored"), (refused, "out_of_scope"), (older, "out_of_scope")):
            _insert_old(database, *of, state)
        migrate(database)
        identities = [Identity(*of, MODEL, 1) for of in (latest, refused, older)]
        with database.read() as connection:
            found = [results.find(connection, identity, "stroke") for identity in identities]
            said = [results.said(connection, identity) for identity in identities]
            assert len(timeline(connection, ["1.1", "1.2"])) == 3
        assert [f and f.state.value for f in found] == ["scored", "out_of_scope", None]
        assert [s and s.state.value for s in said] == ["scored", None, None]
        _go_back(database)
        with database.read() as connection:
            states = connection.execute(text("SELECT state FROM inference_result ORDER BY state")).scalars().all()
        migrate(database)
    assert states == ["out_of_scope", "out_of_scope", "scored"]


def _go_back(database: Database) -> None:
    config = _config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "inference_0004")


def _insert_old(database: Database, uid: str, revision: int, state: str) -> None:
    """Write an answer on `stroke` as the version before did, which kept of older revisions only the result."""
    outcome: dict[str, object] = {"score": None, "findings": [], "reasons": []}
    model = [MODEL.model_id, MODEL.version_label, MODEL.weights_digest]
    said = dict(zip("urmvdso", (uid, revision, *model, state, json.dumps(outcome)), strict=True)) | {"t": START}
    with database.write() as connection:
        connection.execute(text("INSERT INTO inference_result VALUES (:u, :r, :m, :v, :d, 1, :s, :o, :t)"), said)
        if (uid, revision) != ("1.1", 1):
            statement = "INSERT INTO inference_answered VALUES (:u, 'stroke', :m, :v, :d, '1', :r, 1, NULL)"
            connection.execute(text(statement), said)
