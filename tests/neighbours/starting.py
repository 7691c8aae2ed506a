"""What starting any neighbour needs."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable
from contextlib import suppress
from itertools import cycle, islice
from threading import Event as Flag
from time import monotonic

LOOK_EVERY_SECONDS = 0.05
_BELOW_THOSE_OF_CONNECTIONS = range(20_000, 32_768)  # Linux: ip_local_port_range begins there
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_OURS = _BELOW_THOSE_OF_CONNECTIONS[_WORKER::_WORKERS]
_NEXT = cycle(random.SystemRandom().sample(_OURS, len(_OURS)))  # in turn: one that was given is given again last


def free_port() -> int:
    """
    Return a port on loopback that nobody has now, and that nobody gets while who listens there is down.

    Ports that the system chooses are given to connections too: a program that is started again may find its own taken.
    So it is below those, and each worker of pytest-xdist has ports of its own.
    """
    for port in islice(_NEXT, len(_OURS)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is left for this worker")


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
