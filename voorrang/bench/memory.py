"""How the memory of the listener grows from 1 to 24 associations."""

from __future__ import annotations

from pathlib import Path
from threading import Event as Flag

from voorrang.bench.idling import idle_cpu_shares
from voorrang.bench.measuring import Row, Stamps, measure
from voorrang.bench.ours import Voorrang
from voorrang.bench.slices import FOLDERS, Batch

MEMORY_ROUND = 1


def measure_growth(folder: Path, batch: Batch, stamps: Stamps) -> tuple[list[Row], tuple[float, float]]:
    """
    Send the same slices by one association and then by 24 at once to a fresh listener.

    Parameters
    ----------
    folder
        Data folder of the listener; made.
    batch
        What is sent; with 24 associations each has its share.
    stamps
        Numbers for studies.

    Returns
    -------
    tuple
        Both rows; the peak of the listener's process in MB, and by how much it grew with the 24.
    """
    receiver = Voorrang(folder, is_volatile=False)
    rows, peaks_mb = [], []
    receiver.start()
    try:
        share = idle_cpu_shares([receiver], Flag().wait)[receiver.name]
        for associations in (1, FOLDERS):
            rows.append(measure(receiver, batch, associations, MEMORY_ROUND, stamps, share))
            peaks_mb.append(receiver.listener_peak_rss_mb())
    finally:
        receiver.stop()
    return rows, (peaks_mb[1], round(peaks_mb[1] - peaks_mb[0], 1))
