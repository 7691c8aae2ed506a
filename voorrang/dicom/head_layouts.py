"""
Remembers how heads were laid out, so that the next of a series needs no walk. Pure.

The slices of a series differ in values, seldom in elements or their lengths: some 100 of them have a handful of
layouts. A layout holds for a head when every byte that the walk had read of the structure is the same there, for then
the walk would go the same way; checking that is ten times faster than walking.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Generic, TypeVar

from voorrang.dicom.element_walking import STRUCTURE, Read, Reads, Span

_MAX_LAYOUTS = 64
_MAX_SEEN = 1024
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Layout(Generic[T]):
    ending: bytes
    ending_at: int
    read: Read
    structure: tuple[Any, ...]
    kept: T


class HeadLayouts(Generic[T]):
    """
    Layouts of heads in one kind of encoding; the oldest are forgotten.

    Parameters
    ----------
    keep
        Makes what is kept with a layout, of where its values lie.
    """

    __slots__ = ("_keep", "_layouts", "_seen")

    def __init__(self, keep: Callable[[Sequence[Span]], T]) -> None:
        self._keep = keep
        # Replaced, never changed: other threads may be reading.
        self._layouts: tuple[_Layout[T], ...] = ()
        self._seen: frozenset[int] = frozenset()

    def find(self, head: bytes) -> T | None:
        """
        Return what is kept with the layout of a head: its values lie where the walk would have found them.

        Parameters
        ----------
        head
            First bytes of a data set.

        Returns
        -------
        T | None
            None when the layout is not known.
        """
        for layout in self._layouts:
            # The header of the pixels at its place tells most others apart, and that the head is long enough.
            if head.startswith(layout.ending, layout.ending_at) and layout.read(head, 0) == layout.structure:
                return layout.kept
        return None

    def meet(self, head: bytes, pixels_at: int, spans: list[Span], walk: Callable[[Reads], object]) -> None:
        """
        Take note of a head whose layout was not known; one that ends where another did is worth remembering.

        Parameters
        ----------
        head
            First bytes of a data set, its pixels among them.
        pixels_at
            Where its pixels begin.
        spans
            What the walk found.
        walk
            Walks over it once more, reading by what it is given.
        """
        if pixels_at not in self._seen:
            self._seen = (self._seen if len(self._seen) < _MAX_SEEN else frozenset()) | {pixels_at}
            return
        is_structure = bytearray(pixels_at)
        walk(_noting(is_structure))
        runs = _runs(is_structure)
        read = Struct("<" + "".join(f"{size}{code}" for size, code in runs))
        ending_at = pixels_at - runs[-1][0]
        layout = _Layout(
            head[ending_at:pixels_at], ending_at, read.unpack_from, read.unpack_from(head), self._keep(spans)
        )
        self._layouts = (layout, *self._layouts[: _MAX_LAYOUTS - 1])


def _noting(is_structure: bytearray) -> Reads:
    """Return reads that note which bytes they read."""

    def noting(structure: Struct) -> Read:
        def read(data: bytes, at: int) -> tuple[Any, ...]:
            is_structure[at : at + structure.size] = b"\1" * structure.size
            return structure.unpack_from(data, at)

        return read

    explicit_header, tag_and_length, long_length = map(noting, STRUCTURE)
    return explicit_header, tag_and_length, long_length


def _runs(is_structure: bytearray) -> list[tuple[int, str]]:
    """Return the runs of bytes of structure (struct code s) and of values (code x), the first at 0."""
    runs = []
    at, kind = 0, 1
    while at < len(is_structure):
        end = is_structure.find(1 - kind, at)
        end = len(is_structure) if end < 0 else end
        runs.append((end - at, "s" if kind else "x"))
        at, kind = end, 1 - kind
    return runs
