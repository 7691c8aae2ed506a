"""DICOM files of a folder, grouped into series; what is not DICOM is passed over."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from voorrang.dicom.header_reading import header_from_dataset
from voorrang.dicom.header_scanning import scan_head
from voorrang.dicom.headers import InstanceHeader
from voorrang.dicom.part10 import split_part10
from voorrang.errors import ConfigurationError

_START_BYTES = 16_384  # most heads end within these
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


class UnreadableFilesError(ConfigurationError):
    """
    Files or folders cannot be read, so that nobody knows which series they belong to and what of it is missing.

    Parameters
    ----------
    folder
        Where they are.
    errors
        One for each, with its path.
    """

    def __init__(self, folder: Path, errors: Sequence[OSError]) -> None:
        what = "1 file or folder" if len(errors) == 1 else f"{len(errors)} files or folders"
        first = f"{errors[0].filename} ({errors[0].strerror})"
        super().__init__(
            f"{what} in {folder} cannot be read, the first: {first}; they may be slices of any series: make them "
            "readable, or leave them out"
        )


def find_series(folder: Path) -> list[SeriesFiles]:
    """
    Search a folder, and all within it, for series.

    A file that repeats a SOP Instance UID is passed over: the first by name counts, as for an instance that
    is sent twice.

    Parameters
    ----------
    folder
        Where to search; links to folders are followed.

    Returns
    -------
    list of SeriesFiles
        Sorted by Series Instance UID; instances without one are passed over.

    Raises
    ------
    UnreadableFilesError
        When anything in it cannot be read.
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
    unread: list[OSError] = []
    for path in sorted(_files(folder, unread)):
        try:
            header = _header(path)
        except OSError as error:
            error.filename = str(path)
            unread.append(error)
            continue
        if header and header.series_instance_uid and header.sop_instance_uid:
            yield path, header
    if unread:
        raise UnreadableFilesError(folder, unread)


def _files(folder: Path, unread: list[OSError]) -> Iterator[Path]:
    """Give every file below a folder; each folder once, however many links lead to it."""
    met: set[str] = set()
    for place, folders, names in os.walk(folder, onerror=unread.append, followlinks=True):
        real = os.path.realpath(place)
        if real in met:
            folders.clear()
            continue
        met.add(real)
        for path in (Path(place, name) for name in names):
            try:
                is_file = path.is_file()
            except OSError as error:  # a folder may be listed, and what is in it not looked at
                unread.append(error)
            else:
                if is_file:
                    yield path


def read_header(path: Path) -> InstanceHeader | None:
    """
    Read the header of a file: by scanning its first bytes, and by pydicom where they are odd.

    Parameters
    ----------
    path
        Of a file of any kind.

    Returns
    -------
    InstanceHeader or None
        None for what is not DICOM or cannot be read.
    """
    try:
        return _header(path)
    except OSError:
        return None


def _header(path: Path) -> InstanceHeader | None:
    start = _read_start(path)
    if not _is_plausible(start):
        return None
    split = split_part10(start)
    if split is not None:
        syntax, data_set_at = split
        scanned = scan_head(memoryview(start)[data_set_at:], syntax, is_whole=len(start) < _START_BYTES)
        if scanned is not None:
            return scanned.header
    return _read_with_pydicom(path, is_part10=start[128:132] == b"DICM")


def _read_start(path: Path) -> bytes:
    """Read by the system's calls: making a file object costs as much as scanning a header."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, _START_BYTES)
    finally:
        os.close(descriptor)


def _read_with_pydicom(path: Path, *, is_part10: bool) -> InstanceHeader | None:
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd values, which they may quote
            ds = dcmread(file, stop_before_pixels=True, force=not is_part10)
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
