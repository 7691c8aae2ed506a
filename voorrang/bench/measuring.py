"""One measured run: a batch sent to a receiver, its CPU and memory, and that every instance arrived."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any

from voorrang.bench.caching import drop_from_cache
from voorrang.bench.processes import PeakWatch
from voorrang.bench.receiver import Receiver
from voorrang.bench.sending import send
from voorrang.bench.slices import Batch

WARM_UP = 0  # number of the round whose rows are in no figure
_MEGA, _GIGA = 1e6, 1e9


@dataclass(frozen=True, slots=True)
class Row:
    """
    One run. MB and GB are 10^6 and 10^9 bytes of files.

    Parameters
    ----------
    receiver, data, associations, round
        What was sent to whom; round 0 warms up and counts in no figure.
    instances
        How many were sent.
    seconds
        From the start of the first sender to the end of the last.
    mb_per_s, instances_per_s
        By those seconds.
    cpu_s_per_gb
        User and system seconds of the receiver's processes until every instance had all that it gets, its content hash
        apart, and apart from what it uses when nothing comes.
    idle_cpu_share
        Of one processor, what it uses when nothing comes (it asks the broker for messages); 0 where that was not
        measured.
    hash_cpu_s_per_gb
        Of the content hash; None where the receiver makes none or does not say.
    cpu_s_per_gb_by_process
        The same, hash included, and of what runs beside the receiver and is not counted.
    peak_rss_mb
        Sum over its processes of the most memory that each has had since it was started.
    largest_process_rss_mb
        Of the largest of them.
    ok, problem
        Whether every instance was answered with Success and is on disk, and what went wrong otherwise.
    """

    receiver: str
    data: str
    associations: int
    round: int
    instances: int
    seconds: float
    mb_per_s: float
    instances_per_s: float
    cpu_s_per_gb: float
    idle_cpu_share: float
    hash_cpu_s_per_gb: float | None
    cpu_s_per_gb_by_process: Mapping[str, float]
    peak_rss_mb: float
    largest_process_rss_mb: float
    ok: bool
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


class Stamps:
    """Numbers for studies: no receiver gets the same one twice."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """Return the next number."""
        self._last += 1
        return self._last


def measure(
    receiver: Receiver,
    batch: Batch,
    associations: int,
    round_number: int,
    stamps: Stamps,
    idle_cpu_share: float = 0.0,
) -> Row:
    """
    Send a batch as a new study to a receiver and measure it.

    What was written before is brought to disk first, and the receiver is given time to end all its work, so that no
    receiver pays for another. What was received stays on disk but leaves memory: each receiver finds pages that were
    used before, and none has to search a folder's neighbourhood for inodes that were deleted a moment ago.
    """
    batch.stamp(stamps.next())
    receiver.prepare()
    os.sync()
    before, began = receiver.usage(), monotonic()
    with PeakWatch(receiver.pids) as peak:
        sending = send(batch.shares(associations), receiver.port)
        unsettled = receiver.settle(batch)
    after, ended = receiver.usage(), monotonic()
    receiver.rest(batch)
    stored, sent = receiver.stored(batch), len(batch.files)
    os.sync()
    drop_from_cache(receiver.folder)
    missing = f"{sent - stored} of {sent} instances are not on disk" if stored != sent else ""
    problem = sending.problem or unsettled or missing
    gigabytes = batch.size_bytes / _GIGA
    hashing = None if before.hashing is None or after.hashing is None else after.hashing - before.hashing
    own = sum(_spent(before.own, after.own).values()) - idle_cpu_share * (ended - began)
    parts = _spent(before.own, after.own) | _spent(before.beside, after.beside)
    return Row(
        receiver=receiver.name,
        data=batch.data,
        associations=associations,
        round=round_number,
        instances=sent,
        seconds=round(sending.seconds, 4),
        mb_per_s=round(batch.size_bytes / _MEGA / sending.seconds, 2),
        instances_per_s=round(sent / sending.seconds, 2),
        cpu_s_per_gb=round((own - (hashing or 0.0)) / gigabytes, 4),
        idle_cpu_share=round(idle_cpu_share, 4),
        hash_cpu_s_per_gb=None if hashing is None else round(hashing / gigabytes, 4),
        cpu_s_per_gb_by_process={name: round(seconds / gigabytes, 4) for name, seconds in parts.items()},
        peak_rss_mb=round(peak.sum_bytes / _MEGA, 1),
        largest_process_rss_mb=round(peak.largest_bytes / _MEGA, 1),
        ok=not problem,
        problem=problem,
    )


def _spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}
