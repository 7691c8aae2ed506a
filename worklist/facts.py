"""What the worklist knows of one item, as the events told it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, TypeVar

from voorrang.events.records import FindingsScored, Tier
from worklist.orders.facts import OrderFacts, ReportFacts, Settled, settled


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    """A series that a pathway wants; `is_open`: images came that are not in its last complete revision."""

    series_instance_uid: str
    pathway: str
    series_revision: int = 0
    is_open: bool = False

    @property
    def awaited_revision(self) -> int:
        """The lowest revision of which an answer is about all images that came."""
        return self.series_revision + self.is_open


@dataclass(frozen=True, slots=True)
class RejectedFacts:
    """A series of which images were rejected: what was made of it up to this revision is void, and why."""

    series_instance_uid: str
    series_revision: int
    reason: str


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """
    One study: its versions of `study-updated`, answers and confirmations joined.

    `rejected` has the series of which nothing that was not rejected has been answered; answers about rejected images
    are not among `answers`. `withdrawn` says why none of its images stands any more. `is_done`: a reader called
    it done.
    """

    study_instance_uid: str
    patient_key: str
    first_received_at: datetime
    last_received_at: datetime
    modalities: tuple[str, ...]
    prior: bool
    claims: tuple[ClaimFacts, ...]
    answers: tuple[FindingsScored, ...]
    confirmed: frozenset[tuple[str, str, int]]
    rejected: tuple[RejectedFacts, ...] = ()
    withdrawn: tuple[str, datetime] | None = None
    is_done: bool = False


class StandingStudy(Protocol):
    """Says of a study whether it is a prior, and with anything true that none of its images stands."""

    @property
    def prior(self) -> bool:
        """Whether it is a prior."""
        ...

    @property
    def withdrawn(self) -> Any:
        """Why none of its images stands."""
        ...


S = TypeVar("S", bound=StandingStudy)


def to_read(studies: Iterable[S]) -> tuple[S, ...]:
    """Return those of an item's studies that a reader reads: that stand and are no priors, where there are such."""
    mine = tuple(studies)
    standing = tuple(study for study in mine if not study.withdrawn) or mine
    return tuple(study for study in standing if not study.prior) or standing


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """One item: what gets one report."""

    item_key: str
    human_tier: Tier
    studies: tuple[StudyFacts, ...]
    order: OrderFacts | None = None
    reports: tuple[ReportFacts, ...] = ()

    @property
    def settled(self) -> Settled:
        """Whether it awaits a reading."""
        gone = [study.withdrawn for study in self.studies if study.withdrawn is not None]
        return settled(self.order, self.reports, gone if len(gone) == len(self.studies) else ())

    @property
    def to_read(self) -> tuple[StudyFacts, ...]:
        """The studies that a reader reads, also those that were called done."""
        return to_read(self.studies)

    @property
    def awaits(self) -> tuple[str, ...]:
        """The studies that are to be read and that nobody called done."""
        return tuple(study.study_instance_uid for study in self.to_read if not study.is_done)

    @property
    def is_done(self) -> bool:
        """Whether a reader called all of it done."""
        return bool(self.studies) and all(study.is_done for study in self.to_read)

    @property
    def unread(self) -> ItemFacts:
        """What of it awaits a reading: without the studies that were called done, unless that is all."""
        if self.is_done:
            return self
        return replace(self, studies=tuple(study for study in self.studies if not study.is_done))

    @property
    def known_by(self) -> StudyFacts | None:
        """The study that says whose it is: one that stands and is no prior where there is one; None without studies."""
        return min(self.studies, key=lambda study: (study.withdrawn is not None, study.prior), default=None)

    @property
    def arrived_at(self) -> datetime:
        """When the first instance of the item was received; a prior beside new studies does not count."""
        new = [study for study in self.studies if not study.prior]
        return min(study.first_received_at for study in new or self.studies)
