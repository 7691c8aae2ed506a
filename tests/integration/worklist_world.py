"""A worklist of one's own: real tables in a file, a clock set by hand, no broker. Events are handed over directly."""

from __future__ import annotations

import logging
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from time import monotonic
from typing import Any

import structlog
import uvicorn
from sqlalchemy import select
from sqlalchemy.engine import URL
from sqlalchemy.event import listen

from tests.fakes import InMemoryBroker
from voorrang import identity, register
from voorrang.archive import Archive
from voorrang.bus import Message
from voorrang.clock import ManualClock
from voorrang.consuming import Handler
from voorrang.database import Database
from voorrang.events.envelope import Event, decode, encode, event_id
from voorrang.events.records import (
    Claim,
    FindingsScored,
    ModelIdentity,
    Reason,
    Record,
    ScoredFinding,
    ScoringState,
    SeriesConfirmed,
    StudyUpdated,
    Tier,
)
from voorrang.identifiers import SiteKeys
from voorrang.identity import PatientIdentity, StudyIdentity
from voorrang.migrating import migrate
from voorrang.pathways.pathway import Pathway
from voorrang.purpose import Purpose
from voorrang.register import Activation, Actor, EnvelopeFacts, Influence, ModelVersion
from voorrang.relaying import Relay
from voorrang.runtime import Runtime
from voorrang.settings import Settings
from voorrang.statement import Shows
from voorrang.tables import outbox
from voorrang.topics import TOPICS, consumed_by, topic_of
from worklist.handlers import handlers
from worklist.listing import Lister, Row
from worklist.ranking import Ranking
from worklist.reading.acts import Done, Reading
from worklist.reading.log import Reader
from worklist.web.application import application

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
KEYS = SiteKeys(b"0123456789abcdef0123456789abcdef")
RESEARCH = "Research. Not CE-marked. Not for clinical use."
DIGESTS = {"head": "a" * 64, "second-head": "b" * 64, "lung": "c" * 64}
BY = Actor("Vermeulen", "physicist", "validated here in October")


def uid(number: int, series: int | None = None) -> str:
    """Return a study's UID, or that of one of its series."""
    return f"1.2.826.0.1.3680043.10.999.{number}" + (f".{series}" if series is not None else "")


def make_pathway(
    name: str = "stroke",
    models: Sequence[tuple[str, float]] = (("head", 0.5),),
    *,
    harm_per_minute: float = 1.0,
    lift_to: Tier = "urgent",
    reading_minutes: float = 8.0,
    result_within_minutes: float = 3.0,
    read_within_minutes: float = 15.0,
) -> Pathway:
    """Return a pathway; one that lifts to STAT too, which no file may: what decided so earlier must be held as well."""
    made = Pathway.model_validate(
        {
            "pathway": name,
            "wants": {"region": "head"},
            "complete": {
                "quiet_seconds": 5,
                "cap_seconds": 120,
                "negative_provisional_until": {"quiet_seconds": 60},
            },
            "lane": "urgent",
            "models": [{"name": model, "operating_point": point} for model, point in models],
            "delay": {
                "harm_per_minute": harm_per_minute,
                "read_within_minutes": read_within_minutes,
                "result_within_minutes": result_within_minutes,
                "lift_to": "urgent",
                "owner": "somebody",
                "source": "made up",
                "decided_on": "2026-11-01",
            },
            "reading": {"minutes": reading_minutes},
        }
    )
    return made.model_copy(update={"delay": made.delay.model_copy(update={"lift_to": lift_to})})


STROKE = make_pathway()
LUNG = make_pathway(
    "lung-nodule",
    (("lung", 0.5),),
    harm_per_minute=0.01,
    lift_to="routine",
    reading_minutes=12,
    result_within_minutes=30,
)
PATHWAYS = {"stroke": STROKE, "lung-nodule": LUNG}


def make_version(
    model_id: str = "head",
    version: str = "1.0",
    digest: str = "",
    statement: str = "",
    shows: Shows = Shows.MEASURE,
) -> ModelVersion:
    """Return a model version as the register knows it."""
    return ModelVersion(model_id, version, digest or DIGESTS[model_id], statement or RESEARCH, shows)


def make_activation(
    pathway: Pathway = STROKE,
    model: ModelVersion | None = None,
    influence: Influence = Influence.RANK,
    activation: int = 1,
    **changed: Any,
) -> Activation:
    """Return a decision that agrees with the pathway unless told otherwise."""
    version = model or make_version(pathway.models[0].name)
    use = pathway.model_use(version.model_id)
    values: dict[str, Any] = {
        "operating_point": use.operating_point if use else 0.5,
        "lift_to": pathway.delay.lift_to,
        "harm_per_minute": pathway.delay.harm_per_minute,
        "reading_minutes": pathway.reading.minutes,
        "calibration_digest": None,
        "read_within_minutes": pathway.delay.read_within_minutes,
    }
    return Activation(activation, pathway.name, version, influence, **(values | changed))


def make_study(
    number: int = 1,
    *,
    version: int = 1,
    claims: Sequence[tuple[int, str] | tuple[int, str, int, bool]] = ((1, "stroke"),),
    minutes: float | None = None,
    prior: bool = False,
    arrived_at: datetime | None = None,
) -> StudyUpdated:
    """Return what ingest says of study `number`, received `minutes` after noon."""
    at = arrived_at or NOON + timedelta(minutes=number if minutes is None else minutes)
    return StudyUpdated(
        study_instance_uid=uid(number),
        study_version=version,
        first_received_at=at,
        last_received_at=at,
        modalities=("CT",),
        series_count=1,
        instance_count=28,
        prior=prior,
        claims=tuple(_claim(number, *claim) for claim in claims),
    )


def _claim(number: int, series: int, pathway: str, revision: int = 0, is_open: bool = False) -> Claim:
    uid_of_series = uid(number, series)
    return Claim(series_instance_uid=uid_of_series, pathway=pathway, series_revision=revision, open=is_open)


def make_answer(
    number: int = 1,
    score: float | None = 0.9,
    *,
    series: int = 1,
    pathway: str = "stroke",
    model: str = "head",
    digest: str = "",
    version: str = "1.0",
    state: ScoringState = ScoringState.SCORED,
    revision: int = 1,
    run: int = 1,
    operating_point: float = 0.5,
    finding_type: str = "hyperdense_region",
    reason: str = "gap of 20 mm between slices",
) -> FindingsScored:
    """Return what a model says of a series of study `number`."""
    at = NOON + timedelta(minutes=number)
    is_scored = state is ScoringState.SCORED
    return FindingsScored(
        study_instance_uid=uid(number),
        series_instance_uid=uid(number, series),
        series_revision=revision,
        instances_digest="d" * 64,
        pathway=pathway,
        model=ModelIdentity(model_id=model, version_label=version, weights_digest=digest or DIGESTS[model]),
        run=run,
        state=state,
        score=score if is_scored else None,
        operating_point=operating_point,
        findings=(ScoredFinding(type=finding_type, score=score, position_mm=(1.0, 2.0, 3.0)),)
        if is_scored and score is not None and score >= operating_point
        else (),
        reasons=() if is_scored else (Reason(code="gap", text=reason),),
        last_received_at=at,
        scored_at=at + timedelta(seconds=20),
    )


def make_confirmation(
    number: int = 1, *, series: int = 1, revision: int = 1, pathway: str = "stroke"
) -> SeriesConfirmed:
    """Return ingest's word that a series is whole."""
    return SeriesConfirmed(
        study_instance_uid=uid(number),
        series_instance_uid=uid(number, series),
        series_revision=revision,
        instances_digest="d" * 64,
        pathway=pathway,
        verdict="count_agrees",
    )


def make_event(
    record: Any, *, order_key: str = "", purpose: Purpose = Purpose.CLINICAL, source: str = ""
) -> Event[Any]:
    """Put a record into an envelope."""
    subject = getattr(record, "study_instance_uid", "")
    return Event(
        id=event_id(record.event_type, record.model_dump_json(), order_key, purpose.value),
        source=source or "test",
        type=record.event_type,
        time=NOON,
        subject=subject,
        traceparent="",
        purpose=purpose,
        site="site",
        patient_key=KEYS.patient_key("", subject),
        order_key=order_key,
        data=record,
    )


@cache
def migrated_database() -> bytes:
    """Return the bytes of an empty database at the newest schema."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.sqlite"
        database = Database(URL.create("sqlite", database=str(path)))
        migrate(database)
        database.close()
        return path.read_bytes()


@dataclass(slots=True)
class World:
    """A worklist and what it stands on."""

    runtime: Runtime
    ranking: Ranking
    lister: Lister
    handle_by_type: Mapping[str, Handler]
    reading: Reading
    clock: ManualClock
    broker: InMemoryBroker
    handled: list[Event[Any]] = field(default_factory=list)

    @property
    def database(self) -> Database:
        """The database of this world."""
        return self.runtime.database

    def tell(self, *records: Record, order_key: str = "") -> None:
        """Hand events over in this order."""
        for record in records:
            event = make_event(record, order_key=order_key)
            self.handled.append(event)
            self.handle_by_type[event.type](event)

    def activate(
        self,
        model: str = "head",
        pathway: str = "stroke",
        influence: Influence = Influence.RANK,
        by: Actor = BY,
        shows: Shows = Shows.MEASURE,
    ) -> Activation:
        """Register a model and give it an influence."""
        version = make_version(model, shows=shows)
        with self.database.write() as connection:
            register.register_model(connection, version, self.clock.now())
            return register.activate(
                connection,
                self.runtime.pathways[pathway],
                version,
                influence,
                by,
                self.clock.now(),
                EnvelopeFacts(Purpose.CLINICAL, "site"),
            )

    def suspend(self, model: str = "head", pathway: str = "stroke") -> None:
        """Take a model's influence away, as the command does."""
        with self.database.write() as connection:
            register.suspend(connection, pathway, model, BY, self.clock.now(), EnvelopeFacts(Purpose.CLINICAL, "site"))

    def name(self, number: int, name: str = "Testnaam^Alida", description: str = "CT hersenen") -> None:
        """Write down who the patient of study `number` is, as ingest does."""
        patient = PatientIdentity(f"p_{number}", f"ID{number:06}", "HOSP", name, "19511213", "F")
        who = StudyIdentity(uid(number), patient, "", f"ACC{number:06}", "HOSP", description)
        with self.database.write() as connection:
            identity.remember(connection, who, self.clock.now())

    def rows(self) -> list[Row]:
        """Return the whole list."""
        return list(self.lister.listing(1000).items)

    def row(self, number: int = 1) -> Row:
        """Return the item that holds study `number`."""
        return next(row for row in self.rows() if uid(number) in row.study_instance_uids)

    def done(self, item_key: str, by: Reader) -> Done:
        """Say that an item is read, as the page does: with the studies that its row has to be read now."""
        seen = next((row.studies_to_read for row in self.rows() if row.item_key == item_key), ())
        return self.reading.done(item_key, by, seen)

    def order(self) -> list[int]:
        """Return the numbers of the studies in the order of reading, priors left out."""
        return [int(row.study_instance_uids[0].split(".")[-1]) for row in self.rows() if row.rank is not None]

    def announced(self, event_type: str) -> list[Event[Any]]:
        """Return the events of a type that were written, oldest first."""
        with self.database.read() as connection:
            payloads = connection.execute(select(outbox.c.payload).order_by(outbox.c.id)).scalars().all()
        return [event for event in map(decode, payloads) if event.type == event_type]


@contextmanager
def worklist_world(
    folder: Path, pathways: Mapping[str, Pathway] | None = None, *, show_names: bool = True, **settings: Any
) -> Iterator[World]:
    """Give a worklist in a folder; one that exists there is opened again, as after a restart."""
    path = folder / "voorrang.sqlite"
    if not path.exists():
        path.write_bytes(migrated_database())
    database = Database(URL.create("sqlite", database=str(path)))
    listen(database.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    clock = ManualClock(NOON + timedelta(minutes=1))
    broker = InMemoryBroker()
    producer, admin = broker.producer(), broker.admin()
    runtime = Runtime(
        service="worklist",
        settings=Settings(data_dir=folder, show_names=show_names, **settings),
        database=database,
        keys=KEYS,
        pathways=dict(pathways or PATHWAYS),
        archive=Archive(folder / "archive", 0),
        clock=clock,
        admin=admin,
        producer=producer,
        relay=Relay("worklist", database, producer, admin, clock),
        new_consumer=lambda name: broker.consumer(name, [topic.name for topic in consumed_by(name)]),
    )
    ranking = Ranking(runtime)
    lister = Lister(database, runtime.pathways, clock, show_names, runtime.settings.calibrations_dir)
    try:
        yield World(runtime, ranking, lister, handlers(runtime, ranking), Reading(runtime), clock, broker)
    finally:
        database.close()


@contextmanager
def consuming(world: World) -> Iterator[Callable[..., None]]:
    """
    Run the consumer of a world on its broker; give what publishes events and waits until they are settled.

    What comes in through here passes the same loop as in the service: purposes, receipts, dead letters.
    """
    runtime = world.runtime
    runtime.admin.create_topics(TOPICS)
    topics = [topic.name for topic in consumed_by("worklist")]
    runtime.consume(world.handle_by_type)

    def publish(*events: Event[Any]) -> None:
        topic_and_event = [(topic_of(event.data).name, event) for event in events]
        runtime.producer.send([Message(topic, event.subject, encode(event)) for topic, event in topic_and_event])
        wait_for(lambda: world.broker.lag("worklist", topics) == 0)

    try:
        wait_for(runtime.is_ready)
        yield publish
    finally:
        runtime.stop.set()
        for thread in runtime._threads:
            thread.join()


@dataclass(slots=True)
class Server:
    """The page of a world on a port of loopback; it can be ended and started again, as a service is."""

    world: World
    port: int = 0
    _thread: Thread | None = None
    _end: Callable[[], None] = lambda: None

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, on the port of the last time if there was one."""
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        listening.listen()
        self.port = listening.getsockname()[1]
        stopping = Flag()
        app = application(self.world.lister, self.world.runtime.settings, stopping.is_set, self.world.reading)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))

        def run() -> None:
            server.run(sockets=[listening])
            listening.close()

        def end() -> None:
            stopping.set()
            server.should_exit = True

        self._end = end
        self._thread = Thread(target=run, name="page")
        self._thread.start()

    def stop(self) -> None:
        """End it and wait until the port is free."""
        if self._thread is not None:
            self._end()
            self._thread.join()
            self._thread = None


@contextmanager
def serving(world: World) -> Iterator[Server]:
    """Serve the page of a world."""
    server = Server(world)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def logging_restored() -> Iterator[None]:
    """Make logging at the end what it was before somebody configured it."""
    names = ("kafka", "pynetdicom", "pydicom", "uvicorn", "alembic", "asyncio", "py.warnings")
    levels = {name: logging.getLogger(name).level for name in names}
    root, before = logging.getLogger(), list(logging.getLogger().handlers)
    level = root.level
    try:
        yield
    finally:
        structlog.reset_defaults()
        logging.captureWarnings(False)
        root.setLevel(level)
        for handler in set(root.handlers) - set(before):
            root.removeHandler(handler)
        for name in names:
            logging.getLogger(name).setLevel(levels[name])


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Look again and again until a condition holds; fail when it does not by the deadline."""
    deadline = monotonic() + seconds
    pause = Flag()
    while not condition():
        assert monotonic() < deadline, "waited in vain"
        pause.wait(0.02)
