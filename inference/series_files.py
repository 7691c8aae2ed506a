"""DICOM files of a folder, grouped into series; what is not DICOM is passed over."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from voorrang.dicom.header_reading import header_from_dataset
from voorrang.dicom.headers import InstanceHeader

# What a data set without preamble, against PS3.10 7.1, begins with: group 0002 or 0008, a low element.
_PLAUSIBLE_GROUPS = (b"\x02\x00", b"\x08\x00")


@dataclass(frozen=True, slots=True)
class SeriesFiles:
    """
    The files of one series.

    Parameters
    ----------
    series_instance_uid
        Of all of them.
    headers
        Header of each file, in the order of the file names.
    paths
        Path of each file by its SOP Instance UID.
    """

    series_instance_uid: str
    headers: tuple[InstanceHeader, ...]
    paths: dict[str, Path]

    def open_instance(self, header: InstanceHeader) -> BinaryIO:
        """Open the file of a header."""
        return self.paths[header.sop_instance_uid].open("rb")


def find_series(folder: Path) -> list[SeriesFiles]:
    """
    Search a folder, and all within it, for series.

    A file that repeats a SOP Instance UID is passed over: the first by name counts, as for an instance that
    is sent twice.

    Parameters
    ----------
    folder
        Where to search.

    Returns
    -------
    list of SeriesFiles
        Sorted by Series Instance UID; instances without one are passed over.
    """
    headers: dict[str, dict[str, InstanceHeader]] = {}
    paths: dict[str, dict[str, Path]] = {}
    for path, header in _headers(folder):
        series = headers.setdefault(header.series_instance_uid, {})
        if header.sop_instance_uid not in series:
            series[header.sop_instance_uid] = header
            paths.setdefault(header.series_instance_uid, {})[header.sop_instance_uid] = path
    return [SeriesFiles(uid, tuple(headers[uid].values()), paths[uid]) for uid in sorted(headers)]


def _headers(folder: Path) -> Iterator[tuple[Path, InstanceHeader]]:
    for path in sorted(folder.rglob("*")):
        header = _read_header(path) if path.is_file() else None
        if header and header.series_instance_uid and header.sop_instance_uid:
            yield path, header


def _read_header(path: Path) -> InstanceHeader | None:
    """Return the header of a file; None for what is not DICOM or cannot be read."""
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            start = file.read(132)
            if not _is_plausible(start):
                return None
            file.seek(0)
            warnings.simplefilter("ignore")  # about odd values, which they may quote
            ds = dcmread(file, stop_before_pixels=True, force=start[128:] != b"DICM")
            meta = getattr(ds, "file_meta", Dataset())
            return header_from_dataset(ds, str(meta.get("TransferSyntaxUID", "")))
    except (InvalidDicomError, EOFError, OSError, ValueError, TypeError, AttributeError, LookupError):
        return None
    except (RuntimeError, ArithmeticError, struct.error, zlib.error):
        return None


def _is_plausible(start: bytes) -> bool:
    return start[128:132] == b"DICM" or (
        start[:2] in _PLAUSIBLE_GROUPS and len(start) >= 8 and start[2] < 0x60 and start[3] == 0
    )
