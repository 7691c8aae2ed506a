"""The Part 10 file (PS3.10) of a received data set: who sent it to whom and what for, then its bytes. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ingest.admission import Request
from voorrang.purpose import Purpose

PREAMBLE = b"\0" * 128 + b"DICM"
IMPLEMENTATION_CLASS_UID = "2.25.134400964248564754242726009364896958219"


def before_data_set(request: Request, transfer_syntax_uid: str, purpose: Purpose | None) -> bytes:
    """
    Return what stands before a data set: preamble and file meta group (PS3.10 section 7.1).

    Written by hand: a library that checks values would speak about what the network says, or refuse it, before there
    is anything to keep.
    """
    before, after = _around_instance_uid(
        request.sop_class_uid, transfer_syntax_uid, request.calling_ae_title, request.called_ae_title, purpose
    )
    group = before + _element(0x0003, b"UI", _ascii(request.sop_instance_uid)) + after
    return PREAMBLE + _element(0x0000, b"UL", len(group).to_bytes(4, "little")) + group


@lru_cache(maxsize=256)
def _around_instance_uid(
    sop_class_uid: str, transfer_syntax_uid: str, calling: str, called: str, purpose: Purpose | None
) -> tuple[bytes, bytes]:
    """Encode what is alike for the instances of one association: before and after the SOP Instance UID."""
    before = _element(0x0001, b"OB", b"\x00\x01") + _element(0x0002, b"UI", _ascii(sop_class_uid))
    after = b"".join(
        [
            _element(0x0010, b"UI", _ascii(transfer_syntax_uid)),
            _element(0x0012, b"UI", _ascii(IMPLEMENTATION_CLASS_UID)),
            _element(0x0017, b"AE", _ascii(calling)),  # Sending Application Entity Title
            _element(0x0018, b"AE", _ascii(called)),  # Receiving Application Entity Title
            _element(0x0100, b"UI", _ascii(IMPLEMENTATION_CLASS_UID)),  # Private Information Creator UID
            _element(0x0102, b"OB", _ascii(purpose.value if purpose else "")),  # Private Information
        ]
    )
    return before, after


def kept_purpose(file_meta: Any) -> Purpose | None:
    """Return the purpose that a file of ours was received for; None when it does not say."""
    if _read(file_meta, "PrivateInformationCreatorUID", str) != IMPLEMENTATION_CLASS_UID:
        return None
    word = _read(file_meta, "PrivateInformation", lambda value: value.decode("ascii", "replace").strip(" \0"))
    return Purpose(word) if word in set(Purpose) else None


def _read(file_meta: Any, keyword: str, read: Callable[[Any], str]) -> str:
    value = file_meta.get(keyword)
    return read(value) if value else ""


def _element(number: int, vr: bytes, value: bytes) -> bytes:
    """Encode one element of group 0002, Explicit VR Little Endian (PS3.5 section 7.1.2), padded to even length."""
    padded = value + (b" " if vr == b"AE" else b"\0") * (len(value) % 2)
    is_long = vr == b"OB"
    length = len(padded).to_bytes(4 if is_long else 2, "little")
    return b"\x02\x00" + number.to_bytes(2, "little") + vr + bytes(2 * is_long) + length + padded


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "replace")
