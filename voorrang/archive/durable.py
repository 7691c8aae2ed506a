"""What makes a file or a name durable, and what is raised when the disk does not let us."""

from __future__ import annotations

import ctypes
import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1  # Linux renameat2(2)
_CLOCK_REALTIME_COARSE = 5  # Linux clock_gettime(2): what files get their times by
_libc = ctypes.CDLL(None, use_errno=True)


class ArchiveFullError(Exception):
    """The reserve of the disk would be touched, or the disk refused: refuse, and recover when there is room."""


class UnsafeIdentifierError(Exception):
    """An identifier is not fit to be part of a name."""


@contextmanager
def refusing_when_full() -> Iterator[None]:
    """Turn what the disk says into `ArchiveFullError`."""
    try:
        yield
    except OSError as error:
        raise ArchiveFullError(f"the disk refused: {error.strerror}") from error


def sync_folder(folder: Path | str) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path | str) -> None:
    """Make the bytes of a file durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def sync_file_system(descriptor: int) -> None:
    """
    Make everything durable that was written to a file system, by whomever.

    One call for thousands of files; what else lies on that disk is flushed a little earlier than it would be.

    Parameters
    ----------
    descriptor
        Of a folder on it, held from before the first write on. An error of writing back is told once (from Linux 5.8
        on), to each descriptor that was open when it happened: one that is opened later may hear of none.

    Raises
    ------
    OSError
        When something could not be written: the kernel may have dropped it, and will not tell again.
    """
    if _libc.syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def file_time_ns() -> int:
    """Return the time that a file would get that is written now, nanoseconds since 1970."""
    return time.clock_gettime_ns(_CLOCK_REALTIME_COARSE)


def write_all(descriptor: int, content: memoryview | bytes) -> None:
    """Write every byte, in as many calls as that takes."""
    written = os.write(descriptor, content)
    while written < len(content):
        written += os.write(descriptor, memoryview(content)[written:])


def give_name(part: str, path: str) -> bool:
    """
    Rename a file to a name that nobody has; False when somebody has it.

    The kernel decides, in one step: two that want one name at once cannot both get it, and nothing is overwritten.
    """
    if _libc.renameat2(_AT_FDCWD, os.fsencode(part), _AT_FDCWD, os.fsencode(path), _RENAME_NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number == errno.EEXIST:
        return False
    if number not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        raise OSError(number, os.strerror(number), path)
    try:  # a file system that cannot rename so (NFS)
        os.link(part, path)
    except FileExistsError:
        return False
    Path(part).unlink()
    return True


def holds(path: Path, content: bytes | memoryview) -> bool:
    """Tell whether a file has these bytes on the disk itself; not where the disk does not give it."""
    try:
        with path.open("rb") as file:
            # What is cached and was written is dropped: after an error of writing it is all that has the bytes.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            return file.read() == content
    except OSError:
        return False


def write_again(path: Path, content: bytes, part: Path) -> None:
    """Write a small file durably under its name, in the place of what lies there."""
    try:
        _write_durably(part, content)
        part.replace(path)
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def write_once(path: Path, content: bytes, part: Path, mode: int = 0o666) -> bool:
    """
    Write a small file durably, as a whole, under a name that nobody has; False when somebody has it.

    Parameters
    ----------
    path, content
        Its name and its bytes.
    part
        Where it is written first: on the same disk, under a name that nobody else has.
    mode
        Who may read and write it, beside what the process forbids.
    """
    try:
        _write_durably(part, content, mode)
        if not give_name(str(part), str(path)):
            return False
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)
    return True


def _write_durably(part: Path, content: bytes, mode: int = 0o666) -> None:
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
