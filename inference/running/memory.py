"""Memory: the limit of a process, how running out of it looks, and letting go of it."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

SHARE_OF_MACHINE = 0.8
OOM_SCORE = 500  # the kernel's killer takes this process before the database and the worker, proc(5)

# What torch says in a plain RuntimeError: its allocators on CPU, cuBLAS, cuDNN, oneDNN.
_WORDS = ("can't allocate memory", "out of memory", "alloc_failed", "not enough memory", "bad_alloc")
_LOST_WORDS = ("cuda error", "cuda driver error", "cudnn error", "cuda unknown error", "device-side assert")


class DeviceLostError(Exception):
    """The GPU has failed this process: start another, and read there what was being read."""


def limit_memory(limit_bytes: int) -> int:
    """
    Limit what this process may allocate, so that running out of memory is an error here and nobody else's.

    The limit is on private writable memory (RLIMIT_DATA since Linux 4.7, getrlimit(2)) and not on addresses
    (RLIMIT_AS): CUDA and thread pools reserve tens of gigabytes of addresses that they never fill.

    Parameters
    ----------
    limit_bytes
        0: four fifths of what there is (`memory_bytes`).

    Returns
    -------
    int
        The limit in force; 0 where the system knows none.
    """
    if sys.platform != "linux":
        return 0
    import resource

    limit = limit_bytes or int(memory_bytes() * SHARE_OF_MACHINE)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    return limit


def memory_bytes(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """
    Return the machine's memory, or what a container or service may have of it (cgroups(7)), where that is less.

    Beyond that the kernel kills; it does not say that memory ran out, so no smaller window would be tried.

    Parameters
    ----------
    cgroups
        Where the hierarchies of control groups are mounted.
    own
        Says in which groups this process is.
    """
    return min([os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *_limits(cgroups, own)])


def _limits(cgroups: Path, own: Path) -> Iterator[int]:
    """Give every limit that holds: those of the group, and of all that it lies in."""
    with suppress(OSError):
        for line in own.read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if not controllers:  # version 2
                yield from _numbers(cgroups, group, "memory.max")
            elif "memory" in controllers.split(","):
                yield from _numbers(cgroups / "memory", group, "memory.limit_in_bytes")


def _numbers(hierarchy: Path, group: str, name: str) -> Iterator[int]:
    parts = PurePosixPath(group).relative_to("/").parts
    for depth in range(len(parts) + 1):
        with suppress(OSError, ValueError):  # it has no such file, or says "max"
            yield int(hierarchy.joinpath(*parts[:depth], name).read_text())


def be_killed_first() -> None:
    """Tell the kernel to kill this process before others when the machine runs out of memory."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory ran out, on the CPU or on a GPU."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in _WORDS)


def is_device_lost(error: BaseException) -> bool:
    """
    Tell whether an error says that a GPU has failed this process: every later call on it fails in the same way.

    One kernel that reads where it may not, one error of the memory or the bus is enough (CUDA C++ Programming Guide,
    error checking: such errors are sticky, and the process must be terminated).
    """
    if is_out_of_memory(error):
        return False
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in _LOST_WORDS)


def release_memory() -> None:
    """Give back what a failed attempt held: cycles first, since they hold tensors, then the GPU's cached blocks."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
