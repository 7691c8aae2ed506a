"""What is agreed with a sender of messages, as the mapping needs it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from voorrang.events.records import Tier


@dataclass(frozen=True, slots=True)
class Agreement:
    """
    What is agreed with one sending application.

    Parameters
    ----------
    zone
        Of times that state none.
    default_issuer
        Domain of identifiers that name none.
    character_set
        Of messages that name none, in the words of MSH-18.
    urgencies
        The sender's own words for an urgency.
    accession_from
        The field that holds the accession number; empty: the first of the usual ones that has one.
    """

    zone: ZoneInfo
    default_issuer: str = ""
    character_set: str = ""
    urgencies: Mapping[str, Tier] = field(default_factory=dict)
    accession_from: str = ""
