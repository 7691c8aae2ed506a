"""The embedded broker, in memory only: what `voorrang up` starts."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.neighbours.starting import answers, free_port, wait_until
from voorrang.stack.broker import broker_child
from voorrang.stack.child import Child

START_SECONDS = 60.0
STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class EmbeddedBroker:
    """A running embedded broker."""

    port: int
    child: Child

    @property
    def bootstrap(self) -> str:
        """Address for clients."""
        return f"127.0.0.1:{self.port}"

    def kill(self) -> None:
        """End it with no chance to say goodbye; its memory is gone."""
        os.kill(self.child.pid, signal.SIGKILL)
        self.child.wait_stopped(STOP_SECONDS)

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        self.child.start()
        wait_until(lambda: answers(self.port), START_SECONDS, "embedded broker")

    def kill_and_restart(self) -> None:
        """Lose its memory and come back at the same address."""
        self.kill()
        self.start()


@contextmanager
def running_embedded_broker() -> Iterator[EmbeddedBroker]:
    """Run an embedded broker on a free port."""
    port = free_port()
    broker = EmbeddedBroker(port, broker_child(port))
    broker.start()
    try:
        yield broker
    finally:
        broker.child.ask_to_stop()
        broker.child.wait_stopped(STOP_SECONDS)


def embedded_missing() -> str:
    """Return why there is no embedded broker here; empty when there is."""
    if os.name != "posix":
        return "the embedded broker runs on Linux and macOS"
    try:
        broker_child(free_port())
    except Exception as error:  # noqa: BLE001 - whatever the wheel says: the reason of a skip
        return f"no embedded broker: {error}"
    return ""
