"""The relay: what must be sent again, how much of it, how often, and by whom."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event as Flag

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import make_event, make_series_completed
from tests.fakes import Group, InMemoryBroker
from voorrang import outbox, relaying
from voorrang.bus import LogState, Message, Partition, Place
from voorrang.clock import ManualClock
from voorrang.database import Database
from voorrang.errors import RetryableError
from voorrang.metrics import EVENTS_DEAD_LETTERED, OUTBOX_WAITING, TASK_ROUNDS
from voorrang.relaying import (
    BATCH,
    LEASE_SECONDS,
    MAX_REPUBLISHED_PER_MINUTE,
    RECONCILE_EVERY_SECONDS,
    RENEW_SECONDS,
    Relay,
    must_republish,
)
from voorrang.topics import SERIES_COMPLETED_URGENT, TOPICS

PARTITION = Partition(SERIES_COMPLETED_URGENT.name, 0)
OFFSETS = st.integers(0, 30)


class TestMustRepublish:
    @settings(derandomize=True, max_examples=200)
    @given(first=OFFSETS, length=OFFSETS, offset=OFFSETS, same_log=st.booleans(), passed=st.none() | OFFSETS)
    def test_it_is_what_the_broker_lost_or_a_group_passed(
        self, first: int, length: int, offset: int, same_log: bool, passed: int | None
    ) -> None:
        held = {PARTITION: LogState("now" if same_log else "other", first, first + length)}
        groups = {"inference": {} if passed is None else {PARTITION: passed}}
        lost = not (same_log and first <= offset < first + length)
        went_past = passed is not None and passed > offset
        assert must_republish(Place(PARTITION, offset, "now"), held, groups) is (lost or went_past)

    def test_a_partition_that_the_broker_does_not_know_is_lost(self) -> None:
        assert must_republish(Place(PARTITION, 0, "now"), {}, {"inference": {}})

    def test_what_merely_waits_is_not_lost_however_long(self) -> None:
        held = {PARTITION: LogState("now", 0, 1000)}
        assert not must_republish(Place(PARTITION, 999, "now"), held, {"inference": {PARTITION: 3}, "worklist": {}})


def append(database: Database, clock: ManualClock, first: int, count: int) -> None:
    with database.write() as connection:
        for number in range(first, first + count):
            event = make_event(make_series_completed(series_revision=number), source="ingest")
            outbox.append(connection, "ingest", SERIES_COMPLETED_URGENT.name, event, clock.now())


def make_relay(database: Database, broker: InMemoryBroker, clock: ManualClock, holder: str = "one") -> Relay:
    broker.admin().create_topics(TOPICS)
    return Relay("ingest", database, broker.producer(), broker.admin(), clock, holder=holder)


@pytest.fixture
def relay(database: Database, broker: InMemoryBroker, clock: ManualClock) -> Relay:
    return make_relay(database, broker, clock)


class TestStep:
    def test_it_publishes_in_the_order_of_writing_and_tells_whether_there_may_be_more(
        self, relay: Relay, database: Database, broker: InMemoryBroker, clock: ManualClock
    ) -> None:
        append(database, clock, 1, BATCH + 5)
        assert relay.step()
        assert not relay.step()
        with database.read() as connection:
            assert outbox.count_waiting(connection, "ingest") == 0
        assert len(broker.sent) == BATCH + 5
        assert [m.value for m in broker.sent] == sorted((m.value for m in broker.sent), key=_revision)

    def test_the_gauge_tells_all_that_wait_not_one_batch(
        self, relay: Relay, database: Database, broker: InMemoryBroker, clock: ManualClock
    ) -> None:
        append(database, clock, 1, 3 * BATCH)
        broker.is_away = True
        with pytest.raises(RetryableError):
            relay.publish()
        assert OUTBOX_WAITING.labels("ingest")._value.get() == 3 * BATCH
        broker.is_away = False
        relay.publish()
        relay.publish()
        relay.publish()
        assert OUTBOX_WAITING.labels("ingest")._value.get() == 0

    def test_a_failed_send_leaves_the_rows_waiting(
        self, relay: Relay, database: Database, broker: InMemoryBroker, clock: ManualClock
    ) -> None:
        append(database, clock, 1, 3)
        broker.is_away = True
        with pytest.raises(RetryableError):
            relay.step()
        broker.is_away = False
        relay.step()
        assert len(broker.sent) == 3

    def test_an_event_that_no_broker_takes_holds_nothing_up(
        self, relay: Relay, database: Database, broker: InMemoryBroker, clock: ManualClock
    ) -> None:
        topic = SERIES_COMPLETED_URGENT.name
        before = EVENTS_DEAD_LETTERED.labels("ingest", topic)._value.get()
        large = make_event(make_series_completed(verdict_text="x" * 1_100_000), source="ingest")
        with database.write() as connection:
            outbox.append(connection, "ingest", topic, large, clock.now())
        append(database, clock, 2, 1)

        relay.step()
        broker.wipe()
        clock.advance(RECONCILE_EVERY_SECONDS)
        relay.step()

        assert [_revision(m.value) for m in broker.sent] == [2, 2]
        assert OUTBOX_WAITING.labels("ingest")._value.get() == 0
        assert EVENTS_DEAD_LETTERED.labels("ingest", topic)._value.get() == before + 1

    def test_it_reconciles_every_few_seconds_also_after_the_clock_went_back(
        self, relay: Relay, database: Database, broker: InMemoryBroker, clock: ManualClock
    ) -> None:
        append(database, clock, 1, 1)
        relay.step()
        broker.wipe()
        relay.step()
        assert len(broker.sent) == 1
        clock.advance(RECONCILE_EVERY_SECONDS)
        relay.step()
        assert len(broker.sent) == 2
        broker.wipe()
        clock.advance(-7200)
        relay.step()
        assert len(broker.sent) == 3


class TestLease:
    def test_two_relays_on_one_outbox_do_not_both_publish(
        self, relay: Relay, database: Database, broker: InMemoryBroker, clock: ManualClock
    ) -> None:
        other = make_relay(database, broker, clock, "two")
        for number in range(1, 20):
            append(database, clock, number, 1)
            relay.step()
            other.step()
            clock.advance(1)
        assert len(broker.sent) == 19

    def test_the_other_takes_over_when_one_went_silent(
        self, relay: Relay, database: Database, broker: InMemoryBroker, clock: ManualClock
    ) -> None:
        other = make_relay(database, broker, clock, "two")
        relay.step()
        other.step()
        append(database, clock, 1, 1)
        clock.advance(LEASE_SECONDS + RENEW_SECONDS)
        other.step()
        assert len(broker.sent) == 1

    def test_who_lost_the_lease_tells_no_more_how_many_wait(
        self, relay: Relay, database: Database, broker: InMemoryBroker, clock: ManualClock
    ) -> None:
        append(database, clock, 1, 3)
        broker.is_away = True
        with pytest.raises(RetryableError):
            relay.step()
        assert OUTBOX_WAITING.labels("ingest")._value.get() == 3
        broker.is_away = False
        clock.advance(LEASE_SECONDS + RENEW_SECONDS)
        other = make_relay(database, broker, clock, "two")
        assert other._is_holder()  # of another process, whose gauge is its own
        relay.step()
        assert (len(broker.sent), OUTBOX_WAITING.labels("ingest")._value.get()) == (0, 0)

    def test_the_other_takes_over_soon_when_one_ended_in_order(
        self, relay: Relay, database: Database, broker: InMemoryBroker, clock: ManualClock
    ) -> None:
        other = make_relay(database, broker, clock, "two")
        relay.step()
        other.step()
        stopped = Flag()
        stopped.set()
        relay.run(stopped)
        append(database, clock, 1, 1)
        clock.advance(RENEW_SECONDS)
        other.step()
        assert len(broker.sent) == 1

    def test_one_that_stands_by_asks_for_the_lease_only_now_and_then(
        self, relay: Relay, database: Database, broker: InMemoryBroker, clock: ManualClock
    ) -> None:
        other = make_relay(database, broker, clock, "two")
        relay.step()
        other.step()
        with database.write():  # a second writer would wait for this one, and fail
            other.step()


class TestBudget:
    def test_no_more_is_sent_again_in_a_minute_than_the_bound(
        self, relay: Relay, database: Database, broker: InMemoryBroker, clock: ManualClock
    ) -> None:
        total = MAX_REPUBLISHED_PER_MINUTE + 50
        append(database, clock, 1, total)
        while relay.step():
            pass
        broker.wipe()
        broker.sent.clear()
        for _ in range(5):
            clock.advance(RECONCILE_EVERY_SECONDS)
            relay.step()
        assert len(broker.sent) == MAX_REPUBLISHED_PER_MINUTE
        clock.advance(60)
        relay.step()
        assert len(broker.sent) == total

    def test_what_a_consumer_cannot_read_does_not_use_up_what_others_need(
        self, relay: Relay, database: Database, broker: InMemoryBroker, clock: ManualClock
    ) -> None:
        """A version that cannot read an event commits past it without a receipt, each time it comes."""
        append(database, clock, 1, MAX_REPUBLISHED_PER_MINUTE + 1)
        while relay.step():
            pass
        broker.sent.clear()
        group = broker.groups.setdefault("inference", Group())
        for _ in range(2):
            group.committed = {partition: log.end for partition, log in broker.logs.items()}
            clock.advance(60)
            relay.step()
        assert MAX_REPUBLISHED_PER_MINUTE + 1 in {_revision(m.value) for m in broker.sent}

    def test_sending_again_that_fails_half_way_counts_what_it_tried(
        self, relay: Relay, database: Database, broker: InMemoryBroker, clock: ManualClock
    ) -> None:
        append(database, clock, 1, MAX_REPUBLISHED_PER_MINUTE)
        while relay.step():
            pass
        relay.producer = _FailsAt(broker, 3)
        asked = relay.producer.asked
        broker.wipe()
        for _ in range(10):
            clock.advance(RECONCILE_EVERY_SECONDS)
            try:
                relay.step()
            except RetryableError:
                continue
        assert sum(asked) <= MAX_REPUBLISHED_PER_MINUTE


class _FailsAt:
    """A producer whose every so many-th call fails."""

    def __init__(self, broker: InMemoryBroker, every: int) -> None:
        self.asked: list[int] = []
        self._producer, self._every = broker.producer(), every

    def send(self, messages: Sequence[Message]) -> list[Place]:
        self.asked.append(len(messages))
        if len(self.asked) % self._every == 0:
            raise RetryableError("broker: away")
        return self._producer.send(messages)

    def close(self) -> None:
        """Nothing to let go of."""


def test_a_broker_that_is_away_for_hours_does_not_end_the_relay(
    relay: Relay, broker: InMemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Impatient(Flag):
        """Waits for nothing, and ends after an hour and a half of failures."""

        waits: list[float]

        def wait(self, timeout: float | None = None) -> bool:
            self.waits.append(timeout or 0.0)
            if len(self.waits) >= 1_200:
                self.set()
            return self.is_set()

    def away() -> bool:
        raise RetryableError("broker: away")

    stop = Impatient()
    stop.waits = []
    monkeypatch.setattr(relaying.Relay, "step", lambda _: away())
    relay.run(stop)
    assert len(stop.waits) == 1_200
    assert max(stop.waits) == 5.0


def test_a_round_is_counted_when_it_came_to_its_end(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    stop, outcomes = Flag(), iter([False, RetryableError("broker: away"), RetryableError("broker: away"), False])
    monkeypatch.setattr(relaying, "IDLE_SECONDS", 0.0)

    def step(_: Relay) -> bool:
        outcome = next(outcomes, None)
        if isinstance(outcome, RetryableError):
            raise outcome
        if outcome is None:
            stop.set()
        return False

    monkeypatch.setattr(relaying.Relay, "step", step)
    monkeypatch.setattr(stop, "wait", lambda _: stop.is_set())
    before = TASK_ROUNDS.labels("ingest", relaying.TASK)._value.get()
    relay.run(stop)
    assert TASK_ROUNDS.labels("ingest", relaying.TASK)._value.get() == before + 3


def _revision(value: bytes) -> int:
    return int(value.split(b'"series_revision":')[1].split(b",")[0])
