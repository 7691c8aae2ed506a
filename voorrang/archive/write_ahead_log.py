"""
The write-ahead log of the archive: makes an instance durable with one write into room that is there already.

A file that grows, and its name, need the file system's own journal to be committed: two waits for the disk. A record
in a segment that was filled with zeros before needs none: its bytes are written past the page cache, and they are
durable when the write returns. The files themselves are synced later, many at once (`Checkpoint`); what a crash of
the machine took from them until then is written again from here. The idea is that of every database; see ADR 9.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Condition
from threading import Event as Flag
from time import monotonic

from xxhash import xxh3_64_intdigest

from voorrang.archive.durable import ArchiveFullError, sync_folder
from voorrang.archive.own_names import segment_files
from voorrang.errors import ConfigurationError

HEAD_BYTES = 256 << 10
BLOCK = 4096  # direct writes begin and end at multiples of it
SEGMENT_BYTES = 64 << 20
MAX_SEGMENTS = 4
PATIENCE_SECONDS = 20.0
_MAGIC = b"VRWAL001"
_HEADER = struct.Struct("<8sQQQI")  # magic, serial, checksum, payload bytes, meta bytes
_CHECKPOINT = "checkpoint.json"
CHECKPOINT_FILES = (_CHECKPOINT, f"{_CHECKPOINT}.part")
_FILL_BYTES = _SCAN_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its number, what it says, and the bytes that it carries (none for what is durable already)."""

    serial: int
    meta: bytes
    payload: memoryview


@dataclass(slots=True)
class _Segment:
    path: Path
    descriptor: int
    last_serial: int = 0  # of the records in it; free once the checkpoint has reached that


@dataclass(slots=True)
class WriteAheadLog:
    """
    Segments in a folder, written by one process.

    Parameters
    ----------
    folder
        On the archive's own disk.
    segment_bytes, max_segments
        Its size at most; a segment is made when it is needed, and used again when everything in it is durable
        elsewhere.
    patience_seconds
        How long an append waits for a segment that is free.
    """

    folder: Path
    segment_bytes: int = SEGMENT_BYTES
    max_segments: int = MAX_SEGMENTS
    patience_seconds: float = PATIENCE_SECONDS
    pressed: Flag = field(default_factory=Flag)
    _lock: Condition = field(default_factory=Condition)
    _segments: list[_Segment] = field(default_factory=list)
    _current: _Segment | None = None
    _offset: int = 0
    _serial: int = 0
    _checkpoint: int = 0
    _key: int = 0  # of the checksums: a sender that does not know it cannot make an instance that holds a record
    _unsettled: set[int] = field(default_factory=set)

    def records(self) -> Iterator[Record]:
        """
        Give every whole record that the last checkpoint does not cover, in the order of their numbers.

        Raises
        ------
        ConfigurationError
            When the checkpoint is damaged, or gone while there are records: nobody can tell whole ones from others.
        """
        self._checkpoint = self._serial = self._read_checkpoint()
        found: list[tuple[int, Path, int]] = []
        for path in segment_files(self.folder):
            found += [(serial, path, offset) for serial, offset in _scan(path, self._checkpoint)]
        if found and not (self.folder / _CHECKPOINT).exists():
            raise self._without_checkpoint("gone")
        for serial, path, offset in sorted(found):
            record = _read(path, offset, self._key)
            if record is not None:
                self._serial = max(self._serial, serial)
                yield record

    def open(self) -> None:
        """Begin to write; after `records`, whose records count as durable elsewhere from here on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._serial = max(self._serial, self._read_checkpoint())
        self._write_checkpoint(self._serial)
        for path in segment_files(self.folder):
            if path.stat().st_size == self.segment_bytes:
                descriptor = _open_direct(path)
                # Reading it again has cached it, and what is cached would have to be dropped with each record.
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                self._segments.append(_Segment(path, descriptor))
            else:
                path.unlink()
        while self.grow():
            pass

    def append(
        self, meta: bytes, head: mmap.mmap, buffer: mmap.mmap | None, payload_bytes: int, digest: int | None = None
    ) -> int:
        """
        Write one record; it is durable when this returns. Whoever calls settles it in the end.

        Parameters
        ----------
        meta
            What it says.
        head
            `HEAD_BYTES` of page-aligned memory that nobody else uses meanwhile.
        buffer
            Page-aligned memory that begins with the payload and goes on to the next multiple of `BLOCK` at least.
        payload_bytes
            How much of it counts.
        digest
            XXH3 of the payload, 64 bit, where that is known already.

        Returns
        -------
        int
            The number of the record.

        Raises
        ------
        ArchiveFullError
            When no segment becomes free in time, or the disk refuses.
        """
        head_bytes = _round_up(_HEADER.size + len(meta))
        body_bytes = _round_up(payload_bytes)
        if head_bytes > HEAD_BYTES or head_bytes + body_bytes > self.segment_bytes:
            raise ArchiveFullError("an instance, or what is to be said of it, is too long for a record")
        serial, segment, offset = self._reserve(head_bytes + body_bytes)
        try:
            view = memoryview(buffer)[:body_bytes] if buffer is not None else memoryview(b"")
            if digest is None:
                digest = xxh3_64_intdigest(view[:payload_bytes])
            checksum = _checksum(serial ^ self._key, meta, digest)
            head[: _HEADER.size] = _HEADER.pack(_MAGIC, serial, checksum, payload_bytes, len(meta))
            head[_HEADER.size : _HEADER.size + len(meta)] = meta
            pieces = [memoryview(head)[:head_bytes], view]
            if os.pwritev(segment.descriptor, pieces, offset) != head_bytes + body_bytes:
                raise OSError(errno.ENOSPC, "a part of a record")
        except OSError as error:
            self.settle(serial)
            raise ArchiveFullError(f"the disk refused: {error.strerror}") from error
        return serial

    def settle(self, serial: int) -> None:
        """Say that all that follows from a record is done: from here on a checkpoint may cover it."""
        with self._lock:
            self._unsettled.discard(serial)

    def reached(self) -> int:
        """Return the number up to which every record is settled."""
        with self._lock:
            return min(self._unsettled) - 1 if self._unsettled else self._serial

    def checkpoint(self, serial: int, since_ns: int | None = None) -> None:
        """
        Say that everything up to a record is durable elsewhere: its room may be used again.

        Parameters
        ----------
        serial
            The record.
        since_ns
            When the sync began that made it so: the checkpoint gets that time, since what is younger may be torn.
        """
        if serial > self._checkpoint:
            self._write_checkpoint(serial, since_ns)
        with self._lock:
            self._lock.notify_all()

    def close(self) -> None:
        """Close the segments."""
        for segment in self._segments:
            os.close(segment.descriptor)
        self._segments = []
        self._current = None

    def _reserve(self, size_bytes: int) -> tuple[int, _Segment, int]:
        with self._lock:
            self._make_room(size_bytes)
            segment, offset = self._current, self._offset
            if segment is None:
                raise ArchiveFullError("the write-ahead log is closed")
            self._serial += 1
            self._offset += size_bytes
            segment.last_serial = self._serial
            self._unsettled.add(self._serial)
            return self._serial, segment, offset

    def _make_room(self, size_bytes: int) -> None:
        """Go on to a segment that is free when this one has no room; wait for a checkpoint when none is."""
        deadline = monotonic() + self.patience_seconds
        while self._current is None or self._offset + size_bytes > self.segment_bytes:
            free = self._free_segments()
            if len(free) <= 1:
                self.pressed.set()
            if free:
                self._current, self._offset = free[0], 0
            elif not self._lock.wait(max(0.0, deadline - monotonic())):
                raise ArchiveFullError("the write-ahead log is full: its files are not synced yet")

    def _free_segments(self) -> list[_Segment]:
        return [s for s in self._segments if s is not self._current and s.last_serial <= self._checkpoint]

    def grow(self) -> bool:
        """
        Make one segment more, up to the most that there may be; False when there are so many.

        Raises
        ------
        ArchiveFullError
            When the disk refuses.
        """
        if len(self._segments) >= self.max_segments:
            return False
        made = self._new_segment()
        with self._lock:
            self._segments.append(made)
            self._lock.notify_all()
        return True

    def _new_segment(self) -> _Segment:
        taken = {segment.path for segment in self._segments}
        path = next(p for n in count() if (p := self.folder / f"segment-{n:03d}") not in taken and not p.exists())
        try:
            _fill(path, self.segment_bytes)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise ArchiveFullError(f"the disk refused: {error.strerror}") from error
        return _Segment(path, _open_direct(path))

    def _read_checkpoint(self) -> int:
        try:
            told = json.loads((self.folder / _CHECKPOINT).read_bytes())
            self._key, serial = int(told["key"]), int(told["serial"])
        except FileNotFoundError:
            self._key = self._key or secrets.randbits(64)
            return 0
        except (ValueError, TypeError, KeyError) as error:
            raise self._without_checkpoint("damaged") from error
        return serial

    def _without_checkpoint(self, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self.folder / _CHECKPOINT} is {what}, and what the write-ahead log holds cannot be read without it: "
            f"restore it from a backup, or move its folder out of {self.folder.parent}; if the machine went down, "
            "images of its last seconds are lost then, and are to be sent again"
        )

    def _write_checkpoint(self, serial: int, since_ns: int | None = None) -> None:
        part = self.folder / f"{_CHECKPOINT}.part"
        with part.open("wb") as file:
            file.write(json.dumps({"serial": serial, "key": self._key}).encode())
            file.flush()
            if since_ns is not None:
                os.utime(file.fileno(), ns=(since_ns, since_ns))
            os.fsync(file.fileno())
        part.replace(self.folder / _CHECKPOINT)
        sync_folder(self.folder)
        self._checkpoint = serial


def _fill(path: Path, size_bytes: int) -> None:
    """Fill a file with zeros past the page cache: what is cached would have to be dropped with each record."""
    descriptor = _open_direct(path, os.O_CREAT | os.O_TRUNC, 0)
    try:
        with mmap.mmap(-1, min(_FILL_BYTES, size_bytes)) as zeros:
            offset = 0
            while offset < size_bytes:
                offset += os.pwrite(descriptor, memoryview(zeros)[: size_bytes - offset], offset)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def _open_direct(path: Path, flags: int = 0, sync: int = os.O_DSYNC) -> int:
    try:
        return os.open(path, os.O_RDWR | sync | flags | os.O_DIRECT, 0o666)
    except OSError:  # a file system without direct writes (tmpfs, some network ones): durable all the same
        return os.open(path, os.O_RDWR | sync | flags, 0o666)


def _round_up(size_bytes: int) -> int:
    return (size_bytes + BLOCK - 1) // BLOCK * BLOCK


def _checksum(seed: int, meta: bytes, payload_digest: int) -> int:
    return xxh3_64_intdigest(payload_digest.to_bytes(8, "big"), seed=xxh3_64_intdigest(meta, seed=seed))


def _scan(path: Path, after: int) -> Iterator[tuple[int, int]]:
    """Give number and place of what looks like a record: one that was torn may lie between two that are whole."""
    with path.open("rb") as file:
        piece_at = 0
        while len(piece := file.read(_SCAN_BYTES)) >= BLOCK:
            for at in range(0, len(piece) - BLOCK + 1, BLOCK):
                if piece[at : at + 8] == _MAGIC:
                    serial = _HEADER.unpack_from(piece, at)[1]
                    if serial > after:
                        yield serial, piece_at + at
            piece_at += len(piece)


def _read(path: Path, offset: int, key: int) -> Record | None:
    with path.open("rb") as file:
        file.seek(offset)
        _, serial, checksum, payload_bytes, meta_bytes = _HEADER.unpack(file.read(_HEADER.size))
        size = os.fstat(file.fileno()).st_size
        if offset + _HEADER.size + meta_bytes > size or offset + _round_up(payload_bytes) > size:
            return None
        meta = file.read(meta_bytes)
        file.seek(offset + _round_up(_HEADER.size + meta_bytes))
        payload = memoryview(file.read(payload_bytes))
    whole = len(payload) == payload_bytes and _checksum(serial ^ key, meta, xxh3_64_intdigest(payload)) == checksum
    return Record(serial, meta, payload) if whole else None
