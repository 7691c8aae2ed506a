"""May this instance be stored, and what is it for? Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple, Protocol

from voorrang.identifiers import is_uid
from voorrang.purpose import Purpose

PRIOR_AGE = timedelta(hours=24)
DAY = timedelta(hours=24)
_DATE = re.compile(r"[0-9]{8}")  # VR DA, PS3.5 section 6.2; strptime alone takes 202611 for 1 January 2026


class StoreStatus(IntEnum):
    """Statuses of a C-STORE response (PS3.4 section B.2.3 and PS3.7 annex C)."""

    SUCCESS = 0x0000
    INVALID_OBJECT_INSTANCE = 0x0117
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NOT_AUTHORISED = 0x0124
    OUT_OF_RESOURCES = 0xA700
    DATA_SET_DOES_NOT_MATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an instance is not stored: the status that is answered and a reason from a closed set."""

    status: StoreStatus
    reason: str

    @property
    def keeps_bytes(self) -> bool:
        """Whether the bytes go to quarantine: not those of somebody unknown, nor what there is no room for."""
        no_room = self.status is StoreStatus.OUT_OF_RESOURCES or self == TOO_LARGE
        return not no_room and self.status is not StoreStatus.NOT_AUTHORISED


# Retention took the first copy of a duplicate: to be tried again, and stored then.
REMOVED_MEANWHILE = Refusal(StoreStatus.OUT_OF_RESOURCES, "removed_meanwhile")
# Not Out of Resources, which asks the sender to try again.
TOO_LARGE = Refusal(StoreStatus.CANNOT_UNDERSTAND, "too_large")


class Request(NamedTuple):
    """
    What the command set of a C-STORE request says, and who is talking to whom.

    `agreed_sop_class_uid` is the abstract syntax of its presentation context; empty when there was no negotiation.
    """

    sop_class_uid: str
    sop_instance_uid: str
    calling_ae_title: str
    called_ae_title: str
    agreed_sop_class_uid: str = ""


class HasUIDs(Protocol):
    """What a data set says that it is."""

    @property
    def study_instance_uid(self) -> str:
        """(0020,000D)."""

    @property
    def series_instance_uid(self) -> str:
        """(0020,000E)."""

    @property
    def sop_instance_uid(self) -> str:
        """(0008,0018)."""

    @property
    def sop_class_uid(self) -> str:
        """(0008,0016)."""


def purpose_of(request: Request, ae_titles: Mapping[str, Purpose]) -> Purpose | None:
    """Return the purpose that the called AE title gives; None when nobody answers to it. Never from the data set."""
    return ae_titles.get(request.called_ae_title.strip())


def check_identifiers(request: Request) -> Refusal | None:
    """
    Refuse a SOP Instance UID that is not a UID, since it would become part of a name, and a SOP class that was not
    agreed on: a sender's rule holds in the negotiation.
    """
    if request.agreed_sop_class_uid not in ("", request.sop_class_uid):
        return Refusal(StoreStatus.SOP_CLASS_NOT_SUPPORTED, "sop_class_not_agreed")
    if not is_uid(request.sop_instance_uid):
        return Refusal(StoreStatus.INVALID_OBJECT_INSTANCE, "bad_sop_instance_uid")
    return None


def check_header(request: Request, header: HasUIDs) -> Refusal | None:
    """Refuse a data set without usable UIDs, or another one than the command announced."""
    if not is_uid(header.study_instance_uid) or not is_uid(header.series_instance_uid):
        return Refusal(StoreStatus.CANNOT_UNDERSTAND, "bad_study_or_series_uid")
    if header.sop_instance_uid != request.sop_instance_uid:
        return Refusal(StoreStatus.DATA_SET_DOES_NOT_MATCH, "sop_instance_uid_differs")
    if header.sop_class_uid != request.sop_class_uid:
        return Refusal(StoreStatus.DATA_SET_DOES_NOT_MATCH, "sop_class_uid_differs")
    return None


def is_prior(
    study_date: str, received_at: datetime, *, has_open_order: bool, sender_prefetches: bool, purpose: Purpose
) -> bool:
    """
    Tell whether a study is a prior: old, unasked for, and from a sender that prefetches.

    Parameters
    ----------
    study_date
        DICOM date (YYYYMMDD) or empty; a missing or odd date is never a prior's.
    received_at
        When we received the first instance.
    has_open_order
        Whether somebody awaits a report of it.
    sender_prefetches
        What is agreed with the sender.
    purpose
        A demo shows old public studies and skips this.
    """
    if purpose is Purpose.DEMO or has_open_order or not sender_prefetches:
        return False
    if not _DATE.fullmatch(study_date):
        return False
    try:
        date = datetime.strptime(study_date, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return False
    return received_at - date > DAY + PRIOR_AGE  # the date has no time of day: its whole day counts
