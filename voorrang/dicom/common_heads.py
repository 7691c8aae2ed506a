"""
Remembers what heads of one layout had in common, so that of the next of a series only its own values are read. Pure.

The slices of a series differ in their UIDs, numbers and positions, seldom in anything else that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Any

from voorrang.dicom.element_walking import Read, Span
from voorrang.dicom.head_values import OWN_PLACES, CommonHead, ScannedHead, another_of, head_of

_MAX_KNOWN = 8  # series that come at the same time, in heads of the same layout


class CommonHeads:
    """
    Reads the values of heads of one layout.

    Parameters
    ----------
    spans
        Where the value of each of `ELEMENTS` lies in such a head.
    """

    __slots__ = ("_known", "_own", "_read_common", "_spans")

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = tuple(spans)
        self._own = tuple(self._spans[place] for place in OWN_PLACES)
        self._read_common = _reader(span for place, span in enumerate(self._spans) if place not in OWN_PLACES)
        # Replaced, never changed: other threads may be reading.
        self._known: dict[tuple[str, tuple[Any, ...]], CommonHead] = {}

    def read(self, head: bytes, transfer_syntax_uid: str) -> ScannedHead:
        """
        Read a head.

        Parameters
        ----------
        head
            First bytes of a data set of this layout.
        transfer_syntax_uid
            The syntax it is in.

        Raises
        ------
        OddDataSetError, ValueError, OverflowError
            When pydicom has to be asked.
        """
        key = (transfer_syntax_uid, self._read_common(head, 0))
        common = self._known.get(key)
        if common is not None:
            (a, b), (c, d), (e, f) = self._own
            return another_of(common, head[a:b], head[c:d], head[e:f])
        scanned = head_of([head[start:end] for start, end in self._spans], transfer_syntax_uid)
        self._known = (self._known if len(self._known) < _MAX_KNOWN else {}) | {key: scanned.common}
        return scanned


def _reader(spans: Iterable[Span]) -> Read:
    """Return what reads these values all at once; they lie apart from each other, in any order."""
    code, at = "<", 0
    for start, end in sorted(span for span in spans if span[1]):
        code += f"{start - at}x{end - start}s"
        at = end
    return Struct(code).unpack_from
