"""A chest in an archive, as ingest leaves it: files, a manifest, and the event that says it is complete."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inference.series_files import read_header
from voorrang.archive import Archive
from voorrang.bench.slices import header_bytes, study_uid
from voorrang.clock import Clock
from voorrang.dicom.manifest import ManifestEntry, encode_manifest, instances_digest
from voorrang.events.records import SeriesCompleted

PATHWAY = "lung-nodule"
_STUDY_UID = study_uid(0)
_SERIES_UID = f"{_STUDY_UID}.1"
_OFFSET = 1024  # stored value of 0 HU
_BODY_HU, _LUNG_HU, _NOISE_HU = 40, -860, 20
_SEED = 11


def archive_chest(archive: Archive, slices: int, rows: int, clock: Clock) -> SeriesCompleted:
    """
    Put slices with a body and two lungs, noise over all, into an archive.

    Parameters
    ----------
    archive
        Where.
    slices, rows
        How many slices, with so many rows and columns.
    clock
        Gives the time of receipt.

    Returns
    -------
    SeriesCompleted
        Of run 1.
    """
    rng = np.random.default_rng(_SEED)
    archive.prepare()
    entries = []
    for number in range(slices):
        path = Path(archive.instance_path(_STUDY_UID, _SERIES_UID, f"{_SERIES_UID}.{number + 1}"))
        noise = rng.integers(-_NOISE_HU, _NOISE_HU, (rows, rows), np.int16, endpoint=True)
        path.write_bytes(header_bytes(number, rows) + (_slice(number, slices, rows) + noise).tobytes())
        header = read_header(path)
        assert header is not None  # noqa: S101 - we have just written it
        entries.append(ManifestEntry(header, archive.locator(path)))
    manifest = archive.store_manifest(_STUDY_UID, _SERIES_UID, encode_manifest(entries))
    return SeriesCompleted(
        study_instance_uid=_STUDY_UID,
        series_instance_uid=_SERIES_UID,
        series_revision=1,
        instances_digest=instances_digest(entry.header.sop_instance_uid for entry in entries),
        instance_count=slices,
        pathway=PATHWAY,
        lane="routine",
        manifest=manifest,
        last_received_at=clock.now(),
        partial=False,
        verdict=(),
    )


def _slice(number: int, slices: int, rows: int) -> npt.NDArray[np.int16]:
    """Return stored values: an elliptic body, and lungs that end within the stack, so that nothing looks cut off."""
    y, x = np.ogrid[-1 : 1 : rows * 1j, -1 : 1 : rows * 1j]
    hu = np.where((x / 0.9) ** 2 + (y / 0.7) ** 2 < 1, _BODY_HU, -1000).astype(np.int16)
    along = 2 * number / max(1, slices - 1) - 1
    reach = math.sqrt(max(0.0, 1 - along**2))
    for side in (-1, 1):
        hu[((x - side * 0.42) / 0.3) ** 2 + (y / 0.5) ** 2 < reach**2] = _LUNG_HU
    return hu + np.int16(_OFFSET)
