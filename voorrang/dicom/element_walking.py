"""
Walks over the elements of a received data set (PS3.5 section 7.1) and finds where the wanted values lie. Pure.

It keeps step with pydicom's reader: what pydicom reads in another way than by the letter of the standard raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct, error
from typing import Any

UNDEFINED = 0xFFFFFFFF
MAX_NESTED_SEQUENCES = 8


class OddDataSetError(Exception):
    """The data set is to be read by pydicom."""


def tag_key(group: int, element: int) -> int:
    """
    Return a tag as its four bytes read as one little-endian number, which is how the walk meets it.

    Parameters
    ----------
    group
        First half of the tag.
    element
        Second half.

    Returns
    -------
    int
        The key; its order is not the order of tags.
    """
    return element << 16 | group


def vr_key(vr: str) -> int:
    """
    Return a VR as its two bytes read as one little-endian number.

    Parameters
    ----------
    vr
        Two letters.

    Returns
    -------
    int
        The key.
    """
    return int.from_bytes(vr.encode("ascii"), "little")


# By the size of their length in Explicit VR: 16 bits, or 32 after two reserved bytes (PS3.5 section 7.1.2).
SHORT_VRS = frozenset(
    vr_key(vr)
    for vr in (
        *("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO"),
        *("LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"),
    )
)
LONG_VRS = frozenset(
    vr_key(vr) for vr in ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
)
_SQ, _UT = vr_key("SQ"), vr_key("UT")

_ITEM, _ITEM_END, _SEQUENCE_END = (tag_key(0xFFFE, element) for element in (0xE000, 0xE00D, 0xE0DD))
_CHARACTER_SET = tag_key(0x0008, 0x0005)
_ORDER_ISSUER = tag_key(0x0008, 0x0051)  # Issuer of Accession Number Sequence
_NAMESPACE = tag_key(0x0040, 0x0031)  # Local Namespace Entity ID
_PIXELS = frozenset(tag_key(0x7FE0, element) for element in (0x0008, 0x0009, 0x0010))
_AMISS = _PIXELS | {_ITEM_END}  # pydicom stops at these whatever their VR
_NOTED = frozenset({_CHARACTER_SET, _ITEM_END, _NAMESPACE})  # inside an item
# Implicit VR names no sequence and pydicom looks it up; these are what images have before their pixels.
_SEQUENCES = frozenset(
    tag_key(tag >> 16, tag & 0xFFFF)
    for tag in (
        *(0x00080051, 0x00080096, 0x00081032, 0x00081110, 0x00081111, 0x00081115, 0x00081120, 0x00081140, 0x00081199),
        *(0x00082112, 0x00082218, 0x00082228, 0x00089092, 0x00089121, 0x00089215, 0x00100024, 0x00101002, 0x00120064),
        *(0x00283000, 0x00283010, 0x00289110, 0x00289132, 0x00289145, 0x00321064, 0x00400008, 0x00400026, 0x00400039),
        *(0x00400260, 0x00400275, 0x0040A170, 0x0040A504),
    )
)
_ENDLESS = 1 << 62
_NOWHERE = -1  # while inside a sequence: a data set that breaks off there is not whole

Read = Callable[[bytes, int], tuple[Any, ...]]
Reads = tuple[Read, Read, Read]
Span = tuple[int, int]
# All that the walk reads of the structure: explicit header (tag, VR, 16-bit length), tag and length, 32-bit length.
STRUCTURE = (Struct("<IHH"), Struct("<II"), Struct("<I"))
READS: Reads = (STRUCTURE[0].unpack_from, STRUCTURE[1].unpack_from, STRUCTURE[2].unpack_from)


class ElementWalk:
    """
    Finds the wanted values of one data set; what it does depends on nothing but what it reads by `reads`.

    Parameters
    ----------
    data
        The data set from its first byte; Little Endian.
    wanted
        For the key of each wanted tag the key of its VR and its place among the spans. Under the Issuer of Accession
        Number Sequence is kept what its first item names.
    spans
        Filled with where each value begins and ends; a later element replaces an earlier one of the same tag, as in
        pydicom.
    reads
        How the structure is read.
    """

    __slots__ = ("_data", "_header", "_long_length", "_spans", "_tag_and_length", "_wanted")

    def __init__(
        self, data: bytes, wanted: Mapping[int, tuple[int, int]], spans: list[Span], reads: Reads = READS
    ) -> None:
        self._data = data
        self._wanted = wanted
        self._spans = spans
        self._header, self._tag_and_length, self._long_length = reads

    def explicit(self, is_whole: bool) -> int | None:
        """
        Walk in Explicit VR up to the pixels.

        Parameters
        ----------
        is_whole
            Whether a data set that ends between two elements has no more of them.

        Returns
        -------
        int | None
            Where the pixels begin; 0 when it is whole without any, None when the data end before.

        Raises
        ------
        OddDataSetError
            When pydicom would read something else than the standard says, or might.
        """
        data, header, wanted, spans, at = self._data, self._header, self._wanted, self._spans, 0
        try:
            while True:
                tag, vr, length = header(data, at)
                if vr in SHORT_VRS:
                    at += 8
                elif vr in LONG_VRS:
                    (length,) = self._long_length(data, at + 8)
                    at += 12
                    if tag in _PIXELS:
                        return at
                    if vr == _SQ or length == UNDEFINED:
                        start, at = at, _NOWHERE
                        at = self._after_sequence(start, length, tag, self._after_explicit_item if vr == _SQ else None)
                        continue
                else:
                    raise OddDataSetError
                if tag in wanted:
                    wanted_vr, place = wanted[tag]
                    if vr != wanted_vr:
                        raise OddDataSetError
                    spans[place] = (at, at + length)
                elif tag in _AMISS:
                    raise OddDataSetError
                at += length
        except error:
            return 0 if is_whole and at == len(data) else None

    def implicit(self, is_whole: bool) -> int | None:
        """
        Walk in Implicit VR up to the pixels.

        Parameters
        ----------
        is_whole
            Whether a data set that ends between two elements has no more of them.

        Returns
        -------
        int | None
            Where the pixels begin; 0 when it is whole without any, None when the data end before.

        Raises
        ------
        OddDataSetError
            When pydicom would read something else than the standard says, or might.
        """
        data, tag_and_length, wanted, spans, at = self._data, self._tag_and_length, self._wanted, self._spans, 0
        if data[4:6].isalpha():  # pydicom may take the low half of the first length for a VR
            raise OddDataSetError
        try:
            while True:
                tag, length = tag_and_length(data, at)
                at += 8
                if length == UNDEFINED or tag == _ORDER_ISSUER or tag in _AMISS:
                    if tag in _PIXELS:
                        return at
                    start, at = at, _NOWHERE
                    at = self._after_sequence(
                        start, length, tag, self._after_implicit_item if tag in _SEQUENCES else None
                    )
                    continue
                if tag in wanted:
                    spans[wanted[tag][1]] = (at, at + length)
                at += length
        except error:
            return 0 if is_whole and at == len(data) else None

    def _after_sequence(self, at: int, length: int, tag: int, after_item: _AfterItem | None) -> int:
        """Return where a sequence of the data set itself ends; keep what the one of the order's issuer names."""
        if after_item is None:
            raise OddDataSetError
        if tag == _ORDER_ISSUER:
            found: list[Span] = [(0, 0)]
            end = self._after_items(at, length, after_item, found, 0)
            if tag in self._wanted:  # not everybody asks for it
                self._spans[self._wanted[tag][1]] = found[-1]
            return end
        if tag in self._wanted or tag == _ITEM_END:
            raise OddDataSetError
        return at + length if length != UNDEFINED else self._after_items(at, length, after_item, None, 0)

    def _after_items(self, at: int, length: int, after_item: _AfterItem, found: list[Span] | None, depth: int) -> int:
        if depth == MAX_NESTED_SEQUENCES:
            raise OddDataSetError
        end = _ENDLESS if length == UNDEFINED else at + length
        while at < end:
            tag, item_length = self._tag_and_length(self._data, at)
            at += 8
            if tag == _ITEM:
                at = after_item(at, item_length, found, depth)
                found = None
            elif tag == _SEQUENCE_END and item_length == 0 and end == _ENDLESS:
                return at
            else:
                raise OddDataSetError
        return _exactly(at, end)

    def _after_explicit_item(self, at: int, length: int, found: list[Span] | None, depth: int) -> int:
        data, header = self._data, self._header
        end = _ENDLESS if length == UNDEFINED else at + length
        while at < end:
            tag, vr, size = header(data, at)
            if vr in SHORT_VRS:
                at += 8 + size
            elif vr in LONG_VRS:
                (size,) = self._long_length(data, at + 8)
                at += 12
                if size != UNDEFINED:
                    at += size
                elif vr == _SQ:
                    at = self._after_items(at, size, self._after_explicit_item, None, depth + 1)
                else:
                    raise OddDataSetError
            elif tag == _ITEM_END and vr == size == 0 and end == _ENDLESS:
                return at + 8
            else:
                raise OddDataSetError
            if tag in _NOTED:
                _note(tag, (at - size, at) if vr == _UT else None, found)
        return _exactly(at, end)

    def _after_implicit_item(self, at: int, length: int, found: list[Span] | None, depth: int) -> int:
        data, tag_and_length = self._data, self._tag_and_length
        end = _ENDLESS if length == UNDEFINED else at + length
        while at < end:
            tag, size = tag_and_length(data, at)
            at += 8
            if tag == _ITEM_END and size == 0 and end == _ENDLESS:
                return at
            if size != UNDEFINED:
                at += size
            elif tag in _SEQUENCES:
                at = self._after_items(at, size, self._after_implicit_item, None, depth + 1)
            else:
                raise OddDataSetError
            if tag in _NOTED:
                _note(tag, (at - size, at), found)
        return _exactly(at, end)


_AfterItem = Callable[[int, int, "list[Span] | None", int], int]


def _note(tag: int, span: Span | None, found: list[Span] | None) -> None:
    """Keep where the noted value lies; an item with a character set of its own, or with an end inside, is odd."""
    if tag != _NAMESPACE:
        raise OddDataSetError
    if found is not None:
        if span is None:
            raise OddDataSetError
        found.append(span)


def _exactly(at: int, end: int) -> int:
    if at != end:
        raise OddDataSetError
    return at
