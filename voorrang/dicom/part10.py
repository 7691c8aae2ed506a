"""The file meta group of a Part 10 file (PS3.10 section 7.1): syntax and beginning of the data set. Pure."""

from __future__ import annotations

from struct import Struct, error

_PREAMBLE, _PREFIX = 128, b"DICM"
_META_GROUP = b"\x02\x00"
_TRANSFER_SYNTAX = b"\x02\x00\x10\x00UI"
_SHORT = Struct("<6sH")
_LONG_LENGTH = Struct("<I")
_LONG_VRS = frozenset({b"OB", b"UN", b"OW", b"SQ", b"UT"})


def split_part10(start: bytes | bytearray) -> tuple[str, int] | None:
    """
    Find the data set of a file.

    Parameters
    ----------
    start
        First bytes of a file; the whole meta group within them.

    Returns
    -------
    tuple of str and int, or None
        Transfer Syntax UID and offset of the data set; None for what has no preamble or a meta group that is not as
        it should be, which pydicom may still read.
    """
    if start[_PREAMBLE : _PREAMBLE + 4] != _PREFIX:
        return None
    at, syntax = _PREAMBLE + 4, b""
    try:
        while start[at : at + 2] == _META_GROUP:
            tag_and_vr, length = _SHORT.unpack_from(start, at)
            at += 8
            if tag_and_vr[4:] in _LONG_VRS:
                (length,) = _LONG_LENGTH.unpack_from(start, at)
                at += 4
            if tag_and_vr == _TRANSFER_SYNTAX:
                syntax = bytes(start[at : at + length])
            at += length
    except error:
        return None
    text = syntax.rstrip(b"\0 ")
    return (text.decode("ascii"), at) if text and text.isascii() and at < len(start) else None
