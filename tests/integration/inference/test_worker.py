"""The worker: every study of a batch ends scored or failed with a reason, once, whatever models and processes do."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event as Flag
from typing import Any

import pytest
from sqlalchemy import select

from inference.costing import Prices
from inference.key_pictures.keeping import keep_pictures
from inference.model import LocatedFinding, Opinion
from inference.reading import Computing, Outcome
from inference.results import Identity
from inference.running.messages import Job
from inference.running.process import ChildReader
from inference.tables import result, start
from inference.worker import MAX_STARTS, Worker
from tests.builders import MODEL, SERIES_UID, STUDY_UID, make_event, make_runtime, make_series_completed
from tests.fakes import InMemoryBroker
from tests.integration.inference.archived import archive_series, reading
from tests.integration.inference.faulty_models import ANSWER, DIE, EAT, HANG
from voorrang import register
from voorrang.archive import PictureFolder
from voorrang.bus import Message
from voorrang.calibration import file_of
from voorrang.consuming import ConsumerLoop
from voorrang.database import Database
from voorrang.errors import InvalidMessageError, RetryableError
from voorrang.events.envelope import decode, encode
from voorrang.events.records import FindingsScored, ModelIdentity, ScoringState
from voorrang.pathways.pathway import ModelUse
from voorrang.purpose import Purpose
from voorrang.register import Actor, EnvelopeFacts, Influence, ModelVersion
from voorrang.runtime import Runtime
from voorrang.statement import RESEARCH
from voorrang.tables import outbox, receipt
from voorrang.topics import SERIES_COMPLETED_URGENT

pytestmark = pytest.mark.integration

SECOND = ModelIdentity(model_id="second", version_label="1", weights_digest="e" * 64)
OPINION = Opinion(0.7, (LocatedFinding("bleed", 0.7, (1.0, 2.0, 3.0), 8.0, ((0.0, 0.0, 0.0), (2.0, 4.0, 6.0))),))
SCORED = Outcome(ScoringState.SCORED, OPINION, computing=Computing(36.0, "cuda", "bfloat16"))


class WorkerDiedError(BaseException):
    """What a kill looks like from inside: nothing catches it."""


@dataclass
class Scripted:
    """A reader that answers until its script ends with an error; `asked` is what it was asked."""

    script: Sequence[BaseException | None]
    asked: list[tuple[str, ...]] = field(default_factory=list)
    identities: dict[str, ModelIdentity] = field(default_factory=lambda: {"reference-head": MODEL, "second": SECOND})
    outcome: Outcome = SCORED

    def read(self, job: Job) -> Iterator[tuple[str, Outcome]]:
        """Answer for each model, or fail as the script says."""
        self.asked.append(job.models)
        for name in job.models:
            error, self.script = (self.script[0], self.script[1:]) if self.script else (None, ())
            if error is not None:
                raise error
            yield name, self.outcome


WITH_PICTURE = replace(SCORED, pictures=(b"png",))


@pytest.fixture
def runtime(database: Database, tmp_path: Path) -> Runtime:
    """The stroke pathway, with a second model on it."""
    made = make_runtime("inference", database, tmp_path)
    stroke = made.pathways["stroke"]
    use = ModelUse(name="second", operating_point=0.5)
    made.pathways = {"stroke": stroke.model_copy(update={"models": (*stroke.models, use)})}
    return made


def told(runtime: Runtime) -> list[FindingsScored]:
    with runtime.database.read() as connection:
        return [decode(payload).data for payload in connection.execute(select(outbox.c.payload)).scalars()]


def count(runtime: Runtime, table: Any) -> int:
    with runtime.database.read() as connection:
        return len(connection.execute(select(table)).all())


def die(runtime: Runtime, reader: Scripted, **changes: Any) -> None:
    """Let a new worker handle the event and die of it."""
    with pytest.raises(WorkerDiedError):
        Worker(runtime, reader).on_series_completed(make_event(make_series_completed(**changes)))


def test_an_answer_says_what_the_model_said_and_what_computing_it_cost(runtime: Runtime) -> None:
    Worker(runtime, Scripted([]), Prices(gpu_hour=2.5)).on_series_completed(make_event(make_series_completed()))
    first, _ = told(runtime)
    assert (first.model, first.state, first.score, first.operating_point) == (MODEL, ScoringState.SCORED, 0.7, 0.42)
    (finding,) = first.findings
    assert (finding.position_mm, finding.box_mm) == ((1.0, 2.0, 3.0), ((0.0, 0.0, 0.0), (2.0, 4.0, 6.0)))
    assert first.computing is not None
    assert first.computing.model_dump() == {"seconds": 36.0, "device": "cuda", "precision": "bfloat16", "cost": 0.025}


def test_the_probability_is_as_the_model_gave_it_and_not_calibrated_until_a_site_has_done_so(runtime: Runtime) -> None:
    Worker(runtime, Scripted([])).on_series_completed(make_event(make_series_completed()))
    (finding,) = told(runtime)[0].findings
    assert (finding.score, finding.calibrated_probability, finding.picture) == (0.7, None, None)


def test_a_finding_is_worth_what_this_site_has_counted_and_activated(runtime: Runtime) -> None:
    pathway = runtime.pathways["stroke"]
    counted = {"schema_version": 1, "flagged": 20, "true_positives": 20, "positives": 25, "site": "site"}
    said = {"made_by": "Vermeulen", "made_on": "2026-11-01", "source": "reports of October"}
    about = {"pathway": "stroke", "model_id": MODEL.model_id, "weights_digest": MODEL.weights_digest}
    text = json.dumps({**counted, **said, **about, "operating_point": pathway.models[0].operating_point})
    digest = hashlib.sha256(text.encode()).hexdigest()
    folder = runtime.settings.calibrations_dir
    folder.mkdir()
    file_of(folder, digest).write_text(text)
    version = ModelVersion(MODEL.model_id, MODEL.version_label, MODEL.weights_digest, RESEARCH)
    with runtime.database.write() as connection:
        register.register_model(connection, version, runtime.clock.now())
        by, facts = Actor("a.tester", "physicist", "test"), EnvelopeFacts(Purpose.CLINICAL, "site")
        register.activate(connection, pathway, version, Influence.RANK, by, runtime.clock.now(), facts, digest)

    Worker(runtime, Scripted([])).on_series_completed(make_event(make_series_completed()))
    head, second = (answer for answer in told(runtime) if isinstance(answer, FindingsScored))
    assert [finding.calibrated_probability for finding in head.findings] == [pytest.approx(20 / 23.841459, abs=1e-6)]
    assert [finding.calibrated_probability for finding in second.findings] == [None]


def test_a_picture_is_on_disk_before_its_finding_is_told_and_only_its_locator_is_in_the_event(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = PictureFolder(runtime.settings.pictures_dir)
    there: list[bytes] = []
    announce = type(runtime).announce

    def look(self: Runtime, connection: Any, record: Any, *others: Any) -> bool:
        there.extend(folder.path(finding.picture).read_bytes() for finding in record.findings)
        return announce(self, connection, record, *others)

    monkeypatch.setattr(type(runtime), "announce", look)
    Worker(runtime, Scripted([], outcome=WITH_PICTURE)).on_series_completed(make_event(make_series_completed()))
    assert there == [b"png", b"png"]
    first, second = (answer.findings[0].picture for answer in told(runtime))
    assert first is not None
    assert first != second  # each model has its own
    assert "1.2" not in first


def test_a_result_that_is_made_again_keeps_one_picture_and_a_run_that_is_commanded_has_its_own(
    runtime: Runtime,
) -> None:
    reader = Scripted([None, WorkerDiedError()], outcome=WITH_PICTURE)
    die(runtime, reader)
    reader.script = [WorkerDiedError()]
    die(runtime, reader)
    for run in (1, 1, 2):
        Worker(runtime, reader).on_series_completed(make_event(make_series_completed(run=run)))
    files = [path for path in runtime.settings.pictures_dir.rglob("*") if path.is_file()]
    assert len(files) == 4  # two models, two runs
    assert len({answer.findings[0].picture for answer in told(runtime)}) == 4


def test_the_result_that_counts_has_its_own_picture_when_a_retry_says_something_else(runtime: Runtime) -> None:
    """Killed between picture and result; the same identity then has another finding, as a GPU may give it."""
    folder = PictureFolder(runtime.settings.pictures_dir)
    identity = Identity(SERIES_UID, 1, MODEL, 1)
    event = make_event(make_series_completed())
    keep_pictures(folder, event.data.study_instance_uid, identity, (b"drawn before the kill",))
    Worker(runtime, Scripted([], outcome=WITH_PICTURE)).on_series_completed(event)
    picture = told(runtime)[0].findings[0].picture
    assert picture is not None
    assert folder.path(picture).read_bytes() == b"png"


def test_a_disk_that_takes_no_picture_does_not_keep_the_finding(runtime: Runtime) -> None:
    runtime.settings.pictures_dir.write_bytes(b"a file where the folder should be")
    Worker(runtime, Scripted([], outcome=WITH_PICTURE)).on_series_completed(make_event(make_series_completed()))
    assert [(answer.score, answer.findings[0].picture) for answer in told(runtime)] == [(0.7, None)] * 2


def test_without_a_price_there_is_no_cost() -> None:
    assert Prices(gpu_hour=1.0).cost(Computing(3600.0, "cpu", "float32")) is None
    assert Prices(cpu_hour=0.5).cost(Computing(1800.0, "cpu", "float32")) == 0.25


def test_a_worker_killed_between_two_models_leaves_the_answer_of_the_first_and_the_next_asks_the_other(
    runtime: Runtime,
) -> None:
    reader = Scripted([None, WorkerDiedError()])
    die(runtime, reader)
    assert [answer.model for answer in told(runtime)] == [MODEL]
    assert count(runtime, receipt) == 0
    for _ in range(2):  # and what comes again after that does nothing
        Worker(runtime, reader).on_series_completed(make_event(make_series_completed()))
    assert reader.asked == [("reference-head", "second"), ("second",)]
    assert [answer.model for answer in told(runtime)] == [MODEL, SECOND]
    assert (count(runtime, result), count(runtime, receipt), count(runtime, start)) == (2, 1, 0)


def test_what_kills_every_worker_ends_as_failed_with_that_reason_and_kills_no_more(runtime: Runtime) -> None:
    reader = Scripted([WorkerDiedError()] * MAX_STARTS)
    for _ in range(MAX_STARTS):
        die(runtime, reader)
    Worker(runtime, reader).on_series_completed(make_event(make_series_completed()))
    assert len(reader.asked) == MAX_STARTS
    assert [(a.state, a.reasons[0].code) for a in told(runtime)] == [(ScoringState.FAILED, "worker_died")] * 2
    assert (count(runtime, receipt), count(runtime, start)) == (1, 0)


def test_trying_again_in_one_worker_and_stopping_in_order_are_no_deaths(runtime: Runtime) -> None:
    event = make_event(make_series_completed())
    reader = Scripted([RetryableError("database: locked")] * 3 * MAX_STARTS)
    for _ in range(2 * MAX_STARTS):
        runtime.stop.set()
        with pytest.raises(RetryableError):
            Worker(runtime, reader).on_series_completed(event)
    runtime.stop.clear()
    one = Worker(runtime, reader)
    for _ in range(MAX_STARTS):
        with pytest.raises(RetryableError):
            one.on_series_completed(event)
    one.on_series_completed(event)
    assert [answer.state for answer in told(runtime)] == [ScoringState.SCORED] * 2


def test_two_workers_that_read_the_same_series_at_once_tell_one_result(runtime: Runtime) -> None:
    event = make_event(make_series_completed())
    other = Worker(runtime, Scripted([]))

    class Overtaken(Scripted):
        def read(self, job: Job) -> Iterator[tuple[str, Outcome]]:
            other.on_series_completed(event)
            for name in job.models:
                yield name, replace(SCORED, opinion=Opinion(0.1, ()))

    Worker(runtime, Overtaken([])).on_series_completed(event)
    assert [answer.score for answer in told(runtime)] == [0.7, 0.7]
    assert (count(runtime, result), count(runtime, receipt)) == (2, 1)


def test_a_pathway_that_is_not_here_is_for_the_dead_letters(runtime: Runtime) -> None:
    with pytest.raises(InvalidMessageError, match="unknown_pathway"):
        Worker(runtime, Scripted([])).on_series_completed(make_event(make_series_completed(pathway="gone")))


@pytest.mark.skipif(sys.platform != "linux", reason="limits and death signals of Linux")
def test_every_study_of_a_batch_ends_scored_or_failed_with_its_reason_once(
    database: Database, tmp_path: Path, broker: InMemoryBroker
) -> None:
    runtime = make_runtime("inference", database, tmp_path, broker=broker)
    faults = {1: ANSWER, 2: HANG, 3: ANSWER, 4: DIE, 5: EAT, 6: ANSWER}
    manifests = _publish(runtime, broker, faults)
    consumer = broker.consumer("inference", [SERIES_COMPLETED_URGENT.name])
    stop = Flag()
    consumer.on_poll = lambda: stop.set() if _is_done(broker) else None
    hangs = {job for job, hu in zip(manifests, faults.values(), strict=True) if hu == HANG}
    with reading(tmp_path, "reference-head", memory_bytes=2 << 30) as reader:
        worker = Worker(runtime, Impatient(reader, hangs))
        handlers = {"series-completed": worker.on_series_completed}
        ConsumerLoop(
            "inference",
            consumer,
            runtime.producer,
            [SERIES_COMPLETED_URGENT.name],
            handlers,
            runtime.settings.purpose,
            lambda *_: None,
            stop,
        ).run()
    ended = {int(a.series_instance_uid.rpartition(".")[2]): _end_of(a) for a in told(runtime)}
    assert ended == {
        1: "scored",
        2: "time_limit",
        3: "scored",
        4: "process_died",
        5: "out_of_memory",
        6: "scored",
    }
    assert len(told(runtime)) == count(runtime, result) == count(runtime, receipt) == len(faults)
    assert broker.messages(SERIES_COMPLETED_URGENT.dead_letters) == []


@dataclass
class Impatient:
    """A reader that waits long for every job but those that hang: no test must depend on how fast this machine is."""

    reader: ChildReader
    hangs: set[str]

    @property
    def identities(self) -> Mapping[str, ModelIdentity]:
        """The models of the reader."""
        return self.reader.identities

    def read(self, job: Job) -> Iterator[tuple[str, Outcome]]:
        """Read with the patience that the job deserves."""
        self.reader.time_limit_seconds = 0.3 if job.manifest in self.hangs else 60.0
        return self.reader.read(job)


def _publish(runtime: Runtime, broker: InMemoryBroker, faults: dict[int, int]) -> list[str]:
    broker.admin().create_topics([SERIES_COMPLETED_URGENT])
    manifests = []
    for number, hu in faults.items():
        uid = f"{SERIES_UID}.{number}"
        manifest = archive_series(runtime.archive, uid, hu)
        record = make_series_completed(study_instance_uid=f"{STUDY_UID}.{number}", series_instance_uid=uid)
        event = make_event(record.model_copy(update={"manifest": manifest}))
        broker.producer().send([Message(SERIES_COMPLETED_URGENT.name, event.subject, encode(event))])
        manifests.append(manifest)
    return manifests


def _is_done(broker: InMemoryBroker) -> bool:
    return broker.lag("inference", [SERIES_COMPLETED_URGENT.name]) == 0


def _end_of(answer: FindingsScored) -> str:
    return answer.reasons[0].code if answer.reasons else answer.state.value
