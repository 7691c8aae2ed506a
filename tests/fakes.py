"""An event bus in memory. The contract tests hold it and Kafka to the same promises."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Condition
from zlib import crc32

from voorrang.bus import LogState, Message, Partition, Place, Received
from voorrang.errors import RetryableError
from voorrang.topics import Topic

MAX_RECORDS = 64
MAX_REQUEST_BYTES = 1_048_576  # kafka-python's max_request_size; Kafka's message.max.bytes is 12 more


@dataclass(slots=True)
class Log:
    """One partition; `first` is above 0 when retention took the oldest messages."""

    messages: list[Received] = field(default_factory=list)
    first: int = 0

    @property
    def end(self) -> int:
        """Offset of the next message."""
        return self.first + len(self.messages)


@dataclass(slots=True)
class Group:
    """A consumer group: what it committed, who is in it, and who has what since the last rebalance."""

    committed: dict[Partition, int] = field(default_factory=dict)
    members: list[InMemoryConsumer] = field(default_factory=list)
    generation: int = 0


class InMemoryBroker:
    """
    A broker that loses nothing unless told to.

    `logs`, `log_ids`, `groups` and `sent` (every message ever written, in order) may be looked at by tests.
    """

    def __init__(self) -> None:
        self.changed = Condition()
        self.logs: dict[Partition, Log] = {}
        self.log_ids: dict[str, str] = {}
        self.groups: dict[str, Group] = {}
        self.sent: list[Message] = []
        self.is_away = False

    def producer(self) -> InMemoryProducer:
        """Return a new producer."""
        return InMemoryProducer(self)

    def consumer(self, group: str, topics: Iterable[str]) -> InMemoryConsumer:
        """Return a new member of a group; it joins at its first poll."""
        return InMemoryConsumer(self, group, tuple(topics))

    def admin(self) -> InMemoryAdmin:
        """Return a new admin."""
        return InMemoryAdmin(self)

    def wipe(self) -> None:
        """Lose everything as a broker without a disk does when it ends: logs, their ids, groups and members."""
        with self.changed:
            for partition in self.logs:
                self.logs[partition] = Log()
            self.log_ids = {topic: uuid.uuid4().hex for topic in self.log_ids}
            self.groups = {}
            self.changed.notify_all()

    def forget(self, partition: Partition, before: int) -> None:
        """Drop the messages below an offset, as retention does."""
        with self.changed:
            log = self.logs[partition]
            log.messages = log.messages[max(0, before - log.first) :]
            log.first = max(log.first, before)

    def messages(self, topic: str) -> list[Received]:
        """Return what a topic holds, partition by partition."""
        with self.changed:
            return [m for p in sorted(self.logs) if p.topic == topic for m in self.logs[p].messages]

    def lag(self, group: str, topics: Iterable[str]) -> int:
        """Return how many messages of the topics a group has not committed past."""
        with self.changed:
            wanted = set(topics)
            done = self.groups[group].committed if group in self.groups else {}
            return sum(log.end - done.get(p, log.first) for p, log in self.logs.items() if p.topic in wanted)

    def make(self, topic: str, partitions: int) -> None:
        """Make a topic unless it exists."""
        with self.changed:
            if topic not in self.log_ids:
                self.log_ids[topic] = uuid.uuid4().hex
                self.logs |= {Partition(topic, number): Log() for number in range(partitions)}

    def require_presence(self) -> None:
        """Raise what a client raises whose broker is away."""
        if self.is_away:
            raise RetryableError("broker: away")


class InMemoryProducer:
    """Writes messages."""

    def __init__(self, broker: InMemoryBroker) -> None:
        self._broker = broker

    def send(self, messages: Sequence[Message]) -> list[Place]:
        """Write all and return their places in order; refuse what is too large, however often it is tried."""
        self._broker.require_presence()
        if any(len(message.value) > MAX_REQUEST_BYTES for message in messages):
            raise RetryableError("broker: MessageSizeTooLargeError")
        with self._broker.changed:
            places = [self._write(message) for message in messages]
            self._broker.changed.notify_all()
        return places

    def close(self) -> None:
        """Let go of the connection."""

    def _write(self, message: Message) -> Place:
        broker = self._broker
        broker.make(message.topic, 1)
        count = sum(p.topic == message.topic for p in broker.logs)
        partition = Partition(message.topic, crc32(message.key.encode()) % count)
        log = broker.logs[partition]
        offset = log.end
        log.messages.append(Received(partition, offset, message.key, message.value))
        broker.sent.append(message)
        return Place(partition, offset, broker.log_ids[message.topic])


class InMemoryConsumer:
    """
    A member of a group; a rebalance takes everything from everybody, as Kafka's eager protocol does.

    `polls` counts the calls and `on_poll` is called at the start of each; `paused` is what was asked last.
    """

    def __init__(self, broker: InMemoryBroker, group: str, topics: tuple[str, ...]) -> None:
        self._broker, self._name, self._topics = broker, group, topics
        self._group: Group | None = None
        self._generation = -1
        self._assigned: frozenset[Partition] = frozenset()
        self._lost: frozenset[Partition] = frozenset()
        self._positions: dict[Partition, int] = {}
        self.paused: frozenset[Partition] = frozenset()
        self.polls = 0
        self.on_poll: Callable[[], None] = lambda: None

    def poll(self, timeout_seconds: float) -> list[Received]:
        """Return what has come, waiting at most so long."""
        self.polls += 1
        self.on_poll()
        self._broker.require_presence()
        with self._broker.changed:
            self._join()
            found = self._fetch()
            if not found and self._broker.changed.wait(timeout_seconds):
                self._join()
                found = self._fetch()
            return found

    def lost(self) -> frozenset[Partition]:
        """Return, once, the partitions no longer ours since the last call."""
        lost, self._lost = self._lost, frozenset()
        return lost

    def assigned(self) -> frozenset[Partition]:
        """Return the partitions that are ours now; empty until the group was joined."""
        return self._assigned

    def pause(self, partitions: frozenset[Partition]) -> None:
        """Make exactly these partitions give nothing until the next call."""
        self.paused = partitions

    def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        """Say that everything below these offsets has been handled; refused after a rebalance, as Kafka does."""
        self._broker.require_presence()
        with self._broker.changed:
            group = self._broker.groups.get(self._name)
            if group is None or group is not self._group or group.generation != self._generation:
                raise RetryableError("broker: CommitFailedError")
            group.committed |= next_offsets

    def close(self) -> None:
        """Leave the group."""
        with self._broker.changed:
            group = self._broker.groups.get(self._name)
            if group is not None and self in group.members:
                group.members.remove(self)
                group.generation += 1
                self._broker.changed.notify_all()

    def _join(self) -> None:
        group = self._broker.groups.setdefault(self._name, Group())
        if self not in group.members:
            group.members.append(self)
            group.generation += 1
        if group is self._group and group.generation == self._generation:
            return
        mine = group.members.index(self)
        parts = [p for p in sorted(self._broker.logs) if p.topic in self._topics]
        self._lost |= self._assigned
        self._assigned = frozenset(parts[mine :: len(group.members)])
        self._positions = {p: group.committed[p] for p in self._assigned if p in group.committed}
        self._group, self._generation = group, group.generation

    def _fetch(self) -> list[Received]:
        found: list[Received] = []
        for partition in sorted(self._assigned - self.paused):
            log = self._broker.logs[partition]
            at = self._positions.get(partition, log.first)
            if not log.first <= at <= log.end:
                at = log.first
            taken = log.messages[at - log.first :][: MAX_RECORDS - len(found)]
            self._positions[partition] = at + len(taken)
            found += taken
        return found


class InMemoryAdmin:
    """Questions about the broker itself."""

    def __init__(self, broker: InMemoryBroker) -> None:
        self._broker = broker

    def create_topics(self, topics: Sequence[Topic]) -> None:
        """Make the topics and their dead-letter topics; one that exists is left as it is."""
        self._broker.require_presence()
        for topic in topics:
            self._broker.make(topic.name, topic.partitions)
            self._broker.make(topic.dead_letters, 1)

    def log_states(self, topics: Sequence[str]) -> dict[Partition, LogState]:
        """Return what every partition of the topics holds; a topic that does not exist is left out."""
        self._broker.require_presence()
        with self._broker.changed:
            return {
                p: LogState(self._broker.log_ids[p.topic], log.first, log.end)
                for p, log in self._broker.logs.items()
                if p.topic in topics
            }

    def committed(self, group: str) -> dict[Partition, int]:
        """Return the next offset of each partition that a group has committed."""
        self._broker.require_presence()
        with self._broker.changed:
            found = self._broker.groups.get(group)
            return dict(found.committed) if found else {}

    def close(self) -> None:
        """Let go of the connection."""
