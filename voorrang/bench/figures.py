"""Figures from rows: medians of interleaved runs, as ratios, each the worse of one and four associations. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from voorrang.bench.measuring import WARM_UP, Row
from voorrang.bench.names import (
    DCMTK_FORK,
    DCMTK_FSYNC,
    DURABLE,
    LARGE,
    ORTHANC,
    PYNETDICOM_APP,
    SMALL,
    VOLATILE,
)

Value = Callable[[Row], float | None]
ASSOCIATIONS = (1, 4)
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Ratio:
    """
    One receiver's median over another's.

    Parameters
    ----------
    name
        Of the figure.
    ours, peer
        Receivers.
    data
        Which data both were sent.
    value
        What of a row is compared.
    worse
        `min` where more is better, `max` where less is.
    """

    name: str
    ours: str
    peer: str
    data: str
    value: Value
    worse: Callable[[Sequence[float]], float]


def _speed(row: Row) -> float | None:
    return row.instances_per_s


def _cpu(row: Row) -> float | None:
    return row.cpu_s_per_gb


def _listener_cpu(row: Row) -> float | None:
    return row.cpu_s_per_gb_by_process.get("listener", row.cpu_s_per_gb)


def _hash_cpu(row: Row) -> float | None:
    return row.hash_cpu_s_per_gb


RATIOS = (
    Ratio("volatile_to_dcmtk_fork", VOLATILE, DCMTK_FORK, LARGE, _speed, min),
    Ratio("durable_to_dcmtk_fork", DURABLE, DCMTK_FORK, LARGE, _speed, min),
    Ratio("durable_to_dcmtk_fsync", DURABLE, DCMTK_FSYNC, LARGE, _speed, min),
    Ratio("durable_to_orthanc", DURABLE, ORTHANC, LARGE, _speed, min),
    Ratio("durable_to_pynetdicom_app", DURABLE, PYNETDICOM_APP, LARGE, _speed, min),
    Ratio("small_to_dcmtk", VOLATILE, DCMTK_FORK, SMALL, _speed, min),
    Ratio("small_to_pynetdicom_app", VOLATILE, PYNETDICOM_APP, SMALL, _speed, min),
    Ratio("cpu_per_gb_to_dcmtk", VOLATILE, DCMTK_FORK, LARGE, _cpu, max),
    # Beyond what was asked for: the same of what ships, which syncs, and of the process that answers DICOM alone.
    Ratio("durable_small_to_dcmtk", DURABLE, DCMTK_FORK, SMALL, _speed, min),
    Ratio("durable_small_to_pynetdicom_app", DURABLE, PYNETDICOM_APP, SMALL, _speed, min),
    Ratio("durable_cpu_per_gb_to_dcmtk", DURABLE, DCMTK_FORK, LARGE, _cpu, max),
    Ratio("listener_cpu_per_gb_to_dcmtk", VOLATILE, DCMTK_FORK, LARGE, _listener_cpu, max),
    Ratio("durable_listener_cpu_per_gb_to_dcmtk", DURABLE, DCMTK_FORK, LARGE, _listener_cpu, max),
)


def speed_figures(rows: Sequence[Row]) -> dict[str, float]:
    """Return every figure that the rows allow: one without rows on either side is left out."""
    figures = {ratio.name: value for ratio in RATIOS if (value := ratio_of(rows, ratio)) is not None}
    hashing = [m for n in ASSOCIATIONS if (m := median_of(rows, DURABLE, LARGE, n, _hash_cpu)) is not None]
    if hashing:
        figures["hash_cpu_s_per_gb"] = max(hashing)
    figures["rows_not_ok"] = sum(not row.ok for row in rows)
    return {name: round(value, _DIGITS) for name, value in figures.items()}


def ratio_of(rows: Iterable[Row], ratio: Ratio) -> float | None:
    """Return the worse of the ratios with one and four associations; None where one of them cannot be had."""
    rows = list(rows)
    found = []
    for associations in ASSOCIATIONS:
        ours = median_of(rows, ratio.ours, ratio.data, associations, ratio.value)
        peer = median_of(rows, ratio.peer, ratio.data, associations, ratio.value)
        if ours is not None and peer:
            found.append(ours / peer)
    return ratio.worse(found) if len(found) == len(ASSOCIATIONS) else None


def median_of(rows: Iterable[Row], receiver: str, data: str, associations: int, value: Value) -> float | None:
    """Return the median over the runs that were ok, without those that warmed up; None when there are none."""
    wanted = (receiver, data, associations)
    values = [
        number
        for row in rows
        if (row.receiver, row.data, row.associations) == wanted and row.ok and row.round != WARM_UP
        if (number := value(row)) is not None
    ]
    return median(values) if values else None
