"""
What the platform asks of an event bus. Apache Kafka is the only one; tests have a second in memory.

A producer returns where a message was written only once the broker has it. A consumer hands out each message at
least once: what was not committed comes again after a restart. Any call may raise `RetryableError` when the broker
is away; none hangs for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from voorrang.topics import Topic

# What is larger no broker takes, however often it is tried: Kafka's `message.max.bytes` and kafka-python's
# `max_request_size` are 1 MiB, of which this leaves room for the key and the frame.
MAX_VALUE_BYTES = 1_040_000


@dataclass(frozen=True, slots=True)
class Message:
    """What is written: the topic by name, the key, the payload."""

    topic: str
    key: str
    value: bytes


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """One partition of a topic."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message lies. `log_id` changes when the topic is lost and made anew."""

    partition: Partition
    offset: int
    log_id: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message as read."""

    partition: Partition
    offset: int
    key: str
    value: bytes


@dataclass(frozen=True, slots=True)
class LogState:
    """What a partition holds now: offsets from `first` up to, not including, `end`."""

    log_id: str
    first: int
    end: int


class Producer(Protocol):
    """Writes messages."""

    def send(self, messages: Sequence[Message]) -> list[Place]:
        """Write all and return their places in order; on an error none may be taken as written."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


class Consumer(Protocol):
    """A member of a consumer group."""

    def poll(self, timeout_seconds: float) -> list[Received]:
        """
        Return what has come, waiting at most so long; call it often, it keeps the membership.

        Joining a group, at first or because a member came or went, takes seconds and is waited for. Never returns
        what a paused partition holds. A partition taken away or lost is reported by `lost` and no longer paused.
        """
        ...

    def lost(self) -> frozenset[Partition]:
        """Return, once, the partitions no longer ours since the last call; drop what is buffered of them."""
        ...

    def assigned(self) -> frozenset[Partition]:
        """Return the partitions that are ours now; empty until the group was joined."""
        ...

    def pause(self, partitions: frozenset[Partition]) -> None:
        """Make exactly these partitions give nothing until the next call."""
        ...

    def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        """Say that everything below these offsets has been handled."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


class BrokerAdmin(Protocol):
    """Questions about the broker itself."""

    def create_topics(self, topics: Sequence[Topic]) -> None:
        """Make the topics and their dead-letter topics; one that exists is left as it is."""
        ...

    def log_states(self, topics: Sequence[str]) -> dict[Partition, LogState]:
        """Return what every partition of the topics holds; a topic that does not exist is left out."""
        ...

    def committed(self, group: str) -> dict[Partition, int]:
        """Return the next offset of each partition that a group has committed."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...
