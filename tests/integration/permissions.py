"""A file that the disk does not give, without a disk that is broken: its bits forbid it, also to root."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VERSION_3 = 0x20080522  # Linux capget(2)
_OVERRIDE = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def not_given(path: Path) -> Iterator[None]:
    """Let the kernel refuse this thread a file or a folder."""
    mode = path.stat().st_mode
    header, capabilities = (ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    assert _libc.capget(header, capabilities) == 0
    before = capabilities[0]
    path.chmod(0)
    try:
        capabilities[0] = before & ~_OVERRIDE
        assert _libc.capset(header, capabilities) == 0
        yield
    finally:
        capabilities[0] = before
        assert _libc.capset(header, capabilities) == 0
        path.chmod(mode)
