"""The outbox on real databases: nothing unsaid is published, nothing said is lost, nothing that waits is doubled."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from tests.builders import START, make_event, make_series_completed, make_study_updated
from tests.fakes import Group, InMemoryBroker
from tests.integration.conftest import FreshDatabase
from voorrang import outbox
from voorrang.bus import Message, Partition, Place
from voorrang.clock import ManualClock, utc
from voorrang.database import Database
from voorrang.errors import RetryableError
from voorrang.events.envelope import Event, decode, encode
from voorrang.relaying import KEEP_ANSWERED, LEASE_SECONDS, MAX_REPUBLISHED_PER_MINUTE, RENEW_SECONDS, Relay
from voorrang.tables import outbox as outbox_table
from voorrang.tables import receipt
from voorrang.topics import BY_NAME, SERIES_COMPLETED_URGENT, STUDY_UPDATED, TOPICS

pytestmark = pytest.mark.integration

WRITTEN_TO = (SERIES_COMPLETED_URGENT, STUDY_UPDATED)
CONSUMERS = ("inference", "worklist", "monitoring")
EXAMPLES = settings(
    derandomize=True, max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=False
)


class CrashError(Exception):
    """The process ended here."""


@dataclass
class CrashingProducer:
    """Writes, and ends the process where it is told to."""

    broker: InMemoryBroker
    crash: str = ""
    places: dict[bytes, Place] = field(default_factory=dict)

    def send(self, messages: Sequence[Message]) -> list[Place]:
        if self.crash == "before sending":
            raise CrashError
        if self.crash == "half-way through sending":
            self.broker.producer().send(messages[: len(messages) // 2])
            raise CrashError
        if self.crash == "broker away half-way":
            self.broker.producer().send(messages[: len(messages) // 2])
            raise RetryableError("broker: away")
        places = self.broker.producer().send(messages)
        if self.crash == "before writing the places":
            raise CrashError
        self.places |= {m.value: place for m, place in zip(messages, places, strict=True)}
        return places

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass
class World:
    """One outbox, its relay, and groups that read."""

    database: Database
    broker: InMemoryBroker = field(default_factory=InMemoryBroker)
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    said: list[Event[Any]] = field(default_factory=list)
    unsaid: list[Event[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.broker.admin().create_topics(TOPICS)
        self.producer = CrashingProducer(self.broker)
        self.new_relay()

    def new_relay(self) -> None:
        """Start the process anew, after its lease has run out."""
        self.clock.advance(LEASE_SECONDS + 1)
        self.relay = Relay("ingest", self.database, self.producer, self.broker.admin(), self.clock)

    def write(self, is_study: bool, is_rolled_back: bool) -> None:
        number = len(self.said) + len(self.unsaid) + 1
        record = make_study_updated(study_version=number) if is_study else make_series_completed(series_revision=number)
        event = make_event(record, source="ingest", subject=f"1.2.{number % 5}")
        topic = STUDY_UPDATED if is_study else SERIES_COMPLETED_URGENT
        with suppress(CrashError), self.database.write() as connection:
            assert outbox.append(connection, "ingest", topic.name, event, self.clock.now())
            if is_rolled_back:
                raise CrashError
        (self.unsaid if is_rolled_back else self.said).append(event)

    def relay_once(self, crash: str = "") -> None:
        self.producer.crash = crash
        try:
            self.relay.step()
        except CrashError:
            self.new_relay()
        except RetryableError:
            pass
        self.producer.crash = ""

    def read(self, consumer: str, count: int, fate: str) -> None:
        """Let a group go on by some messages; `fate` is what becomes of receipt and commit."""
        group = self.broker.groups.setdefault(consumer, Group())
        for partition, log in self.broker.logs.items():
            if partition.topic not in BY_NAME or consumer not in BY_NAME[partition.topic].consumers:
                continue
            at = group.committed.get(partition, log.first)
            at = at if log.first <= at <= log.end else log.first
            for received in log.messages[at - log.first :][:count]:
                if fate != "passed over":
                    with self.database.write() as connection:
                        event = decode(received.value)
                        outbox.record_receipt(connection, consumer, event.id, "handled", self.clock.now())
                if fate != "ended before the commit":
                    group.committed[partition] = received.offset + 1

    def receipts(self) -> set[tuple[str, str]]:
        with self.database.read() as connection:
            return {(row.event_id, row.consumer) for row in connection.execute(select(receipt))}

    def lost(self) -> list[bytes]:
        """Return the payloads that the broker lost, or that a group without a receipt has gone past; by our books."""
        answered = self.receipts()
        found = []
        for event in self.said:
            place = self.producer.places.get(encode(event))
            topic = STUDY_UPDATED if event.type == "study-updated" else SERIES_COMPLETED_URGENT
            missing = [c for c in topic.consumers if (event.id, c) not in answered]
            if place is not None and missing and (not self._holds(place, event) or self._passed(place, missing)):
                found.append(encode(event))
        return found

    def _holds(self, place: Place, event: Event[Any]) -> bool:
        log = self.broker.logs[place.partition]
        is_there = any((m.offset, m.value) == (place.offset, encode(event)) for m in log.messages)
        return is_there and self.broker.log_ids[place.partition.topic] == place.log_id

    def _passed(self, place: Place, groups: Sequence[str]) -> bool:
        found = [self.broker.groups[name] for name in groups if name in self.broker.groups]
        return any(group.committed.get(place.partition, 0) > place.offset for group in found)


CRASHES = st.sampled_from(
    ["", "", "before sending", "half-way through sending", "before writing the places", "broker away half-way"]
)
FATES = st.sampled_from(["handled", "handled", "ended before the commit", "passed over"])
ACTIONS = st.one_of(
    st.tuples(st.just("write"), st.booleans(), st.sampled_from([False, False, True])),
    st.tuples(st.just("relay"), CRASHES),
    st.tuples(st.just("read"), st.sampled_from(CONSUMERS), st.integers(1, 3), FATES),
    st.tuples(st.just("wipe")),
    st.tuples(st.just("forget"), st.integers(0, 5)),
    st.tuples(st.just("time"), st.sampled_from([1.0, 6.0, 3600.0])),
)


def act(world: World, action: tuple[Any, ...]) -> None:
    name, *arguments = action
    if name == "write":
        world.write(*arguments)
    elif name == "relay":
        world.relay_once(*arguments)
    elif name == "read":
        world.read(*arguments)
    elif name == "wipe":
        world.broker.wipe()
    elif name == "forget":
        for partition in world.broker.logs:
            world.broker.forget(partition, *arguments)
    else:
        world.clock.advance(*arguments)


@EXAMPLES
@given(actions=st.lists(ACTIONS, max_size=40))
def test_whatever_happens_what_was_said_is_answered_and_what_was_not_is_never_published(
    fresh_database: FreshDatabase, actions: list[tuple[Any, ...]]
) -> None:
    with fresh_database() as database:
        world = World(database)
        for action in actions:
            act(world, action)
        for _ in range(4):  # from now on nothing fails
            world.clock.advance(60)
            world.relay_once()
            for consumer in CONSUMERS:
                world.read(consumer, 1000, "handled")
        world.clock.advance(60)
        world.relay_once()
        published = {message.value for message in world.broker.sent}
        assert {encode(event) for event in world.said} <= published
        assert not {encode(event) for event in world.unsaid} & published
        assert world.receipts() == {(e.id, c) for e in world.said for c in _consumers(e)}
        before = len(world.broker.sent)
        world.clock.advance(3600)
        world.relay_once()
        assert len(world.broker.sent) == before


@EXAMPLES
@given(actions=st.lists(ACTIONS, max_size=30))
def test_the_reconciler_sends_again_exactly_what_was_lost_or_passed_over(
    fresh_database: FreshDatabase, actions: list[tuple[Any, ...]]
) -> None:
    with fresh_database() as database:
        world = World(database)
        for action in actions:
            act(world, action)
        world.relay_once()  # what waits goes out first: it is not lost
        world.clock.advance(60)
        expected = world.lost()
        sent = len(world.broker.sent)
        assert world.relay.reconcile() == len(expected)
        assert sorted(message.value for message in world.broker.sent[sent:]) == sorted(expected)
        assert world.lost() == []


def test_an_hour_of_backlog_that_merely_waits_is_not_doubled(fresh_database: FreshDatabase) -> None:
    with fresh_database() as database:
        world = World(database)
        for number in range(30):
            world.write(is_study=number % 2 == 0, is_rolled_back=False)
        for _ in range(72):
            world.relay_once()
            world.clock.advance(50)
        assert len(world.broker.sent) == 30


def test_after_a_wipe_all_of_a_backlog_comes_again_within_its_bound(fresh_database: FreshDatabase) -> None:
    count = MAX_REPUBLISHED_PER_MINUTE + 1
    with fresh_database() as database:
        world = World(database)
        with database.write() as connection:
            for number in range(count):
                event = make_event(make_series_completed(series_revision=number))
                outbox.append(connection, "ingest", SERIES_COMPLETED_URGENT.name, event, START)
        while world.relay.step():
            pass
        world.broker.wipe()
        world.clock.advance(60)
        assert [world.relay.reconcile(), world.relay.reconcile()] == [MAX_REPUBLISHED_PER_MINUTE, 0]
        world.clock.advance(60)
        assert [world.relay.reconcile(), world.relay.reconcile()] == [1, 0]


class TestAppend:
    def test_a_fact_told_twice_is_one_row(self, fresh_database: FreshDatabase) -> None:
        event = make_event(make_study_updated())
        with fresh_database() as database:
            with database.write() as connection:
                first = outbox.append(connection, "ingest", STUDY_UPDATED.name, event, START)
                again = outbox.append(connection, "ingest", STUDY_UPDATED.name, event, START)
            with database.write() as connection:
                later = outbox.append(connection, "ingest", STUDY_UPDATED.name, event, START + timedelta(hours=1))
                assert (first, again, later) == (True, False, False)
                assert connection.execute(select(func.count()).select_from(outbox_table)).scalar_one() == 1

    def test_a_receipt_is_written_once(self, fresh_database: FreshDatabase) -> None:
        with fresh_database() as database, database.write() as connection:
            written = [outbox.record_receipt(connection, "worklist", "id", "handled", START) for _ in range(3)]
            assert written == [True, False, False]
            assert outbox.has_receipt(connection, "worklist", "id")
            assert not outbox.has_receipt(connection, "monitoring", "id")


class TestClosing:
    def test_a_row_is_answered_when_each_consumer_of_its_topic_has_a_receipt(
        self, fresh_database: FreshDatabase
    ) -> None:
        asked = {STUDY_UPDATED.name: ("worklist", "monitoring")}
        with fresh_database() as database, database.write() as connection:
            event = make_event(make_study_updated())
            outbox.append(connection, "ingest", STUDY_UPDATED.name, event, START)
            for stranger in ("inference", "ingest", "retired"):
                outbox.record_receipt(connection, stranger, event.id, "handled", START)
            (row,) = outbox.waiting(connection, "ingest", 10)
            outbox.mark_published(connection, [row.id], [Place(Partition(STUDY_UPDATED.name, 0), 0, "log")], START)
            assert outbox.close_answered(connection, "ingest", asked, START) == 0
            outbox.record_receipt(connection, "worklist", event.id, "skipped", START)
            assert outbox.close_answered(connection, "ingest", asked, START) == 0
            (found,) = outbox.unanswered(connection, "ingest", 0, 10)
            assert found.answered_by >= {"worklist"}
            outbox.record_receipt(connection, "monitoring", event.id, "dead_lettered", START)
            assert outbox.close_answered(connection, "register", asked, START) == 0
            assert outbox.close_answered(connection, "ingest", asked, START) == 1
            assert outbox.close_answered(connection, "ingest", asked, START) == 0
            assert outbox.unanswered(connection, "ingest", 0, 10) == []

    def test_what_was_not_published_is_not_answered(self, fresh_database: FreshDatabase) -> None:
        with fresh_database() as database, database.write() as connection:
            event = make_event(make_series_completed())
            outbox.append(connection, "ingest", SERIES_COMPLETED_URGENT.name, event, START)
            outbox.record_receipt(connection, "inference", event.id, "handled", START)
            asked = {SERIES_COMPLETED_URGENT.name: ("inference",)}
            assert outbox.close_answered(connection, "ingest", asked, START) == 0

    def test_pruning_keeps_what_is_unanswered_recent_or_of_another_service(self, fresh_database: FreshDatabase) -> None:
        old, recent = START, START + timedelta(days=6)
        with fresh_database() as database:
            world = World(database)
            for _ in range(3):
                world.write(is_study=True, is_rolled_back=False)
            first, second, third = world.said
            world.relay_once()
            with database.write() as connection:
                for event, at in ((first, old), (second, recent)):
                    for consumer in STUDY_UPDATED.consumers:
                        outbox.record_receipt(connection, consumer, event.id, "handled", at)
                    outbox.close_answered(connection, "ingest", {STUDY_UPDATED.name: STUDY_UPDATED.consumers}, at)
                outbox.record_receipt(connection, "worklist", third.id, "handled", old)
                other = make_event(make_series_completed())
                outbox.append(connection, "register", SERIES_COMPLETED_URGENT.name, other, old)
                pruned = outbox.prune(connection, "ingest", START + timedelta(days=5))
                left = set(connection.execute(select(outbox_table.c.event_id)).scalars())
            assert pruned == 1
            assert left == {second.id, third.id, other.id}
            assert {event_id for event_id, _ in world.receipts()} == {second.id, third.id}

    def test_the_relay_prunes_a_week_after_the_answer(self, fresh_database: FreshDatabase) -> None:
        with fresh_database() as database:
            world = World(database)
            world.write(is_study=False, is_rolled_back=False)
            world.relay_once()
            world.read("inference", 1, "handled")
            counts = []
            for days in (0, KEEP_ANSWERED.days - 1, 2):
                world.clock.advance(timedelta(days=days).total_seconds() + 60)
                world.relay_once()
                with database.read() as connection:
                    counts.append(connection.execute(select(func.count()).select_from(outbox_table)).scalar_one())
            assert counts == [1, 1, 0]


class TestLease:
    def test_of_many_that_ask_at_once_one_gets_it(self, fresh_database: FreshDatabase) -> None:
        at_once = Barrier(4)

        def ask(database: Database, holder: str) -> bool:
            at_once.wait(30)
            try:
                with database.write() as connection:
                    return outbox.take_lease(connection, "relay-ingest", holder, START, LEASE_SECONDS)
            except RetryableError:
                return False

        with fresh_database() as database, ThreadPoolExecutor(4) as pool:
            got = [future.result() for future in [pool.submit(ask, database, f"holder {n}") for n in range(4)]]
            assert got.count(True) == 1

    def test_it_is_kept_while_renewed_and_taken_when_it_ran_out(self, fresh_database: FreshDatabase) -> None:
        with fresh_database() as database, database.write() as connection:

            def ask(holder: str, seconds: float) -> bool:
                now = START + timedelta(seconds=seconds)
                return outbox.take_lease(connection, "relay-ingest", holder, now, LEASE_SECONDS)

            assert [ask("one", 0), ask("two", 1), ask("one", 4), ask("two", 6)] == [True, False, True, False]
            assert [ask("two", 9.5), ask("one", 10)] == [True, False]
            outbox.drop_lease(connection, "relay-ingest", "one")
            assert not ask("one", 11)
            outbox.drop_lease(connection, "relay-ingest", "two")
            assert ask("one", 11)

    def test_one_that_was_left_before_the_clock_was_put_back_holds_nobody_up(
        self, fresh_database: FreshDatabase
    ) -> None:
        with fresh_database() as database, database.write() as connection:

            def ask(holder: str, seconds: float) -> bool:
                now = START + timedelta(seconds=seconds)
                return outbox.take_lease(connection, "relay-ingest", holder, now, LEASE_SECONDS)

            assert ask("killed", 3600)
            assert not ask("other machine, its clock a little behind", 3600 - LEASE_SECONDS)
            assert ask("next", 0)
            assert not ask("killed", 1)

    def test_a_relay_that_lost_its_lease_while_it_hung_loses_nothing(self, fresh_database: FreshDatabase) -> None:
        with fresh_database() as database:
            world = World(database)
            world.write(is_study=True, is_rolled_back=False)
            slow = world.relay
            assert slow.step() is False
            world.write(is_study=True, is_rolled_back=False)
            world.clock.advance(LEASE_SECONDS + RENEW_SECONDS)
            world.new_relay()
            world.relay_once()
            slow.step()
            assert len(world.broker.sent) == 2


def test_times_come_back_as_they_went_in(fresh_database: FreshDatabase) -> None:
    with fresh_database() as database:
        with database.write() as connection:
            outbox.append(connection, "ingest", STUDY_UPDATED.name, make_event(make_study_updated()), START)
        with database.read() as connection:
            assert utc(connection.execute(select(outbox_table.c.created_at)).scalar_one()) == START


def _consumers(event: Event[Any]) -> tuple[str, ...]:
    return (STUDY_UPDATED if event.type == "study-updated" else SERIES_COMPLETED_URGENT).consumers
