"""One event hop of ours, from the row in the outbox to the handler, beside a bare loop of kafka-python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from queue import Queue
from random import Random
from statistics import median
from threading import Event as Flag
from threading import Thread
from time import perf_counter
from typing import Any

from voorrang import outbox
from voorrang.bench.measured import Measured
from voorrang.bench.pipeline_plain import PlainLoop
from voorrang.bench.processes import wait_until
from voorrang.bench.report import Say
from voorrang.clock import SystemClock
from voorrang.consuming import ConsumerLoop
from voorrang.database import Database
from voorrang.demo.scratch import free_ports
from voorrang.events.envelope import Event, encode, event_id
from voorrang.events.records import WorklistItemRanked
from voorrang.kafka_bus import KafkaAddress, KafkaBrokerAdmin, KafkaGroupConsumer, KafkaMessageProducer
from voorrang.migrating import migrate
from voorrang.purpose import Purpose
from voorrang.relaying import Relay
from voorrang.settings import Settings
from voorrang.stack.broker import broker_child
from voorrang.topics import WORKLIST_ITEM_RANKED

OURS, PLAIN = "voorrang: outbox to handler", "kafka-python: producer to consumer"
HOPS = 400
_START_SECONDS, _HOP_SECONDS = 60.0, 20.0
_PAUSE_SECONDS = (0.02, 0.12)
_SEED = 5
_SERVICE, _READER = WORKLIST_ITEM_RANKED.producer, WORKLIST_ITEM_RANKED.consumers[0]

Hop = Callable[[int], float]


def measure_hop(scratch: Path, say: Say, hops: int = HOPS) -> Measured:
    """
    Measure.

    Parameters
    ----------
    scratch
        Folder for the database, on the disk that is measured.
    say
        Told of progress.
    hops
        How many of each, in turns.

    Returns
    -------
    Measured
        Medians, and the ratio of ours to the bare loop.
    """
    rng = Random(_SEED)
    settings = Settings(data_dir=scratch, purpose=Purpose.DEMO, kafka_embedded_port=free_ports(1)[0])
    rows: list[dict[str, Any]] = []
    with ExitStack() as undo:
        undo.enter_context(_broker(settings.kafka_embedded_port))
        methods: dict[str, Hop] = {
            OURS: undo.enter_context(our_hop(settings)),
            PLAIN: undo.enter_context(plain_hop(settings)),
        }
        say(f"{hops} hops of each, fetch wait {settings.kafka_fetch_wait_ms} ms")
        for number in range(hops):
            for name, hop in methods.items():
                Flag().wait(rng.uniform(*_PAUSE_SECONDS))  # at no fixed moment of anybody's waits
                rows.append({"method": name, "round": number, "seconds": round(hop(number), 5)})
    took = {name: median(row["seconds"] for row in rows if row["method"] == name) for name in methods}
    figures = {
        "hop_ms": round(1000 * took[OURS], 2),
        "plain_loop_ms": round(1000 * took[PLAIN], 2),
        "hop_to_plain_loop": round(took[OURS] / took[PLAIN], 3),
    }
    note = (
        f"embedded broker, fetch wait {settings.kafka_fetch_wait_ms} ms for both, {hops} hops of each in turns, all in "
        "one process; ours from the commit of the row in the outbox, which is the state's own transaction, until the "
        "handler is called; the bare loop from send() of such bytes, acks=all, until poll() has returned them; medians"
    )
    return Measured(figures, rows, notes={"hop": note})


@contextmanager
def our_hop(settings: Settings) -> Iterator[Hop]:
    """Give a hop of ours: relay and consumer as a service runs them, each in its thread."""
    stop, arrived = Flag(), Queue[tuple[str, float]]()
    database = Database(settings.url())
    migrate(database)
    address = KafkaAddress(settings.bootstrap, settings.kafka_fetch_wait_ms, settings.kafka_session_timeout_ms)
    admin = KafkaBrokerAdmin(address)
    producer = KafkaMessageProducer(address, admin)
    clock = SystemClock()
    relay = Relay(_SERVICE, database, producer, admin, clock)
    joined = Flag()

    def handle(event: Event[Any]) -> None:
        """Say when it was called, and write the receipt as every handler does."""
        arrived.put((event.id, perf_counter()))
        settle(event, "handled")

    def settle(event: Event[Any], outcome: str) -> None:
        """Write the receipt of an event."""
        with database.write() as connection:
            outbox.record_receipt(connection, _READER, event.id, outcome, clock.now())

    consumer = KafkaGroupConsumer(address, _READER, [WORKLIST_ITEM_RANKED.name], admin)
    loop = ConsumerLoop(
        name=_READER,
        consumer=consumer,
        producer=producer,
        topics=[WORKLIST_ITEM_RANKED.name],
        handlers={WORKLIST_ITEM_RANKED.event_type: handle},
        purpose=settings.purpose,
        on_settled=settle,
        stop=stop,
        on_joined=joined.set,
    )

    def hop(number: int) -> float:
        """Return the seconds from the commit of the row to its handler."""
        event = _event(number, clock)
        with database.write() as connection:
            outbox.append(connection, _SERVICE, WORKLIST_ITEM_RANKED.name, event, event.time)
        began = perf_counter()
        relay.wake.set()
        while True:
            who, at = arrived.get(timeout=_HOP_SECONDS)
            if who == event.id:
                return at - began

    threads = [Thread(target=partial(relay.run, stop), name="relay"), Thread(target=loop.run, name="consumer")]
    for thread in threads:
        thread.start()
    try:
        wait_until(joined.is_set, _START_SECONDS)
        hop(-1)
        yield hop
    finally:
        stop.set()
        relay.wake.set()
        for thread in threads:
            thread.join()
        consumer.close()
        producer.close()
        admin.close()
        database.close()


@contextmanager
def plain_hop(settings: Settings) -> Iterator[Hop]:
    """Give a hop of the bare loop, with bytes such as ours sends."""
    clock = SystemClock()
    with PlainLoop(settings.bootstrap, settings.kafka_fetch_wait_ms, WORKLIST_ITEM_RANKED.partitions) as loop:

        def hop(number: int) -> float:
            """Return the seconds from a send to its record."""
            event = _event(number, clock)
            return loop.hop(event.subject, encode(event), _HOP_SECONDS)

        hop(-1)
        yield hop


@contextmanager
def _broker(port: int) -> Iterator[None]:
    child = broker_child(port)
    child.start()
    try:
        wait_until(child.check_ready, _START_SECONDS)
        yield
    finally:
        child.ask_to_stop()
        child.wait_stopped(_HOP_SECONDS)


def _event(number: int, clock: SystemClock) -> Event[Any]:
    now = clock.now()
    uid = f"1.2.826.0.1.3680043.8.498.77.{1_000_000 + number}"
    record = WorklistItemRanked(
        item_key=uid,
        item_version=1,
        study_instance_uids=(uid,),
        tier="urgent",
        rank=1,
        state="scored",
        provisional=False,
        pathway="bench",
        last_received_at=now,
        ranked_at=now,
    )
    return Event(
        id=event_id(record.event_type, uid, 1),
        source=_SERVICE,
        type=record.event_type,
        time=now,
        subject=uid,
        traceparent="",
        purpose=Purpose.DEMO,
        site="bench",
        patient_key="",
        order_key="",
        data=record,
    )
