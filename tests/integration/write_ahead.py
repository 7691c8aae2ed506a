"""Small write-ahead logs, written and read back."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voorrang.archive.write_ahead_log import BLOCK, HEAD_BYTES, WriteAheadLog

SEGMENT = 16 * BLOCK
Written = dict[int, tuple[bytes, bytes]]


def make_log(folder: Path, max_segments: int = 4, segment_bytes: int = SEGMENT) -> WriteAheadLog:
    return WriteAheadLog(folder, segment_bytes, max_segments)


@contextmanager
def opened(folder: Path, max_segments: int = 4) -> Iterator[WriteAheadLog]:
    """Open a log that begins, without what lies in it."""
    log = make_log(folder, max_segments)
    log.open()
    try:
        yield log
    finally:
        log.close()


def append(log: WriteAheadLog, meta: bytes = b"{}", payload: bytes = b"") -> int:
    """Write a record with memory of its own, full of what was in it before."""
    head, buffer = mmap.mmap(-1, HEAD_BYTES), mmap.mmap(-1, len(payload) // BLOCK * BLOCK + 2 * BLOCK)
    buffer.write(b"\xee" * len(buffer))
    buffer[: len(payload)] = payload
    return log.append(meta, head, buffer if payload else None, len(payload))


def write(log: WriteAheadLog, *sizes: int) -> Written:
    """Write records with payloads of these sizes, all settled."""
    written = {}
    for size in sizes:
        meta, payload = f'{{"size":{size}}}'.encode(), bytes([size % 251]) * size
        serial = append(log, meta, payload)
        log.settle(serial)
        written[serial] = (meta, payload)
    return written


def read(folder: Path) -> Written:
    """Read a log as the next process would, and hold that its records come in order."""
    found = list(make_log(folder).records())
    assert [record.serial for record in found] == sorted({record.serial for record in found})
    return {record.serial: (record.meta, bytes(record.payload)) for record in found}
