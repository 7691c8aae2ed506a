"""The manifest of a series revision: which instances it holds, with their headers and where they lie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from voorrang.dicom.headers import InstanceHeader

_NOT_MADE = "missing"  # what stood there until November 2026


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """
    One instance of a revision.

    Parameters
    ----------
    header
        What it says of itself.
    locator
        Where its file lies in the archive.
    content_sha256
        SHA-256 (FIPS 180-4) of the file as it was received, in hexadecimal; empty where none was made, since the disk
        did not give the file: whoever reads it then has nothing to hold it against.
    """

    header: InstanceHeader
    locator: str
    content_sha256: str = ""


def instances_digest(sop_instance_uids: Iterable[str]) -> str:
    """Return the digest of a set of SOP Instance UIDs: SHA-256 over the sorted UIDs, one a line."""
    return hashlib.sha256("\n".join(sorted(sop_instance_uids)).encode()).hexdigest()


def encode_manifest(entries: Sequence[ManifestEntry]) -> bytes:
    """Return a manifest as JSON bytes."""
    values = [
        {"locator": entry.locator, "sha256": entry.content_sha256, "header": entry.header.to_json()}
        for entry in entries
    ]
    return json.dumps({"manifest": 1, "instances": values}, separators=(",", ":")).encode()


def decode_manifest(content: bytes) -> list[ManifestEntry]:
    """Read a manifest back; older ones hold no hashes, or say in the place of one that it could not be made."""
    values = json.loads(content)
    return [
        ManifestEntry(InstanceHeader.from_json(item["header"]), item["locator"], _hash(item))
        for item in values["instances"]
    ]


def _hash(item: dict[str, str]) -> str:
    told = item.get("sha256", "")
    return "" if told == _NOT_MADE else told
