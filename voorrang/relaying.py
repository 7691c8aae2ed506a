"""The relay: publishes what the outbox holds, and the reconciler that publishes again what was lost on the way."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event as Flag

from voorrang import outbox
from voorrang.bus import MAX_VALUE_BYTES, BrokerAdmin, LogState, Partition, Place, Producer
from voorrang.clock import Clock
from voorrang.database import Database
from voorrang.errors import RetryableError
from voorrang.logs import get_logger
from voorrang.metrics import (
    EVENTS_DEAD_LETTERED,
    EVENTS_PUBLISHED,
    EVENTS_REPUBLISHED,
    OUTBOX_WAITING,
    TASK_ROUNDS,
)
from voorrang.outbox import Unanswered, Waiting
from voorrang.topics import BY_NAME, TOPICS

TASK = "relay"
BATCH = 100
PAGE = 500
LEASE_SECONDS = 5.0
RENEW_SECONDS = 2.0
IDLE_SECONDS = 0.25
RECONCILE_EVERY_SECONDS = 5.0
MAX_REPUBLISHED_PER_MINUTE = 600
KEEP_ANSWERED = timedelta(days=7)


def must_republish(
    place: Place, held: Mapping[Partition, LogState], passed: Mapping[str, Mapping[Partition, int]]
) -> bool:
    """
    Decide whether an unanswered event must be sent again; age plays no part.

    Parameters
    ----------
    place
        Where the event was written last.
    held
        What the broker holds now.
    passed
        For each consumer without a receipt, the next offsets that its group has committed.

    Returns
    -------
    bool
        True when the broker no longer holds the event, or a group has committed past it without a receipt. False
        while it merely waits its turn: a backlog of an hour is not doubled.
    """
    log = held.get(place.partition)
    if log is None or log.log_id != place.log_id or not log.first <= place.offset < log.end:
        return True
    return any(offsets.get(place.partition, 0) > place.offset for offsets in passed.values())


@dataclass(slots=True)
class Relay:
    """
    Publishes the outbox of one service, and reconciles it.

    Parameters
    ----------
    service
        Whose rows.
    database, producer, admin, clock
        What it works with.
    wake
        Set by whoever has just written a row; a poll finds it anyway.
    """

    service: str
    database: Database
    producer: Producer
    admin: BrokerAdmin
    clock: Clock
    wake: Flag = field(default_factory=Flag)
    holder: str = field(default_factory=lambda: uuid.uuid4().hex)
    _asked_at: datetime | None = None
    _is_ours: bool = False
    _reconciled_at: datetime | None = None
    _budget_from: datetime | None = None
    _budget: int = MAX_REPUBLISHED_PER_MINUTE
    _sent_again: int = 0

    def run(self, stop: Flag) -> None:
        """Work until told to stop."""
        rounds = TASK_ROUNDS.labels(self.service, TASK)
        failures = 0
        while not stop.is_set():
            try:
                busy = self.step()
                failures = 0
                rounds.inc()
            except RetryableError as error:
                failures += 1
                get_logger().warning("relay waits", reason=str(error))
                stop.wait(min(5.0, 0.2 * 2.0 ** min(failures, 10)))  # hours of waiting are no overflow
                continue
            if not busy:
                self.wake.wait(IDLE_SECONDS)
                self.wake.clear()
        self._release()

    def step(self) -> bool:
        """Do what is due now; tell whether there may be more at once."""
        if not self._is_holder():
            OUTBOX_WAITING.labels(self.service).set(0)  # whoever publishes them tells of them
            return False
        published = self.publish()
        if self._due():
            self.reconcile()
        return published == BATCH

    def publish(self) -> int:
        """Publish the oldest waiting rows; return how many."""
        with self.database.read() as connection:
            rows = outbox.waiting(connection, self.service, BATCH)
            count = outbox.count_waiting(connection, self.service) if len(rows) == BATCH else len(rows)
        OUTBOX_WAITING.labels(self.service).set(count)
        self._set_aside([row for row in rows if len(row.message.value) > MAX_VALUE_BYTES])
        self._send(
            [row for row in rows if len(row.message.value) <= MAX_VALUE_BYTES],
            lambda topic: EVENTS_PUBLISHED.labels(topic).inc(),
        )
        OUTBOX_WAITING.labels(self.service).set(count - len(rows))
        return len(rows)

    def reconcile(self) -> int:
        """Close what was answered and publish again what was lost; return how many were published again."""
        now = self.clock.now()
        with self.database.write(is_durable=False) as connection:
            outbox.close_answered(connection, self.service, {t.name: t.consumers for t in TOPICS}, now)
            outbox.prune(connection, self.service, now - KEEP_ANSWERED)
            anything = outbox.unanswered(connection, self.service, 0, 1)
        lost = self._in_turn(self._lost())[: self._allowed(now)] if anything else []
        for start in range(0, len(lost), BATCH):
            with self.database.read() as connection:
                rows = outbox.messages(connection, lost[start : start + BATCH])
            self._budget -= len(rows)  # before, so that what fails half-way counts too
            self._sent_again = lost[start : start + BATCH][-1]
            self._send(rows, lambda topic: EVENTS_REPUBLISHED.labels(topic).inc())
        if lost:
            get_logger().warning("published again", count=len(lost))
        return len(lost)

    def _set_aside(self, rows: Sequence[Waiting]) -> None:
        """Give up what no broker takes: tried again and again it would hold up all that comes behind it."""
        if not rows:
            return
        with self.database.write(is_durable=False) as connection:
            outbox.give_up(connection, [row.id for row in rows], self.clock.now())
        for row in rows:
            EVENTS_DEAD_LETTERED.labels(self.service, row.message.topic).inc()
            get_logger().error("dead-lettered", topic=row.message.topic, reason="too_large")

    def _send(self, rows: Sequence[Waiting], count: Callable[[str], None]) -> None:
        if not rows:
            return
        places = self.producer.send([row.message for row in rows])
        with self.database.write(is_durable=False) as connection:  # lost, it is published once more
            outbox.mark_published(connection, [row.id for row in rows], places, self.clock.now())
        for row in rows:
            count(row.message.topic)

    def _lost(self) -> list[int]:
        # The broker is asked first and the receipts are read after: a handler writes its receipt before it commits,
        # so an event handled in between is seen as answered, not as passed over.
        topics = [topic for topic in TOPICS if topic.producer == self.service]
        held = self.admin.log_states([topic.name for topic in topics])
        passed = {name: self.admin.committed(name) for name in sorted({c for t in topics for c in t.consumers})}
        lost: list[int] = []
        after = 0
        while rows := self._unanswered(after):
            after = rows[-1].id
            for row in rows:
                missing = [c for c in BY_NAME[row.place.partition.topic].consumers if c not in row.answered_by]
                if missing and must_republish(row.place, held, {name: passed[name] for name in missing}):
                    lost.append(row.id)
        return lost

    def _in_turn(self, lost: Sequence[int]) -> list[int]:
        # What a consumer cannot read comes again for ever: it must not use up what is allowed to all.
        return [i for i in lost if i > self._sent_again] + [i for i in lost if i <= self._sent_again]

    def _unanswered(self, after: int) -> list[Unanswered]:
        with self.database.read() as connection:
            return outbox.unanswered(connection, self.service, after, PAGE)

    def _allowed(self, now: datetime) -> int:
        if not _is_within(60, self._budget_from, now):
            self._budget_from, self._budget = now, MAX_REPUBLISHED_PER_MINUTE
        return self._budget

    def _due(self) -> bool:
        now = self.clock.now()
        if _is_within(RECONCILE_EVERY_SECONDS, self._reconciled_at, now):
            return False
        self._reconciled_at = now
        return True

    def _is_holder(self) -> bool:
        now = self.clock.now()
        if not _is_within(RENEW_SECONDS, self._asked_at, now):
            with self.database.write(is_durable=False) as connection:
                held = outbox.take_lease(connection, f"relay-{self.service}", self.holder, now, LEASE_SECONDS)
            self._asked_at, self._is_ours = now, held
        return self._is_ours

    def _release(self) -> None:
        try:
            with self.database.write() as connection:
                outbox.drop_lease(connection, f"relay-{self.service}", self.holder)
        except RetryableError:
            get_logger().info("lease left to expire")


def _is_within(seconds: float, since: datetime | None, now: datetime) -> bool:
    # A clock that was put back must not make us wait for the time to come round again.
    return since is not None and 0 <= (now - since).total_seconds() < seconds
