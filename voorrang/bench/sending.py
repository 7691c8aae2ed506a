"""The sender: storescu of dcmtk, one process for each association."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from voorrang.bench.names import AE_TITLE, SENDER
from voorrang.bench.programs import dcmtk_program, environment

TIMEOUT_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Sending:
    """
    How sending went.

    Parameters
    ----------
    seconds
        From the start of the first sender to the end of the last.
    problem
        What the first sender that failed said; empty when every instance was answered with Success.
    """

    seconds: float
    problem: str


def send(shares: Sequence[Sequence[Path]], port: int) -> Sending:
    """
    Send folders, each share on an association and from a process of its own, all at once.

    Parameters
    ----------
    shares
        Folders of each association.
    port
        Of the receiver, on loopback.
    """
    titles = ["-aet", SENDER, "-aec", AE_TITLE]
    command = [dcmtk_program("storescu"), "--required", "--propose-little", *titles, "127.0.0.1", str(port)]
    variables = environment()
    started = perf_counter()
    senders = [
        subprocess.Popen(  # noqa: S603 - no shell
            [*command, "+sd", *map(str, folders)],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for folders in shares
    ]
    problems = [_finish(sender, started + TIMEOUT_SECONDS) for sender in senders]
    return Sending(perf_counter() - started, next(filter(None, problems), ""))


def _finish(sender: subprocess.Popen[bytes], deadline: float) -> str:
    try:
        _, said = sender.communicate(timeout=max(0.1, deadline - perf_counter()))
    except subprocess.TimeoutExpired:
        sender.kill()
        sender.communicate()
        return f"storescu did not end within {TIMEOUT_SECONDS:.0f} s"
    if sender.returncode == 0:
        return ""
    lines = said.decode(errors="replace").strip().splitlines()
    return f"storescu: exit {sender.returncode}: {lines[0] if lines else 'it said nothing'}"
