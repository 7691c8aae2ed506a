"""Series in an archive, as small as the gate lets through, and a reader of them in a child."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import numpy as np

from inference.running.devices import WantedDevice
from inference.running.messages import Start
from inference.running.process import ChildReader
from tests.unit.inference.instances import as_file, make_instance
from voorrang.archive import Archive
from voorrang.dicom.header_reading import header_from_dataset
from voorrang.dicom.manifest import ManifestEntry, encode_manifest

COVERAGE_MM, SPACING_MM = 120.0, 3.0
LOADER = "tests.integration.inference.faulty_models:load"


def archive_series(
    archive: Archive, uid: str, hu: int, spacing_mm: float = SPACING_MM, frame: str = "1.2.826.0.1.3680043.8.498.5"
) -> str:
    """Put a head of one value into the archive and return the locator of its manifest."""
    archive.prepare()
    entries = []
    for n in range(round(COVERAGE_MM / spacing_mm)):
        ds = make_instance(
            np.full((4, 4), hu, np.int16),
            number=n + 1,
            position_mm=(0.0, 0.0, spacing_mm * n),
            intercept=0.0,
            series_uid=uid,
            extra={"SliceThickness": spacing_mm, "FrameOfReferenceUID": frame},
        )
        path = Path(archive.instance_path(str(ds.StudyInstanceUID), uid, str(ds.SOPInstanceUID)))
        path.write_bytes(as_file(ds))
        header = header_from_dataset(ds, str(ds.file_meta.TransferSyntaxUID))
        entries.append(ManifestEntry(header, archive.locator(path), sha256(path.read_bytes()).hexdigest()))
    return archive.store_manifest(str(ds.StudyInstanceUID), uid, encode_manifest(entries))


@contextmanager
def reading(
    folder: Path,
    *names: str,
    time_limit_seconds: float = 60.0,
    memory_bytes: int = 0,
    device: WantedDevice = "auto",
) -> Iterator[ChildReader]:
    """Run a child with faulty models of these names over the archive of a data folder."""
    start = Start(
        names=names,
        bundles_dir=folder / "bundles",
        data_dir=folder,
        archive_dir=folder / "archive",
        device=device,
        memory_bytes=memory_bytes,
        loader=LOADER,
    )
    reader = ChildReader(start, time_limit_seconds)
    try:
        reader.require_ready()
        yield reader
    finally:
        reader.close()
