"""The consumer loop: what it hands to handlers, what it commits, and what becomes of what no handler can take."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event as Flag
from typing import Any

import pytest

from tests.builders import make_event, make_findings_scored, make_series_completed, make_study_updated
from tests.fakes import InMemoryBroker, InMemoryConsumer
from voorrang.bus import Message, Partition, Received
from voorrang.consuming import ATTEMPTS, MAX_BUFFERED, TASK, Backoff, ConsumerLoop, Handler
from voorrang.errors import InvalidMessageError, RetryableError
from voorrang.events.envelope import Event, decode, encode
from voorrang.metrics import MESSAGE_IN_HAND_SECONDS, TASK_ROUNDS
from voorrang.purpose import Purpose
from voorrang.topics import FINDINGS_SCORED, SERIES_COMPLETED_ROUTINE, SERIES_COMPLETED_URGENT, STUDY_UPDATED, Topic

PATIENCE_SECONDS = 30.0
READABLE = encode(make_event(make_study_updated()))
TOPICS = (SERIES_COMPLETED_URGENT, SERIES_COMPLETED_ROUTINE, STUDY_UPDATED, FINDINGS_SCORED)


@dataclass
class World:
    """A loop on an in-memory broker; it stops when its group has committed past everything."""

    broker: InMemoryBroker = field(default_factory=InMemoryBroker)
    stop: Flag = field(default_factory=Flag)
    settled: list[tuple[str, str]] = field(default_factory=list)
    handled: list[Event[Any]] = field(default_factory=list)
    joined: int = 0

    def __post_init__(self) -> None:
        self.broker.admin().create_topics(TOPICS)
        self.consumer: InMemoryConsumer = self.broker.consumer("reader", [topic.name for topic in TOPICS])
        self.consumer.on_poll = self.stop_when_done

    def stop_when_done(self) -> None:
        if self.broker.lag("reader", [topic.name for topic in TOPICS]) == 0:
            self.stop.set()

    def put(self, topic: Topic, *events: Event[Any]) -> None:
        self.broker.producer().send([Message(topic.name, event.subject, encode(event)) for event in events])

    def put_raw(self, topic: Topic, raw: bytes) -> None:
        self.broker.producer().send([Message(topic.name, "key", raw)])

    def loop(self, handlers: Mapping[str, Handler] | None = None, **changes: Any) -> ConsumerLoop:
        def joined() -> None:
            self.joined += 1

        everything = {topic.event_type: self.handled.append for topic in TOPICS}
        values: dict[str, Any] = {
            "name": "reader",
            "consumer": self.consumer,
            "producer": self.broker.producer(),
            "topics": [topic.name for topic in TOPICS],
            "handlers": everything if handlers is None else handlers,
            "purpose": Purpose.CLINICAL,
            "on_settled": lambda event, outcome: self.settled.append((event.id, outcome)),
            "stop": self.stop,
            "backoff": Backoff(0.0, 0.0),
            "on_joined": joined,
        }
        return ConsumerLoop(**(values | changes))

    def run(self, handlers: Mapping[str, Handler] | None = None, **changes: Any) -> None:
        self.loop(handlers, **changes).run()

    def committed(self) -> int:
        return sum(self.broker.groups["reader"].committed.values())

    def letters(self, topic: Topic) -> list[dict[str, Any]]:
        return [json.loads(received.value) for received in self.broker.messages(topic.dead_letters)]


@pytest.fixture
def world() -> World:
    return World()


def studies(count: int, **changes: Any) -> list[Event[Any]]:
    return [make_event(make_study_updated(study_version=number, **changes)) for number in range(1, count + 1)]


class TestHandling:
    def test_every_message_is_handled_once_in_order_and_committed(self, world: World) -> None:
        events = studies(40)
        world.put(STUDY_UPDATED, *events)
        world.run()
        assert world.handled == events
        assert world.committed() == 40
        assert (world.settled, world.joined) == ([], 1)

    def test_urgent_messages_go_before_routine_ones_that_came_first(self, world: World) -> None:
        routine = [make_event(make_series_completed(series_revision=n, lane="routine")) for n in range(1, 6)]
        urgent = [make_event(make_series_completed(series_revision=n)) for n in range(11, 16)]
        world.put(SERIES_COMPLETED_ROUTINE, *routine)
        world.put(SERIES_COMPLETED_URGENT, *urgent)
        world.run()
        assert world.handled == urgent + routine

    def test_an_urgent_message_that_comes_meanwhile_goes_next(self, world: World) -> None:
        routine = [make_event(make_series_completed(series_revision=n, lane="routine")) for n in range(1, 4)]
        urgent = make_event(make_series_completed(series_revision=9))
        world.put(SERIES_COMPLETED_ROUTINE, *routine)

        def handle(event: Event[Any]) -> None:
            world.handled.append(event)
            if event == routine[0]:
                world.put(SERIES_COMPLETED_URGENT, urgent)

        world.run({"series-completed": handle})
        assert world.handled == [routine[0], urgent, *routine[1:]]

    def test_a_flood_of_urgent_messages_leaves_one_turn_in_ten_to_routine_ones(self, world: World) -> None:
        routine = [make_event(make_series_completed(series_revision=n, lane="routine")) for n in range(1, 4)]
        urgent = [make_event(make_series_completed(series_revision=n)) for n in range(11, 41)]
        world.put(SERIES_COMPLETED_ROUTINE, *routine)
        world.put(SERIES_COMPLETED_URGENT, *urgent)
        world.run()
        lanes = [event.data.lane for event in world.handled]
        assert [place for place, lane in enumerate(lanes) if lane == "routine"] == [9, 19, 29]
        assert len(lanes) == 33

    def test_the_partitions_of_a_topic_take_turns(self, world: World) -> None:
        for n in range(1, 13):
            uid = f"1.2.{n % 6}"  # 1.2.0 … 1.2.5 lie on three partitions
            world.put(STUDY_UPDATED, make_event(make_study_updated(study_version=n), subject=uid))
        order: list[int] = []
        loop = world.loop()
        place = {(m.key, encode(decode(m.value))): m.partition for m in world.broker.messages(STUDY_UPDATED.name)}
        loop.handlers = {"study-updated": lambda event: order.append(place[event.subject, encode(event)].number)}
        loop.run()
        counts = Counter(order)
        assert len(counts) > 1
        assert set(order[: len(counts)]) == set(counts)  # each had its first turn before any had its second

    def test_a_handler_that_takes_long_does_not_stop_polling(self, world: World) -> None:
        world.put(STUDY_UPDATED, *studies(1))
        polled = Flag()

        def handle(_: Event[Any]) -> None:
            polls = world.consumer.polls
            world.consumer.on_poll = lambda: polled.set() if world.consumer.polls > polls + 2 else None
            assert polled.wait(PATIENCE_SECONDS)
            world.consumer.on_poll = world.stop_when_done

        world.run({"study-updated": handle})
        assert polled.is_set()
        assert world.committed() == 1

    def test_a_partition_whose_buffer_is_full_is_paused_and_resumed(self, world: World) -> None:
        events = studies(10 * MAX_BUFFERED)
        world.put(STUDY_UPDATED, *events)
        most_buffered = 0
        paused: set[frozenset[Partition]] = set()
        loop = world.loop()

        def look() -> None:
            nonlocal most_buffered
            paused.add(world.consumer.paused)
            most_buffered = max(most_buffered, *(len(b) for b in loop._buffers.values()), 0)
            world.stop_when_done()

        world.consumer.on_poll = look
        loop.run()
        (partition,) = {m.partition for m in world.broker.messages(STUDY_UPDATED.name)}
        assert paused == {frozenset(), frozenset({partition})}
        assert most_buffered < len(events) // 2
        assert world.handled == events


class TestRetrying:
    def test_what_may_succeed_later_is_tried_without_end_and_never_dead_lettered(self, world: World) -> None:
        world.put(STUDY_UPDATED, *studies(1))
        attempts = 0

        def handle(_: Event[Any]) -> None:
            nonlocal attempts
            attempts += 1
            if attempts <= 10 * ATTEMPTS:
                raise RetryableError("database: away")

        world.run({"study-updated": handle})
        assert attempts == 10 * ATTEMPTS + 1
        assert world.committed() == 1
        assert world.letters(STUDY_UPDATED) == []

    def test_the_waits_double_up_to_a_limit_however_long_it_takes(self) -> None:
        backoff = Backoff(0.2, 10.0)
        assert [backoff.seconds(n) for n in (1, 2, 3, 4)] == [0.2, 0.4, 0.8, 1.6]
        assert backoff.seconds(7) == backoff.seconds(50_000) == 10.0

    def test_a_broker_that_is_away_delays_and_loses_nothing(self, world: World) -> None:
        events = studies(3)
        world.put(STUDY_UPDATED, *events)

        def away_for_a_while() -> None:
            world.broker.is_away = world.consumer.polls < 4
            world.stop_when_done()

        world.consumer.on_poll = away_for_a_while
        before = TASK_ROUNDS.labels("reader", TASK)._value.get()
        world.run()
        assert world.handled == events
        assert TASK_ROUNDS.labels("reader", TASK)._value.get() == before + world.consumer.polls - 3

    def test_how_long_the_message_in_hand_has_taken_is_told_until_it_is_done(self, world: World) -> None:
        world.put(STUDY_UPDATED, *studies(1))
        gauge, told, seen = MESSAGE_IN_HAND_SECONDS.labels("reader"), Flag(), [0.0]

        def look() -> None:
            if gauge._value.get() > 0.0:
                seen.append(gauge._value.get())
                told.set()
            world.stop_when_done()

        def work(_: Event[Any]) -> None:
            assert told.wait(PATIENCE_SECONDS)

        world.consumer.on_poll = look
        world.run({"study-updated": work})
        assert told.is_set()
        assert max(seen) < PATIENCE_SECONDS
        assert gauge._value.get() == 0.0

    def test_a_commit_that_fails_lets_the_next_one_stand_for_it(self, world: World) -> None:
        world.put(STUDY_UPDATED, *studies(2))

        def handle(event: Event[Any]) -> None:
            world.broker.is_away = event.data.study_version == 1
            world.handled.append(event)

        def back_again() -> None:
            world.broker.is_away = False
            world.stop_when_done()

        world.consumer.on_poll = back_again
        world.run({"study-updated": handle})
        assert len(world.handled) == 2
        assert world.committed() == 2

    def test_a_receipt_that_cannot_be_written_is_written_later(self, world: World) -> None:
        (event,) = studies(1)
        world.put(STUDY_UPDATED, event)
        attempts = 0

        def settle(settled: Event[Any], outcome: str) -> None:
            nonlocal attempts
            attempts += 1
            if attempts < 4:
                raise RetryableError("database: locked")
            world.settled.append((settled.id, outcome))

        world.run({}, on_settled=settle)
        assert world.settled == [(event.id, "skipped")]


class TestDeadLetters:
    def test_a_message_that_no_handler_can_take_is_dead_lettered_with_its_reason_and_receipt(
        self, world: World
    ) -> None:
        bad, good = studies(2)
        world.put(STUDY_UPDATED, bad, good)

        def handle(event: Event[Any]) -> None:
            if event == bad:
                raise InvalidMessageError("unknown_pathway", "JANSEN^PIET")
            world.handled.append(event)

        world.run({"study-updated": handle})
        (letter,) = world.letters(STUDY_UPDATED)
        (source,) = {m.partition for m in world.broker.messages(STUDY_UPDATED.name)}
        assert letter == {
            "reason": "unknown_pathway",
            "consumer": "reader",
            "topic": "study-updated",
            "partition": source.number,
            "offset": 0,
            "value_base64": base64.b64encode(encode(bad)).decode(),
        }
        assert world.settled == [(bad.id, "dead_lettered")]
        assert world.handled == [good]
        assert world.committed() == 2

    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            (b"\xff", "not_json"),
            (b"[" * 100_000, "not_json"),
            (b'{"dataschema": "urn:voorrang:study-updated:' + b"9" * 5000 + b'"}', "unknown_schema"),
            (b"{}", "unknown_schema"),
            (
                READABLE.replace(b'"time":"2026-11-22T08:00:00+00:00"', b'"time":"0001-01-01T00:00:00+14:00"'),
                "bad_envelope",
            ),
            (READABLE.replace(b'"2026-11-22T08:00:00Z"', b'"0001-01-01T00:00:00+14:00"'), "bad_data"),
        ],
    )
    def test_what_cannot_be_read_is_dead_lettered_and_what_comes_behind_it_is_handled(
        self, world: World, raw: bytes, reason: str
    ) -> None:
        world.put_raw(STUDY_UPDATED, raw)
        world.put(STUDY_UPDATED, *studies(1))
        world.run()
        assert [letter["reason"] for letter in world.letters(STUDY_UPDATED)] == [reason]
        assert len(world.handled) == 1
        assert world.committed() == 2

    def test_a_defect_is_tried_a_few_times_and_dead_lettered_under_its_type(self, world: World) -> None:
        world.put(STUDY_UPDATED, *studies(1))
        attempts: list[Event[Any]] = []

        def handle(event: Event[Any]) -> None:
            attempts.append(event)
            raise KeyError("JANSEN^PIET")

        world.run({"study-updated": handle})
        assert len(attempts) == ATTEMPTS
        assert [letter["reason"] for letter in world.letters(STUDY_UPDATED)] == ["defect_KeyError"]
        assert world.settled == [(attempts[0].id, "dead_lettered")]

    def test_waiting_for_what_is_away_does_not_use_up_the_attempts_of_a_defect(self, world: World) -> None:
        world.put(STUDY_UPDATED, *studies(1))
        attempts = 0

        def handle(event: Event[Any]) -> None:
            nonlocal attempts
            attempts += 1
            if attempts <= 2 * ATTEMPTS:
                raise RetryableError("database: away")
            if attempts == 2 * ATTEMPTS + 1:
                raise KeyError("once")
            world.handled.append(event)

        world.run({"study-updated": handle})
        assert len(world.handled) == 1
        assert world.letters(STUDY_UPDATED) == []

    def test_a_dead_letter_that_cannot_be_written_is_written_before_anything_is_committed(self, world: World) -> None:
        world.put_raw(STUDY_UPDATED, b"{")
        producer = _Stumbling(world.broker, failures=3)
        world.run(producer=producer)
        assert producer.failures == 0
        assert len(world.letters(STUDY_UPDATED)) == 1
        assert world.committed() == 1

    def test_a_message_as_large_as_a_broker_takes_holds_nothing_up(self, world: World) -> None:
        world.put_raw(STUDY_UPDATED, b"x" * 1_000_000)  # in base64 it is larger than that
        world.put(STUDY_UPDATED, *studies(1))
        world.run(producer=_Impatient(world))
        (letter,) = world.letters(STUDY_UPDATED)
        assert (letter["reason"], letter["offset"], letter["value_base64"]) == ("not_json", 0, "")
        assert len(world.handled) == 1


class TestSkipping:
    @pytest.mark.parametrize("purpose", [p for p in Purpose if p is not Purpose.CLINICAL])
    def test_another_purpose_is_skipped_with_a_receipt(self, world: World, purpose: Purpose) -> None:
        other = make_event(make_study_updated(study_version=2), purpose=purpose)
        (mine,) = studies(1)
        world.put(STUDY_UPDATED, other, mine)
        world.run()
        assert world.handled == [mine]
        assert world.settled == [(other.id, "skipped")]
        assert world.committed() == 2

    def test_a_type_without_a_handler_is_skipped_with_a_receipt(self, world: World) -> None:
        event = make_event(make_findings_scored())
        world.put(FINDINGS_SCORED, event)
        world.run({"study-updated": world.handled.append})
        assert world.settled == [(event.id, "skipped")]
        assert world.committed() == 1


class TestEnding:
    def test_the_message_in_hand_is_finished_and_the_rest_comes_again(self, world: World) -> None:
        events = studies(5)
        world.put(STUDY_UPDATED, *events)

        def handle(event: Event[Any]) -> None:
            world.handled.append(event)
            if len(world.handled) == 2:
                world.stop.set()

        world.run({"study-updated": handle})
        assert world.handled == events[:2]
        assert world.committed() == 2

    def test_a_message_that_could_not_be_handled_yet_stays_uncommitted(self, world: World) -> None:
        world.put(STUDY_UPDATED, *studies(2))

        def handle(_: Event[Any]) -> None:
            world.stop.set()
            raise RetryableError("database: away")

        world.run({"study-updated": handle})
        assert world.committed() == 0

    def test_a_dead_letter_that_could_not_be_written_yet_leaves_its_message_uncommitted(self, world: World) -> None:
        world.put_raw(STUDY_UPDATED, b"{")
        world.run(producer=_Stumbling(world.broker, failures=1, then=world.stop.set))
        assert world.committed() == 0
        assert world.letters(STUDY_UPDATED) == []


class _Stumbling:
    """A producer whose broker is away for the first calls."""

    def __init__(self, broker: InMemoryBroker, failures: int, then: Any = lambda: None) -> None:
        self.failures, self._broker, self._then = failures, broker, then

    def send(self, messages: Sequence[Message]) -> Any:
        if self.failures:
            self.failures -= 1
            self._then()
            raise RetryableError("broker: away")
        return self._broker.producer().send(messages)

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass
class _Impatient:
    """A producer that ends the loop, lest it tries for ever what the broker refuses."""

    world: World

    def send(self, messages: Sequence[Message]) -> Any:
        try:
            return self.world.broker.producer().send(messages)
        except RetryableError:
            self.world.stop.set()
            raise

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass
class _Scripted:
    """A consumer that gives what it is told to, poll by poll; None: the broker is away."""

    script: list[tuple[list[Received] | None, set[Partition]]]
    stop: Flag
    commits: list[Mapping[Partition, int]] = field(default_factory=list)
    _lost: set[Partition] = field(default_factory=set)

    def poll(self, timeout_seconds: float) -> list[Received]:
        if not self.script:
            self.stop.set()
            return []
        received, lost = self.script.pop(0)
        self._lost |= lost
        if received is None:
            raise RetryableError("broker: away")
        return received

    def lost(self) -> frozenset[Partition]:
        lost, self._lost = frozenset(self._lost), set()
        return lost

    def assigned(self) -> frozenset[Partition]:
        return frozenset({Partition(STUDY_UPDATED.name, 0)})

    def pause(self, partitions: frozenset[Partition]) -> None:
        """Nothing more comes anyway."""

    def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        self.commits.append(next_offsets)

    def close(self) -> None:
        """Nothing to leave."""


class TestLostPartitions:
    ONE = Partition(STUDY_UPDATED.name, 0)
    OTHER = Partition(STUDY_UPDATED.name, 1)

    @staticmethod
    def received(partition: Partition, offset: int) -> Received:
        (event,) = [make_event(make_study_updated(study_version=100 * partition.number + offset + 1))]
        return Received(partition, offset, event.subject, encode(event))

    def run(self, world: World, script: list[tuple[list[Received] | None, set[Partition]]]) -> _Scripted:
        """Run a script of which all but the first poll happens while the first message is in hand."""
        consumer = _Scripted(script, world.stop)
        released = Flag()
        first = script[0][0]

        def handle(event: Event[Any]) -> None:
            world.handled.append(event)
            if first and encode(event) == first[0].value and not released.is_set():
                while consumer.script:
                    released.wait(0.01)
                released.set()

        def stop_is_mine() -> None:
            if released.is_set() and not any(loop._buffers.values()):
                world.stop.set()

        loop = world.loop({"study-updated": handle}, consumer=consumer)
        consumer.stop = _CallOnSet(stop_is_mine)
        loop.run()
        return consumer

    def test_what_is_buffered_of_a_lost_partition_is_not_handled_nor_is_anything_committed(self, world: World) -> None:
        buffered = [self.received(self.ONE, n) for n in range(3)]
        kept = [self.received(self.OTHER, 0)]
        consumer = self.run(world, [(buffered, set()), (kept, {self.ONE})])
        assert [encode(event) for event in world.handled] == [buffered[0].value, kept[0].value]
        assert consumer.commits == [{self.OTHER: 1}]

    def test_what_comes_again_after_a_loss_is_handled_from_where_the_group_stands(self, world: World) -> None:
        buffered = [self.received(self.ONE, n) for n in range(2)]
        again = [self.received(self.ONE, n) for n in range(2)]
        consumer = self.run(world, [(buffered, set()), (again, {self.ONE})])
        assert [encode(e) for e in world.handled] == [r.value for r in (buffered[0], *again)]
        assert consumer.commits == [{self.ONE: 1}, {self.ONE: 2}]

    def test_a_loss_while_the_broker_is_away_drops_the_buffer_too(self, world: World) -> None:
        buffered = [self.received(self.ONE, n) for n in range(3)]
        consumer = self.run(world, [(buffered, set()), (None, {self.ONE})])
        assert [encode(event) for event in world.handled] == [buffered[0].value]
        assert consumer.commits == []


class _CallOnSet(Flag):
    """A flag that asks instead of being set."""

    def __init__(self, act: Any) -> None:
        super().__init__()
        self._act = act

    def set(self) -> None:
        self._act()
