"""The bare loop: a producer and a consumer of kafka-python and nothing else."""

from __future__ import annotations

from queue import Queue
from threading import Event as Flag
from threading import Thread
from time import perf_counter
from types import TracebackType
from typing import Self

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic

TOPIC, GROUP = "bench-plain", "bench-plain"
_POLL_MS = 100
_SESSION_MS = 6000
_START_SECONDS = 60.0


class PlainLoop:
    """
    A consumer that polls in a thread of its own, as a context; entered when its group was joined.

    Parameters
    ----------
    bootstrap
        Of the broker.
    fetch_wait_ms
        How long the broker may keep a record.
    partitions
        Of the topic.
    """

    def __init__(self, bootstrap: str, fetch_wait_ms: int, partitions: int) -> None:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        admin.create_topics([NewTopic(TOPIC, partitions, 1)])
        admin.close()
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap, acks="all", enable_idempotence=False, linger_ms=0, compression_type="gzip"
        )
        self._consumer = KafkaConsumer(
            TOPIC,
            bootstrap_servers=bootstrap,
            group_id=GROUP,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=fetch_wait_ms,
            session_timeout_ms=_SESSION_MS,
            heartbeat_interval_ms=_SESSION_MS // 4,
        )
        self._stop, self._joined = Flag(), Flag()
        self._arrived: Queue[tuple[bytes, float]] = Queue()
        self._thread = Thread(target=self._poll, name="plain")

    def __enter__(self) -> Self:
        self._thread.start()
        self._joined.wait(_START_SECONDS)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close(autocommit=False)
        self._producer.close()

    def hop(self, key: str, value: bytes, seconds: float) -> float:
        """Send a record and return the seconds until it was polled; `queue.Empty` when that takes too long."""
        began = perf_counter()
        self._producer.send(TOPIC, key=key.encode(), value=value)
        while True:
            found, at = self._arrived.get(timeout=seconds)
            if found == value:
                return at - began

    def _poll(self) -> None:
        while not self._stop.is_set():
            batches = self._consumer.poll(timeout_ms=_POLL_MS)
            at = perf_counter()
            for records in batches.values():
                for record in records:
                    self._arrived.put((record.value, at))
            if self._consumer.assignment():
                self._joined.set()
