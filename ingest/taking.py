"""What intake takes from the ledger: instances that were accepted, and what was refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingest.ledger import DAMAGED, INSTANCE, REFUSAL
from voorrang.archive.archive import CONFLICT
from voorrang.dicom.headers import InstanceHeader
from voorrang.purpose import Purpose


@dataclass(frozen=True, slots=True)
class ReceivedInstance:
    """One stored instance: its header as JSON values, whose it is by opaque keys, where it lies."""

    header_values: dict[str, Any]
    patient_key: str
    order_key: str
    identity: str
    purpose: Purpose
    sender: str
    locator: str
    size_bytes: int
    received_at: datetime
    outcome: str

    @property
    def study_instance_uid(self) -> str:
        """The study that it is of."""
        return str(self.header_values["study_instance_uid"])

    @property
    def series_instance_uid(self) -> str:
        """The series that it is of."""
        return str(self.header_values["series_instance_uid"])

    @property
    def sop_instance_uid(self) -> str:
        """Its own UID."""
        return str(self.header_values["sop_instance_uid"])

    @property
    def is_conflict(self) -> bool:
        """Whether it is kept beside another of its UID."""
        return CONFLICT in self.locator

    def header(self) -> InstanceHeader:
        """Return the header."""
        return InstanceHeader.from_json(self.header_values)


@dataclass(frozen=True, slots=True)
class RefusedInstance:
    """What was refused: the reason, the status answered, and the locator in quarantine when the bytes were kept."""

    reason: str
    locator: str | None
    at: datetime
    status: int = 0
    sender: str = ""


@dataclass(frozen=True, slots=True)
class DamagedEntry:
    """An entry of the ledger that the disk has damaged: its instance is found by its file."""


Taken = ReceivedInstance | RefusedInstance | DamagedEntry


def taken(entry: dict[str, Any]) -> Taken | None:
    """
    Read an entry of the ledger; None for one that is of a kind that intake does not know.

    One that can be read and yet says nothing that makes sense is damaged too: the ledger has no checksums.
    """
    try:
        return _taken(entry)
    except (KeyError, TypeError, ValueError):
        return DamagedEntry()


def _taken(entry: dict[str, Any]) -> Taken | None:
    kind = entry["kind"]
    if kind == INSTANCE:
        return ReceivedInstance(
            _checked(entry["header"]),
            entry["patient_key"],
            entry["order_key"],
            entry["identity"],
            Purpose(entry["purpose"]),
            entry["sender"],
            entry["locator"],
            entry["size_bytes"],
            datetime.fromisoformat(entry["received_at"]),
            entry["outcome"],
        )
    if kind == REFUSAL:
        at = datetime.fromisoformat(entry["at"])
        return RefusedInstance(entry["reason"], entry["locator"], at, entry["status"], entry["sender"])
    return DamagedEntry() if kind == DAMAGED else None


def _checked(header_values: object) -> dict[str, Any]:
    if not isinstance(header_values, dict) or not InstanceHeader.can_be_rebuilt(header_values):
        raise ValueError("no header")
    return header_values
