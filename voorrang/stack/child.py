"""One child process: started, known to be ready, ended."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from voorrang.parent import end_with_parent
from voorrang.readiness import READY_VARIABLE


@dataclass(slots=True)
class Child:
    """
    A process that says when it is ready.

    Parameters
    ----------
    name
        For people.
    command
        Program and arguments.
    environment
        Complete environment of the process.
    is_ready
        Asked while it starts; None: the process writes a line to the pipe that `VOORRANG_READY_FD` names.
    is_quiet
        Whether its output is thrown away.
    bears_others
        Whether what starts after it cannot go on when it dies.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    is_ready: Callable[[], bool] | None = None
    is_quiet: bool = False
    bears_others: bool = False
    _process: subprocess.Popen[bytes] | None = None
    _pipe: int | None = None
    _heard: bool = field(default=False)

    @property
    def pid(self) -> int:
        """Process id; 0 when it does not run."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start the process; it ends when we end, however we end."""
        reading, writing = os.pipe()
        environment = {**self.environment, READY_VARIABLE: str(writing)}
        output = subprocess.DEVNULL if self.is_quiet else None
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                list(self.command),
                env=environment,
                pass_fds=(writing,),
                stdin=subprocess.DEVNULL,
                stdout=output if self.is_quiet else sys.stderr.fileno(),
                stderr=output,
                start_new_session=True,  # Ctrl-C reaches us alone, and we end the children in order
                preexec_fn=partial(end_with_parent, signal.SIGTERM),
            )
        finally:
            os.close(writing)
        self._forget_pipe()
        self._pipe, self._heard = reading, False

    def check_ready(self) -> bool:
        """Tell whether it has said that it is ready since it was started."""
        if self.is_ready is not None:
            return self.is_ready()
        if not self._heard and self._pipe is not None and select.select([self._pipe], [], [], 0)[0]:
            self._heard = os.read(self._pipe, 16).startswith(b"ready")
        return self._heard

    def exit_code(self) -> int | None:
        """Return how it ended; None while it runs."""
        return self._process.poll() if self._process else None

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait_stopped(self, seconds: float) -> None:
        """Wait so long for the end, then kill it."""
        if self._process is None:
            return
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget_pipe()

    def _forget_pipe(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
