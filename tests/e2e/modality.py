"""A sender as a modality is: it keeps its own list, and sends again what was not answered with Success."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Thread
from threading import Event as Flag
from time import monotonic

from pydicom import Dataset

from tests.integration.listening import CT, CT_CONTEXT, encoded, make_ct
from tests.neighbours.raw_scu import AssociationLostError, RawSCU

SUCCESS = 0x0000
AGAIN_AFTER_SECONDS = 0.1
ROOT = "1.2.826.0.1.3680043.8.498.72"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One instance of the sender's list."""

    sop_instance_uid: str
    series_instance_uid: str
    data_set: bytes


def make_slices(series: int, n: int, matrix: int, seed: int = 0) -> list[Dataset]:
    """Make a head CT series of `n` slices, 10 mm apart; each a study of its own, with noise nobody else has."""
    rng = random.Random(1_000 * seed + series)
    study = f"{ROOT}.{seed}.{series}"
    elements = {"StudyInstanceUID": study, "SeriesInstanceUID": f"{study}.1", "Rows": matrix, "Columns": matrix}
    return [make_ct(number, PixelData=rng.randbytes(2 * matrix * matrix), **elements) for number in range(1, n + 1)]


def make_series(series: int, n: int, matrix: int, seed: int = 0) -> list[Outgoing]:
    """Make a series as it goes over the network."""
    return [outgoing(ds) for ds in make_slices(series, n, matrix, seed)]


def outgoing(ds: Dataset) -> Outgoing:
    """Return a data set as an item of the list."""
    return Outgoing(str(ds.SOPInstanceUID), str(ds.SeriesInstanceUID), encoded(ds))


def write_files(slices: Sequence[Dataset], folder: Path) -> list[Path]:
    """Write slices as files for a sender that wants files."""
    folder.mkdir()
    paths = [folder / f"{ds.SOPInstanceUID}.dcm" for ds in slices]
    for ds, path in zip(slices, paths, strict=True):
        ds.save_as(path, enforce_file_format=True)
    return paths


@dataclass(slots=True)
class Modality:
    """
    Sends a list on some associations at once until every instance of it was answered with Success.

    Parameters
    ----------
    port
        Where the listener is.
    instances
        The list.
    within_seconds
        When it gives up.
    """

    port: int
    instances: Sequence[Outgoing]
    within_seconds: float = 300.0
    answered: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    associations_lost: int = 0
    _may_send: int = 0
    _begun: int = 0
    _waiting: deque[Outgoing] = field(default_factory=deque)
    _lock: Condition = field(default_factory=Condition)
    _threads: list[Thread] = field(default_factory=list)
    _deadline: float = 0.0

    def start(self, n_associations: int = 1, may_send: int | None = None) -> None:
        """Begin to send; `may_send` instances at first, all by default."""
        self._waiting.extend(self.instances)
        self._may_send = len(self.instances) if may_send is None else may_send
        self._deadline = monotonic() + self.within_seconds
        for number in range(n_associations):
            thread = Thread(target=self._send, args=(f"MODALITY{number}",), daemon=True)
            self._threads.append(thread)
            thread.start()

    def let_go_on(self, more: int) -> None:
        """Let so many more instances be sent for the first time."""
        with self._lock:
            self._may_send += more
            self._lock.notify_all()

    def finish(self) -> None:
        """
        Wait until everything was answered with Success.

        Raises
        ------
        TimeoutError
            When that does not come about.
        """
        self.let_go_on(len(self.instances))
        for thread in self._threads:
            thread.join(max(0.1, self._deadline - monotonic()))
        missing = len(self.instances) - len(self.answered)
        if missing:
            raise TimeoutError(f"{missing} of {len(self.instances)} not answered with Success: {self.statuses}")

    def has_sent(self, count: int) -> Callable[[], bool]:
        """Return a question: were so many answered with Success?"""
        return lambda: len(self.answered) >= count

    def _send(self, title: str) -> None:
        while not self._is_over():
            try:
                with RawSCU(self.port, [CT_CONTEXT], calling=title) as association:
                    self._send_on(association)
            except (AssociationLostError, OSError):
                with self._lock:
                    self.associations_lost += 1
                Flag().wait(AGAIN_AFTER_SECONDS)

    def _send_on(self, association: RawSCU) -> None:
        while (one := self._next()) is not None:
            status = -1
            try:
                status = association.store(CT_CONTEXT, CT, one.sop_instance_uid, one.data_set)
            finally:
                self._settle(one, status)
            if status != SUCCESS:
                Flag().wait(AGAIN_AFTER_SECONDS)

    def _next(self) -> Outgoing | None:
        """Return what to send next; what failed goes before what is new. None when all is done."""
        with self._lock:
            while not self._is_over():
                if self._waiting and self._begun < self._may_send:
                    self._begun += 1
                    return self._waiting.popleft()
                self._lock.wait(AGAIN_AFTER_SECONDS)
        return None

    def _settle(self, one: Outgoing, status: int) -> None:
        with self._lock:
            if status == SUCCESS:
                self.answered.add(one.sop_instance_uid)
            else:
                self._begun -= 1
                self._waiting.appendleft(one)
            if status >= 0:
                self.statuses[status] += 1
            self._lock.notify_all()

    def _is_over(self) -> bool:
        return len(self.answered) == len(self.instances) or monotonic() > self._deadline
