"""A crowd: 24 senders at once, each a process with an association and a calling AE title of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Self

from voorrang.bench.crowd_sender import ASSOCIATED, Tally
from voorrang.bench.measuring import Stamps
from voorrang.bench.programs import environment
from voorrang.bench.slices import Batch, make_batch

_PATIENCE_SECONDS = 90


class Crowd:
    """
    Senders of one receiver, as a context: all are associated (or refused) when it is entered, ended when it is left.

    Parameters
    ----------
    port
        Of the receiver.
    templates
        What each sends, one study for each sender.
    per_second
        Instances of each sender in a second; 0: as many as are answered.
    seconds
        How long at most.
    """

    def __init__(self, port: int, templates: Sequence[Batch], per_second: float, seconds: float) -> None:
        self._port = port
        self._templates = templates
        self._paces = [str(per_second), str(seconds)]
        self._senders: list[subprocess.Popen[str]] = []
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        for number, batch in enumerate(self._templates):
            arguments = [
                str(self._port),
                f"CROWD{number:02}",
                str(batch.files[0]),
                batch.sop_instance_uid,
                *self._paces,
            ]
            sender = subprocess.Popen(  # noqa: S603 - our own program, no shell
                [sys.executable, "-m", "voorrang.bench.crowd_sender", *arguments],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                text=True,
            )
            self._undo.callback(_end, sender)
            self._senders.append(sender)
        self._first_lines = [sender.stdout.readline() if sender.stdout else "" for sender in self._senders]
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._undo.close()

    @property
    def study_instance_uids(self) -> list[str]:
        """What was sent."""
        return [batch.study_instance_uid for batch in self._templates]

    def stop(self) -> Tally:
        """Let every sender end after its present instance, and return what all of them saw."""
        for sender in self._senders:
            sender.terminate()
        return self.wait()

    def wait(self) -> Tally:
        """Wait until the time of every sender is over, and return what all of them saw."""
        total = Tally()
        for sender, first in zip(self._senders, self._first_lines, strict=True):
            said, _ = sender.communicate(timeout=float(self._paces[1]) + _PATIENCE_SECONDS)
            last = said if first.strip() == ASSOCIATED else first
            tally = Tally(**json.loads(last)) if last.strip() else Tally(lost=1)
            for one in fields(Tally):
                setattr(total, one.name, getattr(total, one.name) + getattr(tally, one.name))
        return total


def make_templates(root: Path, data: str, rows: int, senders: int) -> list[Batch]:
    """Write one slice for each sender."""
    return [make_batch(root / f"{number:02}", data, 1, rows) for number in range(senders)]


def stamp_all(templates: Sequence[Batch], stamps: Stamps) -> None:
    """Give each sender a study of its own."""
    for batch in templates:
        batch.stamp(stamps.next())


def _end(sender: subprocess.Popen[str]) -> None:
    if sender.poll() is None:
        sender.kill()
        sender.wait()
    if sender.stdout:
        sender.stdout.close()
