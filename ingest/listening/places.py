"""Who has how many connections and associations, over all processes of the listener, in memory that they share."""

from __future__ import annotations

import mmap
import struct
import zlib
from threading import Lock

REGION_BYTES = 4096
_CONNECTIONS = struct.Struct("<Q")  # how many are open, whether they have asked for an association or not
_ENTRY = struct.Struct("<II")  # CRC-32 of an address, and how many associations it has
_MOST_ADDRESSES = (REGION_BYTES - _CONNECTIONS.size) // _ENTRY.size


class Places:
    """
    One region for each process, written by that process alone and read by all.

    Two that admit at the same moment may go one over the limit; what a killed process had is free when it is replaced.

    Parameters
    ----------
    shared
        Memory of `REGION_BYTES` for each process.
    index
        Which region is ours.
    """

    def __init__(self, shared: mmap.mmap | None = None, index: int = 0) -> None:
        self._shared = shared or mmap.mmap(-1, REGION_BYTES)
        self._index = index
        self._mine: dict[int, int] = {}
        self._connections = 0
        self._lock = Lock()
        self._write()

    def connected(self, by: int = 1) -> None:
        """Count a connection, or with -1 one that has ended."""
        with self._lock:
            self._connections += by
            _CONNECTIONS.pack_into(self._shared, self._index * REGION_BYTES, self._connections)

    def take(self, address: str, most: int, most_of_one_address: int) -> bool:
        """Take a place for an address; False when there is none, or it has too many."""
        key = zlib.crc32(address.encode())
        with self._lock:
            counts = self._counts()
            if sum(counts.values()) >= most or counts.get(key, 0) >= most_of_one_address:
                return False
            if key not in self._mine and len(self._mine) >= _MOST_ADDRESSES:
                return False
            self._mine[key] = self._mine.get(key, 0) + 1
            self._write()
            return True

    def leave(self, address: str) -> None:
        """Give a place back."""
        key = zlib.crc32(address.encode())
        with self._lock:
            self._mine[key] -= 1
            if not self._mine[key]:
                del self._mine[key]
            self._write()

    def connections(self) -> int:
        """Return how many connections are open, over all processes."""
        return sum(int(_CONNECTIONS.unpack_from(self._shared, at)[0]) for at in self._regions())

    def is_busier(self) -> bool:
        """Tell whether another process has fewer connections than we have."""
        ours = self._connections
        return any(_CONNECTIONS.unpack_from(self._shared, at)[0] < ours for at in self._regions())

    def _regions(self) -> range:
        return range(0, len(self._shared), REGION_BYTES)

    def _counts(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for start in self._regions():
            for key, count in self._region(start):
                found[key] = found.get(key, 0) + count
        return found

    def _region(self, start: int) -> list[tuple[int, int]]:
        entries = _ENTRY.iter_unpack(self._shared[start + _CONNECTIONS.size : start + REGION_BYTES])
        return [(key, count) for key, count in entries if count]

    def _write(self) -> None:
        entries = b"".join(_ENTRY.pack(key, count) for key, count in self._mine.items())
        start = self._index * REGION_BYTES
        region = _CONNECTIONS.pack(self._connections) + entries
        self._shared[start : start + REGION_BYTES] = region.ljust(REGION_BYTES, b"\0")
