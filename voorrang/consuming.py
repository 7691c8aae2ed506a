"""
The loop that every consumer runs: poll, handle, commit; retry, dead-letter, stop.

The loop polls while a handler works in another thread, so that a handler may take minutes without the group taking
its partitions away, and after each message, so that an urgent one never waits behind what was fetched before it. What
has been fetched waits in a small buffer, the urgent topics first and the partitions of a topic in turns; a topic that
was passed over `MAX_PASSED_OVER` times goes next, so that a flood of urgent messages slows the others and never stops
them. A partition whose buffer is full is paused, which is all the back pressure that is needed. An offset is committed
only when everything before it in its partition has been handled.
"""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Event as Flag
from time import monotonic
from typing import Any

from voorrang.bus import MAX_VALUE_BYTES, Consumer, Message, Partition, Producer, Received
from voorrang.errors import InvalidMessageError, RetryableError
from voorrang.events.envelope import Event, decode
from voorrang.logs import get_logger, of_defect
from voorrang.metrics import (
    EVENTS_DEAD_LETTERED,
    EVENTS_HANDLED,
    EVENTS_SKIPPED,
    MESSAGE_IN_HAND_SECONDS,
    TASK_ROUNDS,
)
from voorrang.purpose import Purpose
from voorrang.topics import DEAD_LETTER_SUFFIX

Handler = Callable[[Event[Any]], None]

TASK = "consumer"
POLL_SECONDS = 0.25
POLL_WHILE_BUSY_SECONDS = 0.2
MAX_BUFFERED = 16
MAX_PASSED_OVER = 9  # at least one message in ten is of a later topic, as long as one waits
ATTEMPTS = 5


@dataclass(slots=True)
class Backoff:
    """Seconds to wait before each next attempt: doubling up to a limit."""

    first: float = 0.05
    limit: float = 10.0

    def seconds(self, attempt: int) -> float:
        """Return the wait after so many failed attempts, the first being 1."""
        return min(self.limit, self.first * 2.0 ** min(attempt - 1, 60))  # hours of waiting are no overflow


@dataclass(slots=True)
class ConsumerLoop:
    """
    One consumer's loop.

    A handler that raises `RetryableError` is tried again without end, with back-off: the cause lies outside the
    message. One that raises `InvalidMessageError` has its message dead-lettered at once; any other exception is a
    defect, tried `ATTEMPTS` times and then dead-lettered under the name of its type.

    Parameters
    ----------
    name
        The consumer, as the topics name it.
    consumer, producer
        The bus.
    topics
        In the order in which they go first.
    handlers
        By event type.
    purpose
        Events of any other purpose are counted and skipped.
    on_settled
        Called with an event that was skipped or dead-lettered, so that its receipt is written.
    stop
        Set from outside to end the loop after the message in hand.
    """

    name: str
    consumer: Consumer
    producer: Producer
    topics: Sequence[str]
    handlers: Mapping[str, Handler]
    purpose: Purpose
    on_settled: Callable[[Event[Any], str], None]
    stop: Flag
    backoff: Backoff = field(default_factory=Backoff)
    on_joined: Callable[[], None] = lambda: None
    _buffers: dict[Partition, deque[Received]] = field(default_factory=dict)
    _passed_over: dict[str, int] = field(default_factory=dict)
    _served: dict[Partition, int] = field(default_factory=dict)
    _joined: bool = False

    def run(self) -> None:
        """Work until told to stop; the message in hand is finished, the rest comes again to the next member."""
        TASK_ROUNDS.labels(self.name, TASK)  # there from the start: an alert sees what never grows
        in_hand = MESSAGE_IN_HAND_SECONDS.labels(self.name)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"{self.name}-handler") as pool:
            while not self.stop.is_set():
                message = self._next()
                if message is None:
                    self._fetch(POLL_SECONDS)
                    continue
                work, began_at = pool.submit(self._settle, message), monotonic()
                while not wait([work], timeout=POLL_WHILE_BUSY_SECONDS).done:
                    in_hand.set(monotonic() - began_at)
                    self._fetch(0.0)
                in_hand.set(0.0)
                self._finish(message, work)
                self._fetch(0.0)

    def _finish(self, message: Received, work: Future[bool]) -> None:
        settled = work.result()
        buffer = self._buffers.get(message.partition)
        if not settled or not buffer or buffer[0] is not message:
            return  # told to stop, or the partition went to another member while we worked: it comes again
        buffer.popleft()
        try:
            self.consumer.commit({message.partition: message.offset + 1})
        except RetryableError as error:
            # Handled all the same; at worst it comes again and its receipt makes that harmless.
            get_logger().warning("commit failed", reason=str(error))

    def _fetch(self, timeout_seconds: float) -> None:
        received: list[Received] = []
        away: RetryableError | None = None
        try:
            self.consumer.pause(frozenset(p for p, buffer in self._buffers.items() if len(buffer) >= MAX_BUFFERED))
            received = self.consumer.poll(timeout_seconds)
        except RetryableError as error:
            away = error
        for partition in self.consumer.lost():  # also when the poll failed: it may have lost some before
            self._buffers.pop(partition, None)
        if away is not None:
            get_logger().warning("broker away", reason=str(away))
            self.stop.wait(self.backoff.seconds(3))
            return
        TASK_ROUNDS.labels(self.name, TASK).inc()
        if not self._joined and self.consumer.assigned():
            self._joined = True
            self.on_joined()
        for message in received:
            self._buffers.setdefault(message.partition, deque()).append(message)

    def _next(self) -> Received | None:
        waiting = [p for p, buffer in self._buffers.items() if buffer]
        if not waiting:
            return None
        order = {topic: index for index, topic in enumerate(self.topics)}

        def turn(p: Partition) -> tuple[bool, int, int, int]:
            """Return what decides whose turn it is; the smallest goes."""
            is_due = self._passed_over.get(p.topic, 0) >= MAX_PASSED_OVER
            return not is_due, order.get(p.topic, len(order)), self._served.get(p, 0), p.number

        first = min(waiting, key=turn)
        topics = {p.topic for p in waiting}
        self._passed_over = {t: 0 if t == first.topic else self._passed_over.get(t, 0) + 1 for t in topics}
        self._served[first] = 1 + max(self._served.values(), default=0)
        return self._buffers[first][0]

    def _settle(self, message: Received) -> bool:
        """Handle one message to its end; False only when told to stop first."""
        try:
            event = decode(message.value)
        except InvalidMessageError as error:
            return self._dead_letter(message, error.code, None)
        handler = self.handlers.get(event.type)
        if event.purpose is not self.purpose or handler is None:
            EVENTS_SKIPPED.labels(self.name, "purpose" if handler else "type").inc()
            return self._until_done(lambda: self.on_settled(event, "skipped"))
        attempts = defects = 0
        while not self.stop.is_set():
            attempts += 1
            try:
                handler(event)
            except RetryableError as error:
                get_logger().warning("handler waits", type=event.type, reason=str(error))
            except InvalidMessageError as error:
                return self._dead_letter(message, error.code, event)
            except Exception as error:  # noqa: BLE001 - a defect: retried, then dead-lettered by name, never swallowed
                defects += 1
                get_logger().error("handler failed", type=event.type, attempt=defects, **of_defect(error))
                get_logger().debug("handler failed", exc_info=True)
                if defects >= ATTEMPTS:
                    return self._dead_letter(message, f"defect_{type(error).__name__}", event)
            else:
                EVENTS_HANDLED.labels(self.name, message.partition.topic).inc()
                return True
            self.stop.wait(self.backoff.seconds(attempts))
        return False

    def _dead_letter(self, message: Received, reason: str, event: Event[Any] | None) -> bool:
        letter = Message(message.partition.topic + DEAD_LETTER_SUFFIX, message.key, _letter(message, reason, self.name))
        if not self._until_done(lambda: self.producer.send([letter])):
            return False
        EVENTS_DEAD_LETTERED.labels(self.name, message.partition.topic).inc()
        get_logger().error("dead-lettered", topic=message.partition.topic, reason=reason)
        return event is None or self._until_done(lambda: self.on_settled(event, "dead_lettered"))

    def _until_done(self, action: Callable[[], object]) -> bool:
        attempt = 0
        while not self.stop.is_set():
            try:
                action()
            except RetryableError as error:
                attempt += 1
                get_logger().warning("waits", reason=str(error))
                self.stop.wait(self.backoff.seconds(attempt))
            else:
                return True
        return False


def _letter(message: Received, reason: str, consumer: str) -> bytes:
    values: dict[str, str | int] = {
        "reason": reason,
        "consumer": consumer,
        "topic": message.partition.topic,
        "partition": message.partition.number,
        "offset": message.offset,
    }
    whole = _json(values | {"value_base64": base64.b64encode(message.value).decode()})
    # A large message is too large in base64: then its place must do, where the broker keeps it for as long as all.
    return whole if len(whole) <= MAX_VALUE_BYTES else _json(values | {"value_base64": ""})


def _json(values: Mapping[str, str | int]) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode()
