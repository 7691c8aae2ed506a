"""What the worklist knows of one item, as the events told it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from voorrang.events.records import FindingsScored, Tier


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """One study: its versions of `study-updated`, answers and confirmations joined."""

    study_instance_uid: str
    patient_key: str
    first_received_at: datetime
    last_received_at: datetime
    modalities: tuple[str, ...]
    prior: bool
    claims: tuple[tuple[str, str], ...]
    answers: tuple[FindingsScored, ...]
    confirmed: frozenset[tuple[str, str, int]]


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """One item: what gets one report."""

    item_key: str
    human_tier: Tier
    studies: tuple[StudyFacts, ...]

    @property
    def arrived_at(self) -> datetime:
        """When the first instance of the item was received; a prior beside new studies does not count."""
        new = [study for study in self.studies if not study.prior]
        return min(study.first_received_at for study in new or self.studies)
