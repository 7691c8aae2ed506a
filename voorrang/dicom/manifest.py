"""The manifest of a series revision: which instances it holds, with their headers and where they lie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from voorrang.dicom.headers import InstanceHeader


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One instance: its header, and its locator in the archive."""

    header: InstanceHeader
    locator: str


def instances_digest(sop_instance_uids: Iterable[str]) -> str:
    """Return the digest of a set of SOP Instance UIDs: SHA-256 over the sorted UIDs, one a line."""
    return hashlib.sha256("\n".join(sorted(sop_instance_uids)).encode()).hexdigest()


def encode_manifest(entries: Sequence[ManifestEntry]) -> bytes:
    """Return a manifest as JSON bytes."""
    values = [{"locator": entry.locator, "header": entry.header.to_json()} for entry in entries]
    return json.dumps({"manifest": 1, "instances": values}, separators=(",", ":")).encode()


def decode_manifest(content: bytes) -> list[ManifestEntry]:
    """Read a manifest back."""
    values = json.loads(content)
    return [ManifestEntry(InstanceHeader.from_json(item["header"]), item["locator"]) for item in values["instances"]]
