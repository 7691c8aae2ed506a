"""What voorrang.bus promises, held against every implementation of it."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.contract.conftest import PATIENCE_SECONDS, Bus, join, poll_until
from tests.neighbours.starting import free_port, wait_until
from voorrang.bus import Consumer, Message, Partition, Place, Received
from voorrang.errors import RetryableError
from voorrang.topics import Topic

pytestmark = [pytest.mark.contract, pytest.mark.timeout(120)]


def messages(topic: Topic, count: int, key: str = "key") -> list[Message]:
    return [Message(topic.name, f"{key}-{number}", f"value {number}".encode()) for number in range(count)]


def place(received: Received) -> tuple[Partition, int]:
    return received.partition, received.offset


class TestProducer:
    def test_send_returns_the_place_of_each_message_in_order(self, bus: Bus) -> None:
        topic = bus.topic()
        sent = messages(topic, 12)
        places = bus.producer.send(sent)
        states = bus.admin.log_states([topic.name])
        assert len(set(places)) == 12
        assert {p.log_id for p in places} == {states[p.partition].log_id for p in places}
        assert all(states[p.partition].first <= p.offset < states[p.partition].end for p in places)
        consumer = bus.consumer(bus.group(), [topic])
        found = poll_until(consumer, lambda found: len(found) >= 12)
        values = {place(received): (received.key, received.value) for received in found}
        assert [values[p.partition, p.offset] for p in places] == [(m.key, m.value) for m in sent]

    def test_messages_of_one_key_lie_in_one_partition_in_order(self, bus: Bus) -> None:
        topic = bus.topic(partitions=3)
        places = bus.producer.send([Message(topic.name, "key", b"%d" % number) for number in range(5)])
        assert {p.partition for p in places} == {places[0].partition}
        assert [p.offset for p in places] == list(range(5))

    def test_sending_nothing_is_no_message(self, bus: Bus) -> None:
        assert bus.producer.send([]) == []


class TestConsumer:
    def test_what_was_not_committed_comes_again_to_the_next_member_and_the_rest_does_not(self, bus: Bus) -> None:
        topic, group = bus.topic(partitions=1), bus.group()
        only = Partition(topic.name, 0)
        bus.producer.send(messages(topic, 5))
        first = bus.consumer(group, [topic])
        assert first.assigned() == frozenset()
        assert [r.offset for r in poll_until(first, lambda found: len(found) >= 5)] == [0, 1, 2, 3, 4]
        assert first.assigned() == {only}
        first.commit({only: 3})
        assert bus.admin.committed(group) == {only: 3}
        first.close()
        second = bus.consumer(group, [topic])
        assert [r.offset for r in poll_until(second, lambda found: len(found) >= 2)] == [3, 4]

    def test_a_paused_partition_gives_nothing_until_the_next_call(self, bus: Bus) -> None:
        topic = bus.topic(partitions=2)
        consumer = bus.consumer(bus.group(), [topic])
        join(consumer)
        bus.producer.send(messages(topic, 20))
        quiet = Partition(topic.name, 0)
        consumer.pause(frozenset({quiet}))
        end = bus.admin.log_states([topic.name])
        found = poll_until(consumer, lambda found: len(found) >= end[Partition(topic.name, 1)].end)
        found += consumer.poll(0.05)
        assert {r.partition for r in found} == {Partition(topic.name, 1)}
        consumer.pause(frozenset())
        late = poll_until(consumer, lambda found: len(found) >= end[quiet].end)
        assert {r.partition for r in late} == {quiet}
        assert [r.offset for r in late] == list(range(end[quiet].end))

    def test_what_has_been_fetched_already_is_not_given_while_paused(self, bus: Bus) -> None:
        topic = bus.topic(partitions=1)
        only = Partition(topic.name, 0)
        bus.producer.send(messages(topic, 200))
        consumer = bus.consumer(bus.group(), [topic])
        found = poll_until(consumer, lambda found: len(found) > 0)
        assert len(found) < 200
        consumer.pause(frozenset({only}))
        assert [r for _ in range(5) for r in consumer.poll(0.02)] == []
        consumer.pause(frozenset())
        found += poll_until(consumer, lambda more: len(found) + len(more) >= 200)
        assert [r.offset for r in found] == list(range(200))

    def test_a_rebalance_does_not_wake_a_paused_partition(self, bus: Bus) -> None:
        topic, group = bus.topic(partitions=2), bus.group()
        both = frozenset({Partition(topic.name, 0), Partition(topic.name, 1)})
        bus.producer.send(messages(topic, 400))
        first, second = bus.consumer(group, [topic]), bus.consumer(group, [topic])
        poll_until(first, lambda found: len(found) > 0)
        first.pause(both)
        second.pause(both)
        woken: list[Received] = []

        def poll(consumer: Consumer) -> None:
            def shared() -> bool:
                woken.extend(consumer.poll(0.02))
                one, other = first.assigned(), second.assigned()
                return bool(one) and bool(other) and not one & other

            wait_until(shared, PATIENCE_SECONDS, "a rebalance")

        with ThreadPoolExecutor(2) as pool:
            for polling in [pool.submit(poll, consumer) for consumer in (first, second)]:
                polling.result()
        second.close()

        def alone() -> bool:
            woken.extend(first.poll(0.02))
            return first.assigned() == both

        wait_until(alone, PATIENCE_SECONDS, "another rebalance")
        assert woken + first.poll(0.02) == []

    def test_two_members_share_the_partitions_and_what_went_is_reported_lost_once(self, bus: Bus) -> None:
        topic, group = bus.topic(partitions=2), bus.group()
        all_parts = {Partition(topic.name, 0), Partition(topic.name, 1)}
        first, second = bus.consumer(group, [topic]), bus.consumer(group, [topic])
        join(first)
        assert first.assigned() == all_parts
        assert first.lost() == frozenset()

        def shared() -> bool:
            one, other = first.assigned(), second.assigned()
            return bool(one) and bool(other) and not one & other

        def poll(consumer: Consumer) -> None:
            wait_until(lambda: consumer.poll(0.02) != [] or shared(), PATIENCE_SECONDS, "a rebalance")

        with ThreadPoolExecutor(2) as pool:  # a member's poll may wait for the other's
            for polling in [pool.submit(poll, consumer) for consumer in (first, second)]:
                polling.result()
        assert first.assigned() | second.assigned() == all_parts
        assert first.lost() >= second.assigned()
        assert first.lost() == frozenset()

    def test_groups_read_independently(self, bus: Bus) -> None:
        topic = bus.topic(partitions=1)
        bus.producer.send(messages(topic, 2))
        consumers = [bus.consumer(bus.group(), [topic]) for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            reading = [pool.submit(poll_until, consumer, lambda found: len(found) >= 2) for consumer in consumers]
            assert [[r.offset for r in read.result()] for read in reading] == [[0, 1], [0, 1]]


class TestAdmin:
    def test_a_topic_that_exists_is_left_as_it_is(self, bus: Bus) -> None:
        topic = bus.topic(partitions=2)
        (before,) = bus.producer.send(messages(topic, 1))
        bus.admin.create_topics([topic])
        states = bus.admin.log_states([topic.name, topic.dead_letters])
        assert states[before.partition].log_id == before.log_id
        assert sum(state.end for state in states.values()) == 1
        assert {p.topic for p in states} == {topic.name, topic.dead_letters}
        assert len([p for p in states if p.topic == topic.name]) == 2

    def test_a_topic_that_does_not_exist_holds_nothing(self, bus: Bus) -> None:
        missing = f"missing-{bus.group()}"
        states = bus.admin.log_states([missing])
        assert sum(state.end for state in states.values()) == 0

    def test_a_group_that_never_committed_has_no_offsets(self, bus: Bus) -> None:
        assert bus.admin.committed(bus.group()) == {}


@pytest.mark.filterwarnings(r"ignore:unclosed <socket:ResourceWarning")  # kafka-python: of refused connections
class TestLostMemory:
    def test_a_wiped_broker_has_other_log_ids_and_its_new_log_is_read_from_its_start(self, bus: Bus) -> None:
        topic, group = bus.topic(partitions=1), bus.group()
        only = Partition(topic.name, 0)
        (old,) = bus.producer.send(messages(topic, 1))
        consumer = bus.consumer(group, [topic])
        poll_until(consumer, lambda found: len(found) >= 1)
        consumer.commit({only: 1})
        bus.wipe()
        new: list[Place] = []

        def written_again() -> bool:
            try:
                bus.admin.create_topics([topic])
                new[:] = bus.producer.send(messages(topic, 3, key="new"))
            except RetryableError:
                return False
            return True

        wait_until(written_again, PATIENCE_SECONDS, "the broker to come back")
        # Who asks first for the topic makes it anew, the client with the broker's own number of partitions.
        states = bus.admin.log_states([topic.name])
        assert {p.log_id for p in new} == {states[p.partition].log_id for p in new}
        assert old.log_id not in {p.log_id for p in new}
        wanted = {(p.partition, p.offset) for p in new}
        found = poll_until(consumer, lambda found: wanted <= {place(r) for r in found})
        assert {r.key for r in found} == {"new-0", "new-1", "new-2"}
        ends = {p.partition: states[p.partition].end for p in new}

        def committed() -> bool:
            try:
                consumer.commit(ends)
            except RetryableError:  # read before the member had joined the new group: it comes again
                with suppress(RetryableError):
                    consumer.poll(0.05)
                return False
            return True

        wait_until(committed, PATIENCE_SECONDS, "a commit")
        assert bus.admin.committed(group) == ends

    def test_a_broker_that_is_away_is_retryable_and_never_hangs(self, bus: Bus) -> None:
        topic, group = bus.topic(partitions=1), bus.group()
        only = Partition(topic.name, 0)
        bus.producer.send(messages(topic, 1))
        consumer = bus.consumer(group, [topic])
        poll_until(consumer, lambda found: len(found) >= 1)
        bus.go_away()
        try:
            with pytest.raises(RetryableError):
                bus.producer.send(messages(topic, 1))
            with pytest.raises(RetryableError):
                consumer.commit({only: 1})
            with pytest.raises(RetryableError):
                bus.admin.log_states([topic.name])
            with pytest.raises(RetryableError):
                bus.admin.committed(group)
            with pytest.raises(RetryableError):
                bus.admin.create_topics([topic])
            with pytest.raises(RetryableError):
                wait_until(lambda: consumer.poll(0.05) != [], PATIENCE_SECONDS, "a message from nowhere")
        finally:
            bus.come_back()


def test_an_address_where_nobody_listens_is_retryable() -> None:
    # In a process of its own: kafka-python leaves a thread behind when it cannot start.
    lines = [
        "from voorrang.kafka_bus import *",
        "try:",
        f"    KafkaBrokerAdmin(KafkaAddress('127.0.0.1:{free_port()}', request_timeout_ms=500))",
        "except RetryableError:",
        "    print('retryable')",
    ]
    ended = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, timeout=60, check=False)
    assert ended.stdout == b"retryable\n", ended.stderr.decode()
