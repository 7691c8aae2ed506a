"""The worker's side of its child: starts it, gives it jobs, kills it when it takes too long, starts another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from threading import Event as Flag
from time import monotonic
from typing import Any

from inference.failures import Failure
from inference.reading import Outcome, failed
from inference.running.conditions import Conditions
from inference.running.messages import EXIT_DEVICE_LOST, Done, Job, Ready, Refused, Start
from voorrang.errors import ConfigurationError, RetryableError
from voorrang.events.records import ModelIdentity
from voorrang.logs import get_logger
from voorrang.metrics import INFERENCE_PROCESSES_ENDED

DEATHS_PER_MODEL = 2  # once may have been somebody's kill; a model that dies twice on a series dies always
LOAD_SECONDS = 300.0
LOOK_EVERY_SECONDS = 0.1
STOP_SECONDS = 3.0  # a job that ends within it is still answered when the worker is told to stop


class _DiedError(Exception):
    """The child is gone; says how it ended."""


class _TooLongError(Exception):
    """The child did not answer in time."""


class ChildReader:
    """
    Reads series in a child process.

    Parameters
    ----------
    start
        What the child is to be.
    time_limit_seconds
        For one model on one series, reading the volume included.
    stop
        Set from outside when the worker is to end; a job is then left as it is after a few seconds.
    """

    def __init__(self, start: Start, time_limit_seconds: float, stop: Flag | None = None) -> None:
        self._start, self.time_limit_seconds = start, time_limit_seconds
        self.stop = stop or Flag()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._ready: Ready | None = None
        self._conditions: Conditions | None = None

    @property
    def pid(self) -> int:
        """Process id of the child; 0 when there is none."""
        return self._process.pid if self._process else 0

    @property
    def identities(self) -> Mapping[str, ModelIdentity]:
        """Which models the child has, exactly, by name; empty before it was ready."""
        return self._ready.identities if self._ready else {}

    def begin(self) -> None:
        """Start the child; it loads its models meanwhile."""
        ours, theirs = Pipe()
        command = [sys.executable, "-m", "inference.running.child", str(theirs.fileno()), str(os.getpid())]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                command,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=2,  # what libraries print is log; stdout is for results
                start_new_session=True,  # Ctrl-C reaches the worker alone, and a kill reaches the child's children
            )
        finally:
            theirs.close()
        self._connection = ours
        with suppress(BrokenPipeError):  # dead already: whoever listens hears it
            ours.send(replace(self._start, conditions=self._conditions))

    def require_ready(self) -> None:
        """
        Wait until the models are loaded.

        Raises
        ------
        ConfigurationError
            When they cannot be; with what the child says.
        RetryableError
            When told to stop meanwhile.
        """
        if self._process is None:
            self.begin()
        try:
            said = self._hear(LOAD_SECONDS)
        except _TooLongError as error:
            self.close()
            raise ConfigurationError(f"models did not load within {LOAD_SECONDS:.0f} s: see the log") from error
        except _DiedError as error:
            self.close()
            raise ConfigurationError(f"the process that loads the models ended ({error}): see the log") from error
        if isinstance(said, Refused):
            self.close()
            raise ConfigurationError(said.text)
        assert isinstance(said, Ready)  # noqa: S101 - the child says nothing else first
        self._ready, self._conditions = said, said.conditions

    def read(self, job: Job) -> Iterator[tuple[str, Outcome]]:
        """Give the outcome of each model of a job, each as soon as it is there; exactly one for each."""
        left, deaths = list(job.models), 0
        while left:
            self._require_child()
            try:
                for done in self._ask(replace(job, models=tuple(left))):
                    left.remove(done.name)
                    deaths = 0
                    yield done.name, done.outcome
            except _TooLongError:
                self._end("time_limit")
                yield left.pop(0), failed(Failure.TIME_LIMIT)
                deaths = 0
            except _DiedError as error:
                self._end("died")
                deaths += 1
                get_logger().error("child died", how=str(error), model=left[0], time=deaths)
                if deaths == DEATHS_PER_MODEL:
                    yield left.pop(0), failed(Failure.PROCESS_DIED, str(error))
                    deaths = 0

    def close(self) -> None:
        """End the child."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None

    def _require_child(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            self._end("died")  # while nobody asked it anything
        if self._process is None:
            try:
                self.require_ready()
            except ConfigurationError as error:  # it could be loaded once, so this may pass
                raise RetryableError(f"models: {error}") from error

    def _ask(self, job: Job) -> Iterator[Done]:
        assert self._connection is not None  # noqa: S101 - a child was required
        try:
            self._connection.send(job)
        except BrokenPipeError as error:
            raise _DiedError(self._how_it_ended()) from error
        answers = 0
        try:
            while answers < len(job.models):
                done = self._hear(self.time_limit_seconds)
                assert isinstance(done, Done)  # noqa: S101 - the child says nothing else now
                answers += 1
                yield done
        finally:
            if answers < len(job.models):
                self.close()  # also when whoever asked went away: the next job must not hear these answers

    def _hear(self, seconds: float) -> object:
        """Return the next message of the child."""
        assert self._connection is not None  # noqa: S101 - there is one between begin and close
        deadline, asked_to_stop = monotonic() + seconds, False
        while not self._connection.poll(LOOK_EVERY_SECONDS):
            if self.stop.is_set() and not asked_to_stop:
                deadline, asked_to_stop = min(deadline, monotonic() + STOP_SECONDS), True
            if monotonic() > deadline and asked_to_stop:
                self.close()
                raise RetryableError("told to stop: this comes again to the next worker")
            if monotonic() > deadline:
                raise _TooLongError
        try:
            said: object = self._connection.recv()
        except (EOFError, OSError) as error:  # the latter when it died in the middle of a message
            raise _DiedError(self._how_it_ended()) from error
        return said

    def _how_it_ended(self) -> str:
        assert self._process is not None  # noqa: S101 - it was there a moment ago
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:  # it only closed its end
            return "silent"
        if code == EXIT_DEVICE_LOST:
            self._conditions = None  # the next child asks anew what there is to compute on
            return "its GPU was lost"
        return signal.Signals(-code).name if code < 0 else f"exit {code}"

    def _end(self, reason: str) -> None:
        INFERENCE_PROCESSES_ENDED.labels(reason).inc()
        self.close()
