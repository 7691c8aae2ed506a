"""The buses that promise the same: one in memory, the embedded broker, Apache Kafka."""

from __future__ import annotations

import gc
import logging
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from time import monotonic

import pytest

from tests.fakes import InMemoryBroker
from tests.neighbours.embedded import EmbeddedBroker, embedded_missing, running_embedded_broker
from tests.neighbours.kafka import kafka_missing, running_kafka
from voorrang.bus import BrokerAdmin, Consumer, Producer, Received
from voorrang.errors import RetryableError
from voorrang.kafka_bus import KafkaAddress, KafkaBrokerAdmin, KafkaGroupConsumer, KafkaMessageProducer
from voorrang.topics import Topic

PATIENCE_SECONDS = 60.0
REQUEST_TIMEOUT_MS = 2000


@dataclass
class Bus(ABC):
    """One implementation; `close` closes what was opened by the test."""

    opened: ExitStack = field(default_factory=ExitStack)

    def topic(self, partitions: int = 2) -> Topic:
        """Make a topic that nobody else uses."""
        topic = Topic(f"things-{uuid.uuid4().hex[:12]}", "study-updated", "tests", ("tests",), partitions)
        self.admin.create_topics([topic])
        return topic

    def group(self) -> str:
        """Return a name of a group that nobody else uses."""
        return f"group-{uuid.uuid4().hex[:12]}"

    def consumer(self, group: str, topics: Sequence[Topic]) -> Consumer:
        """Open a member of a group."""
        consumer = self._consumer(group, [topic.name for topic in topics])
        self.opened.callback(_close, consumer)
        return consumer

    @property
    @abstractmethod
    def admin(self) -> BrokerAdmin:
        """An admin."""

    @property
    @abstractmethod
    def producer(self) -> Producer:
        """A producer."""

    @abstractmethod
    def _consumer(self, group: str, topics: Sequence[str]) -> Consumer: ...

    def wipe(self) -> None:
        """Make the broker lose its memory."""
        pytest.skip("this broker keeps what it has on disk")

    def go_away(self) -> None:
        """Make the broker unreachable."""
        pytest.skip("shared by the whole session")

    def come_back(self) -> None:
        """Make it reachable again, its memory lost or not."""
        pytest.skip("never away")


@dataclass
class InMemoryBus(Bus):
    """The fake."""

    broker: InMemoryBroker = field(default_factory=InMemoryBroker)

    @property
    def admin(self) -> BrokerAdmin:
        return self.broker.admin()

    @property
    def producer(self) -> Producer:
        return self.broker.producer()

    def _consumer(self, group: str, topics: Sequence[str]) -> Consumer:
        return self.broker.consumer(group, topics)

    def wipe(self) -> None:
        self.broker.wipe()

    def go_away(self) -> None:
        self.broker.is_away = True

    def come_back(self) -> None:
        self.broker.is_away = False


@dataclass
class KafkaBus(Bus):
    """What speaks Kafka's protocol; the embedded broker can be killed."""

    bootstrap: str = ""
    embedded: EmbeddedBroker | None = None
    _admin: KafkaBrokerAdmin | None = None
    _producer: KafkaMessageProducer | None = None

    @property
    def address(self) -> KafkaAddress:
        """The address, with less patience than in production."""
        return KafkaAddress(self.bootstrap, session_timeout_ms=6000, request_timeout_ms=REQUEST_TIMEOUT_MS)

    def let_go(self) -> None:
        """Forget what was closed."""
        self._admin = self._producer = None

    @property
    def admin(self) -> KafkaBrokerAdmin:
        if self._admin is None:
            self._admin = KafkaBrokerAdmin(self.address)
            self.opened.callback(_close, self._admin)
        return self._admin

    @property
    def producer(self) -> Producer:
        if self._producer is None:
            self._producer = KafkaMessageProducer(self.address, self.admin)
            self.opened.callback(_close, self._producer)
        return self._producer

    def _consumer(self, group: str, topics: Sequence[str]) -> Consumer:
        return KafkaGroupConsumer(self.address, group, topics, self.admin)

    def wipe(self) -> None:
        if self.embedded is None:
            super().wipe()
        else:
            self.embedded.kill_and_restart()

    def go_away(self) -> None:
        if self.embedded is None:
            super().go_away()
        else:
            self.embedded.kill()

    def come_back(self) -> None:
        if self.embedded is not None:
            self.embedded.start()


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """One embedded broker for the session."""
    if reason := embedded_missing():
        pytest.skip(reason)
    with running_embedded_broker() as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One Apache Kafka for the session."""
    if reason := kafka_missing():
        pytest.skip(reason)
    with running_kafka(tmp_path_factory.mktemp("kafka")) as node:
        yield node.bootstrap


@pytest.fixture(autouse=True)
def quiet_kafka(caplog: pytest.LogCaptureFixture) -> None:
    """Keep kafka-python's log records, which hold its sockets, out of what pytest keeps."""
    caplog.set_level(logging.CRITICAL, "kafka")


@pytest.fixture(params=["memory", "embedded", "kafka"])
def bus(request: pytest.FixtureRequest) -> Iterator[Bus]:
    """Each implementation in turn."""
    made: Bus
    if request.param == "memory":
        made = InMemoryBus()
    elif request.param == "embedded":
        broker: EmbeddedBroker = request.getfixturevalue("embedded_broker")
        made = KafkaBus(bootstrap=broker.bootstrap, embedded=broker)
    else:
        made = KafkaBus(bootstrap=request.getfixturevalue("kafka_bootstrap"))
    with made.opened:
        yield made
    if isinstance(made, KafkaBus):
        made.let_go()
    gc.collect()  # sockets that kafka-python forgets are found here, where the tests that expect them look away


def poll_until(consumer: Consumer, enough: Callable[[list[Received]], bool]) -> list[Received]:
    """Poll until what has come is enough, dropping what is lost again; a broker that is away is asked again."""
    deadline = monotonic() + PATIENCE_SECONDS
    found: list[Received] = []
    while not enough(found):
        assert monotonic() < deadline, f"only {len(found)} messages came"
        with suppress(RetryableError):
            received = consumer.poll(0.05)
            lost = consumer.lost()
            found = [r for r in found if r.partition not in lost] + received
    return found


def join(consumer: Consumer) -> None:
    """Poll until the group has been joined."""
    found = poll_until(consumer, lambda _: bool(consumer.assigned()))
    assert found == []


def _close(closable: Producer | Consumer | BrokerAdmin) -> None:
    with suppress(RetryableError):
        closable.close()
