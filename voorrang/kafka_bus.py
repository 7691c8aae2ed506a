"""The bus on Apache Kafka by kafka-python; nothing else imports it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic, OffsetSpec
from kafka.errors import KafkaError
from kafka.structs import MemberState, OffsetAndMetadata

from voorrang.bus import LogState, Message, Partition, Place, Received
from voorrang.errors import RetryableError
from voorrang.topics import BY_NAME, Topic

MAX_POLL_INTERVAL_MS = 30_000  # the loop polls while a handler works; a member that is gone holds others up so long
RECONNECT_WITHIN_MS = 1000  # a broker that is back is found within a second, however long it was away
MEMORY_CHECK_SECONDS = 2.0
LOG_IDS_SECONDS = 2.0  # to ask for them before every message is a third of a hop
MAX_RECORDS = 64
JOIN_POLL_MS = 250
JOIN_TIMEOUTS = 10.0  # session timeouts to wait for an assignment before a join that hangs is begun anew
TOPIC_EXISTS = 36  # Kafka protocol error code TOPIC_ALREADY_EXISTS
DEAD_LETTER_RETENTION_MS = 90 * 86_400_000


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """Where the broker is and how we talk to it; times in ms."""

    bootstrap: str
    fetch_wait_ms: int = 5
    session_timeout_ms: int = 6000
    request_timeout_ms: int = 10_000


@contextmanager
def _retryable() -> Iterator[None]:
    try:
        yield
    except (KafkaError, OSError) as error:
        raise RetryableError(f"broker: {type(error).__name__}") from error


class KafkaMessageProducer:
    """
    Writes messages; every one is acknowledged by all replicas.

    Parameters
    ----------
    address
        The broker.
    admin
        Asked for the id of each topic's log, which tells a lost and remade topic from the old one.
    """

    def __init__(self, address: KafkaAddress, admin: KafkaBrokerAdmin) -> None:
        self._admin = admin
        self._timeout_seconds = address.request_timeout_ms / 1000
        self._log_ids: dict[str, str] = {}
        self._asked_at = 0.0
        with _retryable():
            self._producer = KafkaProducer(
                bootstrap_servers=address.bootstrap,
                acks="all",
                enable_idempotence=False,  # the embedded broker has none; handlers are idempotent
                linger_ms=0,
                # A batch for each message: the embedded broker tells a log's end by the last batch's first offset, so
                # that the rest of a larger batch would look lost. Costs nothing at the rate of events.
                batch_size=0,
                compression_type="gzip",
                request_timeout_ms=address.request_timeout_ms,
                delivery_timeout_ms=address.request_timeout_ms,  # what we gave up on is not sent behind our back
                max_block_ms=address.request_timeout_ms,
                reconnect_backoff_max_ms=RECONNECT_WITHIN_MS,
            )

    def send(self, messages: Sequence[Message]) -> list[Place]:
        """Write all and return their places in order; on an error none may be taken as written."""
        log_ids = self._known_log_ids({m.topic for m in messages})
        with _retryable():
            try:
                futures = [self._producer.send(m.topic, key=m.key.encode(), value=m.value) for m in messages]
                written = [future.get(timeout=self._timeout_seconds) for future in futures]
            except (KafkaError, OSError):
                self._log_ids = {}  # a broker that was away may come back with other logs
                raise
        return [Place(Partition(w.topic, w.partition), w.offset, log_ids.get(w.topic, "")) for w in written]

    def close(self) -> None:
        """Let go of the connection."""
        with _retryable():
            self._producer.close(timeout=2)

    def _known_log_ids(self, topics: set[str]) -> dict[str, str]:
        # Asked before a message is written, not after: if the log is lost in between, the place names the old one,
        # counts as lost, and the message is published once more. So what was asked a moment ago will do as well.
        if time.monotonic() - self._asked_at >= LOG_IDS_SECONDS:
            self._log_ids = {}
        if topics - self._log_ids.keys():
            self._asked_at = time.monotonic()
            self._log_ids = self._admin.log_ids(topics | self._log_ids.keys())
        return self._log_ids


class _Assignment(ConsumerRebalanceListener):  # type: ignore[misc]
    """Remembers what a rebalance took away; what it gave is awake, and one poll may both join and fetch."""

    def __init__(self, when_assigned: Callable[[], None]) -> None:
        self.lost: set[Partition] = set()
        self._when_assigned = when_assigned

    def on_partitions_revoked(self, revoked: Any) -> None:
        self.lost |= {Partition(tp.topic, tp.partition) for tp in revoked}

    def on_partitions_assigned(self, assigned: Any) -> None:  # noqa: ARG002 -- kafka-python gives it
        self._when_assigned()


class KafkaGroupConsumer:
    """
    A member of a consumer group that notices when the broker has lost its memory.

    A broker that was wiped and has filled up again may look as if nothing happened: positions beyond the end of
    the new log, or in the middle of it. So the ids of the logs are compared every few seconds, and when one has
    changed everything is read from the start of the new logs. The membership is left to the client: one that is
    closed while it joins leaves the embedded broker waiting for it, and the group without an assignment.

    Parameters
    ----------
    address
        The broker.
    group
        Name of the consumer group.
    topics
        What to read.
    admin
        Asked for the ids of the logs.
    """

    def __init__(self, address: KafkaAddress, group: str, topics: Sequence[str], admin: KafkaBrokerAdmin) -> None:
        self._address, self._group, self._topics, self._admin = address, group, tuple(topics), admin
        self._paused: frozenset[Partition] = frozenset()
        self._reported: set[Partition] = set()
        self._log_ids: dict[str, str] = {}
        self._checked_at = self._began_at = 0.0
        self._consumer: Any = None
        self._assignment = _Assignment(self._apply_pauses)
        self._begin()

    def poll(self, timeout_seconds: float) -> list[Received]:
        """Return what has come, waiting at most so long; call it often, it keeps the membership."""
        with _retryable():
            self._notice_lost_memory()
            self._notice_hanging_join()
            self._apply_pauses()
            batches = self._join()
            if not batches:
                batches = self._consumer.poll(timeout_ms=int(timeout_seconds * 1000), max_records=MAX_RECORDS)
        return [
            Received(
                Partition(tp.topic, tp.partition),
                r.offset,
                (r.key or b"").decode(errors="replace"),
                r.value or b"",
            )
            for tp, records in batches.items()
            for r in records
        ]

    def lost(self) -> frozenset[Partition]:
        """Return, once, the partitions no longer ours since the last call."""
        lost = frozenset(self._assignment.lost | self._reported)
        self._assignment.lost.clear()
        self._reported.clear()
        return lost

    def assigned(self) -> frozenset[Partition]:
        """Return the partitions that are ours now; empty until the group was joined."""
        return frozenset(Partition(tp.topic, tp.partition) for tp in self._consumer.assignment())

    def pause(self, partitions: frozenset[Partition]) -> None:
        """Make exactly these partitions give nothing until the next call."""
        self._paused = partitions

    def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        """Say that everything below these offsets has been handled."""
        offsets = {
            TopicPartition(p.topic, p.number): OffsetAndMetadata(offset, "", -1) for p, offset in next_offsets.items()
        }
        with _retryable():
            # Without a time limit kafka-python asks for ever while the broker is away.
            self._consumer.commit(offsets, timeout_ms=self._address.request_timeout_ms)

    def close(self) -> None:
        """Leave the group."""
        with _retryable():
            self._consumer.close(autocommit=False, timeout_ms=2000)

    def _begin(self) -> None:
        # A client that asks for a topic makes it, with the broker's own number of partitions: so ours come first.
        self._admin.create_topics([BY_NAME[topic] for topic in self._topics if topic in BY_NAME])
        self._began_at = time.monotonic()
        with _retryable():
            self._consumer = KafkaConsumer(
                bootstrap_servers=self._address.bootstrap,
                group_id=self._group,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                session_timeout_ms=self._address.session_timeout_ms,
                heartbeat_interval_ms=self._address.session_timeout_ms // 4,
                max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
                fetch_max_wait_ms=self._address.fetch_wait_ms,
                request_timeout_ms=max(self._address.request_timeout_ms, self._address.session_timeout_ms + 5000),
                metadata_max_age_ms=5000,
                reconnect_backoff_max_ms=RECONNECT_WITHIN_MS,
            )
            for topic in self._topics:  # a leader that does not know the partitions yet assigns none of them
                self._consumer.partitions_for_topic(topic)
            self._consumer.subscribe(topics=list(self._topics), listener=self._assignment)

    def _begin_anew(self) -> None:
        self._reported |= self.assigned()
        with suppress(KafkaError, OSError):
            self._consumer.close(autocommit=False, timeout_ms=500)
        self._begin()

    def _join(self) -> Any:
        # kafka-python hears of the end of a join only within a poll. One that ends between two polls is forgotten and
        # begun again, so that with short polls and work in between a group of two may never come to rest; and one
        # that was begun because a topic got more partitions is forgotten for good, the member silent in the middle
        # of it. So a join is waited for, and one that was left half-way is taken up again.
        coordinator = self._consumer._coordinator
        deadline = time.monotonic() + self._address.session_timeout_ms / 1000
        batches: Any = {}
        while not batches and time.monotonic() < deadline:
            if self._consumer.group_metadata().state is MemberState.REBALANCING:
                coordinator.request_rejoin()
            if not coordinator.need_rejoin():
                break
            batches = self._consumer.poll(timeout_ms=JOIN_POLL_MS, max_records=MAX_RECORDS)
        return batches

    def _notice_hanging_join(self) -> None:
        # A member that joined and got nothing, because others have it all, does not hang: it stands by.
        if self._consumer.assignment() or self._consumer.group_metadata().state is MemberState.STABLE:
            self._began_at = time.monotonic()
        elif time.monotonic() - self._began_at > JOIN_TIMEOUTS * self._address.session_timeout_ms / 1000:
            self._begin_anew()

    def _apply_pauses(self) -> None:
        mine = self._consumer.assignment()
        wanted = {tp for tp in mine if Partition(tp.topic, tp.partition) in self._paused}
        now = self._consumer.paused()
        if wanted - now:
            self._consumer.pause(*(wanted - now))
        if now - wanted:
            self._consumer.resume(*(now - wanted))

    def _notice_lost_memory(self) -> None:
        if time.monotonic() - self._checked_at < MEMORY_CHECK_SECONDS:
            return
        self._checked_at = time.monotonic()
        now = self._admin.log_ids(set(self._topics))
        if any(now.get(topic) != known for topic, known in self._log_ids.items()):
            self._reported |= self.assigned()
            if self._consumer.assignment():
                self._consumer.seek_to_beginning()
        self._log_ids = now


class KafkaBrokerAdmin:
    """
    Questions about the broker itself.

    Parameters
    ----------
    address
        The broker.
    """

    def __init__(self, address: KafkaAddress) -> None:
        with _retryable():
            self._admin = KafkaAdminClient(
                bootstrap_servers=address.bootstrap,
                request_timeout_ms=address.request_timeout_ms,
                bootstrap_timeout_ms=address.request_timeout_ms,
                metadata_max_age_ms=5000,
                reconnect_backoff_max_ms=RECONNECT_WITHIN_MS,
            )

    def create_topics(self, topics: Sequence[Topic]) -> None:
        """Make the topics and their dead-letter topics; one that exists is left as it is."""
        if not topics:
            return
        wanted = [
            NewTopic(t.name, t.partitions, 1, topic_configs={"retention.ms": str(t.retention_ms)}) for t in topics
        ] + [
            NewTopic(t.dead_letters, 1, 1, topic_configs={"retention.ms": str(DEAD_LETTER_RETENTION_MS)})
            for t in topics
        ]
        with _retryable():
            answer = self._admin.create_topics(wanted, raise_errors=False)
        refused = [t for t in answer["topics"] if t["error_code"] not in (0, TOPIC_EXISTS)]
        if refused:
            raise RetryableError(f"broker: topic {refused[0]['name']} not made, error {refused[0]['error_code']}")

    def log_ids(self, topics: set[str]) -> dict[str, str]:
        """Return the id of each topic's log; a topic that does not exist is left out."""
        with _retryable():
            described = self._admin.describe_topics(sorted(topics))
        return {t["name"]: str(t["topic_id"]) for t in described if t["error_code"] == 0}

    def log_states(self, topics: Sequence[str]) -> dict[Partition, LogState]:
        """Return what every partition of the topics holds; a topic that does not exist is left out."""
        with _retryable():
            described = [t for t in self._admin.describe_topics(sorted(set(topics))) if t["error_code"] == 0]
            parts = [TopicPartition(t["name"], p["partition_index"]) for t in described for p in t["partitions"]]
            if not parts:
                return {}
            first = self._admin.list_partition_offsets(dict.fromkeys(parts, OffsetSpec.EARLIEST))
            end = self._admin.list_partition_offsets(dict.fromkeys(parts, OffsetSpec.LATEST))
        ids = {t["name"]: str(t["topic_id"]) for t in described}
        return {
            Partition(tp.topic, tp.partition): LogState(ids[tp.topic], first[tp].offset, end[tp].offset) for tp in parts
        }

    def committed(self, group: str) -> dict[Partition, int]:
        """Return the next offset of each partition that a group has committed."""
        with _retryable():
            offsets = self._admin.list_group_offsets([group]).get(group, {})
        return {Partition(tp.topic, tp.partition): om.offset for tp, om in offsets.items() if om.offset >= 0}

    def close(self) -> None:
        """Let go of the connection."""
        with _retryable():
            self._admin.close()
