"""What every service runs on: settings, database, bus, relay, metrics, readiness, and an orderly end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event as Flag
from threading import Thread
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import Connection, select

from voorrang import outbox
from voorrang.archive import Archive
from voorrang.bus import BrokerAdmin, Consumer, Producer
from voorrang.clock import Clock, SystemClock
from voorrang.consuming import ConsumerLoop, Handler
from voorrang.database import Database
from voorrang.errors import ConfigurationError, RetryableError
from voorrang.events.envelope import Event, event_id
from voorrang.events.records import Record
from voorrang.identifiers import SiteKeys
from voorrang.kafka_bus import KafkaAddress, KafkaBrokerAdmin, KafkaGroupConsumer, KafkaMessageProducer
from voorrang.logs import configure_logging, get_logger, of_defect
from voorrang.metrics import TASK_ROUNDS
from voorrang.migrating import require_current
from voorrang.observing import serve_metrics
from voorrang.outbox import insert_once
from voorrang.pathways.loading import load_pathways
from voorrang.pathways.pathway import Pathway
from voorrang.purpose import Purpose
from voorrang.readiness import tell_ready
from voorrang.relaying import Relay
from voorrang.settings import Settings
from voorrang.site_secret import load_site_keys
from voorrang.tables import site_fact
from voorrang.topics import TOPICS, consumed_by, topic_of

BROKER_PATIENCE_SECONDS = 30.0
JOIN_SECONDS = 15.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Origin:
    """Whom an event is about: what the envelope carries beside the record."""

    subject: str
    patient_key: str
    order_key: str
    traceparent: str
    purpose: Purpose


@dataclass(slots=True)
class Runtime:
    """
    One running service.

    Threads started by `work` are joined at the end; one that dies of a defect stops the service with exit code 1,
    so that its supervisor starts it afresh: nothing is kept in memory that the database or the archive do not have.
    """

    service: str
    settings: Settings
    database: Database
    keys: SiteKeys
    pathways: dict[str, Pathway]
    archive: Archive
    clock: Clock
    admin: BrokerAdmin
    producer: Producer
    relay: Relay
    new_consumer: Callable[[str], Consumer]
    stop: Flag = field(default_factory=Flag)
    failed: bool = False
    _threads: list[Thread] = field(default_factory=list)
    _awaited: list[Flag] = field(default_factory=list)

    def announce(
        self,
        connection: Connection,
        record: Record,
        origin: Origin,
        facts: tuple[str | int, ...],
        lane: str | None = None,
    ) -> bool:
        """Write an event into the outbox within the caller's transaction; False when this fact was told before."""
        now = self.clock.now()
        event = Event(
            id=event_id(record.event_type, *facts),
            source=self.service,
            type=record.event_type,
            time=now,
            subject=origin.subject,
            traceparent=origin.traceparent,
            purpose=origin.purpose,
            site=self.settings.site,
            patient_key=origin.patient_key,
            order_key=origin.order_key,
            data=record,
        )
        written = outbox.append(connection, self.service, topic_of(record, lane).name, event, now)
        self.relay.wake.set()
        return written

    def once(self, event: Event[Any], act: Callable[[Connection], None]) -> None:
        """Run `act` in one transaction with the receipt of an event, unless there is a receipt already."""
        with self.database.write() as connection:
            if outbox.record_receipt(connection, self.service, event.id, "handled", self.clock.now()):
                act(connection)
        self.relay.wake.set()

    def consume(self, handlers: Mapping[str, Handler]) -> None:
        """Handle the topics of this service in a thread of its own."""
        joined = Flag()
        self._awaited.append(joined)

        def run() -> None:
            """Run the loop of this consumer, and leave the group at the end."""
            loop = ConsumerLoop(
                name=self.service,
                consumer=self.new_consumer(self.service),
                producer=self.producer,
                topics=[topic.name for topic in consumed_by(self.service)],
                handlers=handlers,
                purpose=self.settings.purpose,
                on_settled=self._settled,
                stop=self.stop,
                on_joined=joined.set,
            )
            loop.run()
            with suppress(RetryableError):
                loop.consumer.close()

        self.work("consumer", run)

    def work(self, name: str, run: Callable[[], None]) -> None:
        """Run something in a thread until the service stops."""

        def guarded() -> None:
            """Run, and end the service when that fails."""
            try:
                run()
            except Exception as error:  # noqa: BLE001 - the service ends by it, and says of what
                get_logger().error("service ends", thread=name, **of_defect(error))
                get_logger().debug("service ends", exc_info=True)
                self.failed = True
                self.stop.set()

        thread = Thread(target=guarded, name=name)
        self._threads.append(thread)
        thread.start()

    def every(self, seconds: float, name: str, act: Callable[[], None]) -> None:
        """Do something again and again; a broker or database that is away only delays it."""
        rounds = TASK_ROUNDS.labels(self.service, name)

        def run() -> None:
            """Act, wait, act again."""
            while not self.stop.wait(seconds):
                try:
                    act()
                except RetryableError as error:
                    get_logger().warning("waits", task=name, reason=str(error))
                else:
                    rounds.inc()

        self.work(name, run)

    def is_ready(self) -> bool:
        """Tell whether every consumer has joined its group and nothing has failed."""
        return all(joined.is_set() for joined in self._awaited) and not self.stop.is_set()

    def run(self, on_stop: Callable[[], None] = lambda: None) -> int:
        """
        Say that we are ready once we are, work until told to stop, end in order.

        Parameters
        ----------
        on_stop
            Called first at the end: closes what takes new work in.

        Returns
        -------
        int
            The exit code: 1 when a thread died of a defect.
        """
        self.work("relay", lambda: self.relay.run(self.stop))
        while not self.is_ready() and not self.stop.wait(0.02):
            pass
        if not self.stop.is_set():
            tell_ready()
            get_logger().info("ready")
        self.stop.wait()
        on_stop()
        self.relay.wake.set()
        for thread in self._threads:
            thread.join(JOIN_SECONDS)
        for closable in (self.producer, self.admin):
            with suppress(RetryableError):
                closable.close()
        self.database.close()
        get_logger().info("stopped")
        return 1 if self.failed else 0

    def _settled(self, event: Event[Any], outcome: str) -> None:
        with self.database.write() as connection:
            outbox.record_receipt(connection, self.service, event.id, outcome, self.clock.now())


def start(service: str, settings: Settings, metrics_port: int, fetch_wait_ms: int | None = None) -> Runtime:
    """
    Prepare a service: check what must hold, connect, serve metrics.

    Parameters
    ----------
    service, settings, metrics_port
        Which, and where.
    fetch_wait_ms
        How long the broker may keep an event that this service consumes; None takes it from the settings.

    Raises
    ------
    ConfigurationError
        When something must be changed by a person first; the message says what.
    """
    configure_logging(service, settings.log_level)
    pathways = load_pathways(settings.pathways_dir)
    database = Database(settings.url())
    require_current(database)
    keys = load_site_keys(settings.secret_file)
    with database.write() as connection:
        hold_site(connection, keys, settings)
    address = KafkaAddress(
        settings.bootstrap, fetch_wait_ms or settings.kafka_fetch_wait_ms, settings.kafka_session_timeout_ms
    )
    admin = _patiently(lambda: KafkaBrokerAdmin(address), settings.bootstrap)
    _patiently(lambda: admin.create_topics(TOPICS), settings.bootstrap)
    clock = SystemClock()
    producer = KafkaMessageProducer(address, admin)
    runtime = Runtime(
        service=service,
        settings=settings,
        database=database,
        keys=keys,
        pathways=pathways,
        archive=Archive(settings.archive_dir, settings.disk_reserve_bytes),
        clock=clock,
        admin=admin,
        producer=producer,
        relay=Relay(service, database, producer, admin, clock),
        new_consumer=lambda name: KafkaGroupConsumer(address, name, [t.name for t in consumed_by(name)], admin),
    )
    serve_metrics(settings.bind_host, metrics_port, runtime.is_ready)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: runtime.stop.set())
    return runtime


def hold_site(connection: Connection, keys: SiteKeys, settings: Settings) -> None:
    """
    Bind the database to one secret and one purpose, the first time; refuse another later.

    Raises
    ------
    ConfigurationError
        When the database was made with another secret, or serves another purpose.
    """
    facts = {"secret_fingerprint": keys.fingerprint(), "purpose": settings.purpose.value}
    remedies = {
        "secret_fingerprint": f"restore {settings.secret_file.name} from backup: with another one no key matches",
        "purpose": "one stack serves one purpose: use another data folder or database",
    }
    for name, value in facts.items():
        insert_once(connection, site_fact, {"name": name, "value": value})
        found = connection.execute(select(site_fact.c.value).where(site_fact.c.name == name)).scalar_one()
        if found != value:
            raise ConfigurationError(f"this database has another {name.replace('_', ' ')}; {remedies[name]}")


def _patiently(act: Callable[[], T], bootstrap: str) -> T:
    deadline = monotonic() + BROKER_PATIENCE_SECONDS
    while True:
        try:
            return act()
        except RetryableError as error:
            if monotonic() > deadline:
                remedy = "start it, or set VOORRANG_KAFKA_BOOTSTRAP"
                raise ConfigurationError(f"no Kafka broker answers at {bootstrap}: {remedy}") from error
            Flag().wait(0.2)


def site_is_known(connection: Connection) -> bool:
    """Tell whether a database is bound to a secret already."""
    query = select(site_fact.c.value).where(site_fact.c.name == "secret_fingerprint")
    return connection.execute(query).scalar_one_or_none() is not None
