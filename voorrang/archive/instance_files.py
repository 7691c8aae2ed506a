"""Writes instances: under a name of their own, nothing overwritten; made durable by whoever calls, many at once."""

from __future__ import annotations

import fcntl
import hashlib
import os
import uuid
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import NamedTuple

from voorrang.archive.archive import CONFLICT, SUFFIX, Archive, folder_chain
from voorrang.archive.durable import (
    UnsafeIdentifierError,
    give_name,
    holds,
    refusing_when_full,
    sync_file,
    sync_folder,
    write_all,
)
from voorrang.archive.spare_files import SpareFiles

_COMPARE_BYTES = 1 << 20


class Stored(NamedTuple):
    """
    What became of an instance.

    `outcome` is `new`, `duplicate` (the very data set was there) or `conflict` (the UID was there with other bytes:
    the first is kept, this one lies beside it under `locator`). A conflict sent again is a duplicate of the one beside.
    """

    locator: str
    outcome: str
    size_bytes: int


class InstanceFiles:
    """
    Writes Part 10 files into an archive.

    Parameters
    ----------
    archive
        Knows the paths.
    spare
        Files that were made before.
    """

    def __init__(self, archive: Archive, spare: SpareFiles | None = None) -> None:
        self._archive = archive
        self._spare = spare
        archive.prepare()
        self._numbers = count()
        self._prefix = f"{archive.incoming}/{os.getpid()}-{uuid.uuid4().hex[:8]}-"  # others write here too

    def store(self, study: str, series: str, instance: str, part10: memoryview) -> Stored:
        """
        Write one Part 10 file from memory; it has its name, but is not durable yet.

        Raises
        ------
        UnsafeIdentifierError
            When one of the UIDs is not a UID.
        ArchiveFullError
            When the reserve would be touched or the disk is full.
        """
        self._archive.require_room(len(part10))
        path = self._archive.instance_path(study, series, instance)
        with refusing_when_full():
            part, descriptor = self.open_part()
            try:
                try:
                    write_all(descriptor, part10)
                finally:
                    os.close(descriptor)
                stored = self._name(part, path, study, series, len(part10))
            except BaseException:  # goes on to whoever stores, which refuses the instance: no part file stays
                _unlink(part)
                raise
        if stored.outcome == "duplicate":
            _unlink(part)
        return stored

    def adopt(self, study: str, series: str, instance: str, part: str) -> Stored:
        """
        Name a part file that is complete and synced, and make the name durable: for what is too large for memory.

        Raises
        ------
        UnsafeIdentifierError, ArchiveFullError
            As `store`; the part file is then still there.
        """
        stored = self.name(study, series, instance, part, Path(part).stat().st_size)
        self.sync([stored.locator])
        return stored

    def name(self, study: str, series: str, instance: str, part: str, size_bytes: int) -> Stored:
        """
        Name a part file that is complete; neither its bytes nor its name are durable yet.

        Raises
        ------
        UnsafeIdentifierError, ArchiveFullError
            As `store`; the part file is then still there.
        """
        path = self._archive.instance_path(study, series, instance)
        with refusing_when_full():
            stored = self._name(part, path, study, series, size_bytes)
        if stored.outcome == "duplicate":
            _unlink(part)
        return stored

    def part(self) -> str:
        """Return a path for a part file."""
        return f"{self._prefix}{next(self._numbers)}"

    def open_part(self) -> tuple[str, int]:
        """
        Open an empty part file for writing.

        Returns
        -------
        tuple[str, int]
            Its path and its descriptor.

        Raises
        ------
        OSError
            When the disk refuses.
        """
        opened = self._spare.open() if self._spare is not None else None
        if opened is None:
            part = self.part()
            opened = part, os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        return opened

    def sync(self, locators: Iterable[str]) -> None:
        """
        Make instances and their names durable; one that was removed meanwhile is passed over.

        Raises
        ------
        ArchiveFullError
            When the disk refuses.
        """
        folders: dict[Path, None] = {}
        with refusing_when_full():
            for locator in locators:
                path = self._archive.root / locator
                try:
                    sync_file(path)
                except FileNotFoundError:
                    continue
                folders.update(dict.fromkeys(folder_chain(self._archive.root, path.parent)))
            for folder in folders:
                try:
                    sync_folder(folder)
                except FileNotFoundError:
                    continue

    def is_there(self, locator: str) -> bool:
        """Tell whether something has this name."""
        return os.path.exists(f"{self._archive.root}/{locator}")  # noqa: PTH110 - a text, as everything is here

    def restore(self, locator: str, part10: memoryview) -> None:
        """
        Write an instance again where a crash of the machine lost it or tore it.

        Raises
        ------
        UnsafeIdentifierError
            When the locator leads out of the archive.
        ArchiveFullError
            When the disk refuses.
        """
        path = self._archive.root / locator
        if self._archive.root.resolve() not in path.resolve().parents:
            raise UnsafeIdentifierError("locator")
        with refusing_when_full():
            if path.is_file() and holds(path, part10):
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            part = Path(self.part())
            try:
                part.write_bytes(part10)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)

    def _name(self, part: str, path: str, study: str, series: str, size: int) -> Stored:
        if self._give_name(part, path, study, series) or _replace_empty(part, path):
            return Stored(self._archive.locator(path), "new", size)
        if _same_data_set(part, path):
            return Stored(self._archive.locator(path), "duplicate", size)
        beside = f"{path.removesuffix(SUFFIX)}{CONFLICT}{_data_set_digest(part)[:16]}{SUFFIX}"
        outcome = "conflict" if self._give_name(part, beside, study, series) else "duplicate"
        return Stored(self._archive.locator(beside), outcome, size)

    def _give_name(self, part: str, path: str, study: str, series: str) -> bool:
        try:
            return give_name(part, path)
        except FileNotFoundError:  # somebody removed the folder, which was empty
            self._archive.forget_folder(study, series)
            self._archive.instance_path(study, series, "1.2")
            return give_name(part, path)


def _replace_empty(part: str, path: str) -> bool:
    """
    Put a file in the place of an empty one; False when the one that is there is not empty.

    An instance is never empty: the machine crashed after this one had its name and before it had its bytes, and nobody
    was answered. Two that come at once take turns, so that neither overwrites the other.
    """
    with Path(path).open("r+b") as found:  # for writing: network file systems lock by that
        fcntl.flock(found, fcntl.LOCK_EX)
        mine, there = os.fstat(found.fileno()), Path(path).stat()
        if there.st_size or mine.st_ino != there.st_ino:
            return False
        Path(part).replace(path)
        return True


def _unlink(part: str) -> None:
    try:
        os.unlink(part)  # noqa: PTH108
    except FileNotFoundError:
        return


def _data_set_offset(head: bytes) -> int:
    """Return where the data set begins (PS3.10 section 7.1): the group before it only says who sent it to whom."""
    if head[128:136] != b"DICM\x02\x00\x00\x00":
        return 0
    return 144 + int.from_bytes(head[140:144], "little")


def _same_data_set(one: str, other: str) -> bool:
    with Path(one).open("rb") as first, Path(other).open("rb") as second:
        for file in (first, second):
            file.seek(_data_set_offset(file.read(144)))
        while True:
            a, b = first.read(_COMPARE_BYTES), second.read(_COMPARE_BYTES)
            if a != b:
                return False
            if not a:
                return True


def _data_set_digest(path: str) -> str:
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        file.seek(_data_set_offset(file.read(144)))
        while piece := file.read(_COMPARE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
