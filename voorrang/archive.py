"""
The archive on disk: gives and takes opaque locators; only it knows paths.

A file is there under its name only when it is whole and synced: written beside under another name, synced, linked to
its name (which fails when the name is taken, so that nothing is overwritten), and the folder synced.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voorrang.identifiers import is_uid

_SUFFIX = ".dcm"
_CONFLICT = ".conflict-"
_PART = ".part-"
_MAX_FOLDERS = 10_000


class ArchiveFullError(Exception):
    """The reserve of the disk would be touched: refuse, and recover when there is room."""


class UnsafeIdentifierError(Exception):
    """An identifier is not fit to be part of a name."""


@dataclass(frozen=True, slots=True)
class Stored:
    """
    What became of an instance.

    `outcome` is `new`, `duplicate` (the very data set was there) or `conflict` (the UID was there with other bytes:
    the first is kept, this one lies beside it under `locator`). A conflict sent again is a duplicate of the one beside.
    """

    locator: str
    outcome: str
    size_bytes: int


class Archive:
    """
    Part 10 files and manifests under one folder.

    Parameters
    ----------
    root
        Folder; made when absent.
    reserve_bytes
        Room that stays free on its disk.
    """

    def __init__(self, root: Path, reserve_bytes: int = 0) -> None:
        self._root = root
        self.reserve_bytes = reserve_bytes
        self._synced: set[Path] = set()
        root.mkdir(parents=True, exist_ok=True)

    def store_instance(self, study: str, series: str, instance: str, part10: bytes) -> Stored:
        """
        Store one Part 10 file durably.

        Raises
        ------
        UnsafeIdentifierError
            When one of the UIDs is not a UID.
        ArchiveFullError
            When the reserve would be touched or the disk is full.
        """
        if not all(map(is_uid, (study, series, instance))):
            raise UnsafeIdentifierError("study, series or instance UID")
        self._require_room(len(part10))
        path = self._folder(study, series) / f"{instance}{_SUFFIX}"
        if self._write_once(path, part10):
            return Stored(self._locator(path), "new", len(part10))
        content = _data_set(part10)
        if _data_set(path.read_bytes()) == content:
            return Stored(self._locator(path), "duplicate", len(part10))
        beside = path.with_name(f"{instance}{_CONFLICT}{hashlib.sha256(content).hexdigest()[:16]}{_SUFFIX}")
        outcome = "conflict" if self._write_once(beside, part10) else "duplicate"
        return Stored(self._locator(beside), outcome, len(part10))

    def store_manifest(self, study: str, series: str, name: str, content: bytes) -> str:
        """Store a small file beside the instances of a series and return its locator; the same name stays as it is."""
        path = self._folder(study, series) / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"
        self._write_once(path, content)
        return self._locator(path)

    def quarantine(self, content: bytes, reason: str) -> str:
        """Keep what was refused, with its reason; return the locator."""
        self._require_room(len(content))
        folder = self._root / "quarantine"
        folder.mkdir(exist_ok=True)
        path = folder / uuid.uuid4().hex
        self._write_once(path.with_suffix(".reason"), reason.encode())
        self._write_once(path, content)
        return self._locator(path)

    def path(self, locator: str) -> Path:
        """
        Return where a locator's bytes can be opened for reading.

        Raises
        ------
        FileNotFoundError
            When there is nothing under this locator.
        """
        try:
            path = (self._root / locator).resolve()
            if self._root.resolve() in path.parents and path.is_file():
                return path
        except (ValueError, OSError):  # a NUL, or a name longer than names are
            pass
        raise FileNotFoundError("no such locator in the archive")

    def read(self, locator: str) -> bytes:
        """Return the bytes under a locator."""
        return self.path(locator).read_bytes()

    def instances(self) -> Iterator[str]:
        """Give the locator of every instance that was accepted, conflicts too; drop what a crash left half-written."""
        for path in (self._root / "quarantine").glob(f"*{_PART}*"):
            path.unlink(missing_ok=True)
        for path in sorted((self._root / "studies").glob("*/*/*/*")):
            if _PART in path.name:
                path.unlink(missing_ok=True)
            elif path.suffix == _SUFFIX:
                yield self._locator(path)

    def is_conflict(self, locator: str) -> bool:
        """Tell whether a locator is of an instance kept beside another of the same UID."""
        return _CONFLICT in locator

    def _folder(self, study: str, series: str) -> Path:
        shard = hashlib.sha256(study.encode()).hexdigest()[:2]
        folder = self._root / "studies" / shard / study / series
        if folder in self._synced and folder.is_dir():
            return folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # That a folder is there does not say that it is durable: whoever made it may be syncing it just now, or
            # may have died before.
            for parent in (folder.parent, folder.parent.parent, folder.parent.parent.parent, self._root):
                _sync_folder(parent)
        except OSError as error:
            raise ArchiveFullError(f"the disk refused: {error.strerror}") from error
        if len(self._synced) >= _MAX_FOLDERS:
            self._synced = set()
        self._synced.add(folder)
        return folder

    def _locator(self, path: Path) -> str:
        return str(path.relative_to(self._root))

    def _require_room(self, size_bytes: int) -> None:
        if shutil.disk_usage(self._root).free < self.reserve_bytes + size_bytes:
            raise ArchiveFullError("the disk has no room above its reserve")

    def _write_once(self, path: Path, content: bytes) -> bool:
        part = path.with_name(f"{path.name}{_PART}{uuid.uuid4().hex}")
        try:
            with part.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(part, path)
            _sync_folder(path.parent)
        except FileExistsError:
            return False
        except OSError as error:
            raise ArchiveFullError(f"the disk refused: {error.strerror}") from error
        finally:
            part.unlink(missing_ok=True)
        return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _data_set(part10: bytes) -> bytes:
    """Return what follows the file meta group (PS3.10 section 7.1): the group only says who sent it to whom."""
    if part10[128:136] != b"DICM\x02\x00\x00\x00":
        return part10
    return part10[144 + int.from_bytes(part10[140:144], "little") :]
