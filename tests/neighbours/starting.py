"""What starting any neighbour needs."""

from __future__ import annotations

import socket
from collections.abc import Callable
from threading import Event as Flag
from time import monotonic

LOOK_EVERY_SECONDS = 0.05


def free_port() -> int:
    """Return a port on loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Tell whether somebody listens on a port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(check: Callable[[], bool], seconds: float, what: str) -> None:
    """
    Look again and again until something holds.

    Raises
    ------
    TimeoutError
        When it does not in time.
    """
    deadline = monotonic() + seconds
    while not check():
        if monotonic() > deadline:
            raise TimeoutError(what)
        Flag().wait(LOOK_EVERY_SECONDS)
