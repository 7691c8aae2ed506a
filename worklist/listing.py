"""The list as it is shown: rows in order, the time of that order, the banners above it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from voorrang import identity, register
from voorrang.calibration import load_activated
from voorrang.clock import Clock
from voorrang.database import Connection, Database
from voorrang.events.records import Tier
from voorrang.pathways.pathway import Pathway
from voorrang.statement import RESEARCH
from worklist import count_store, item_store, list_store
from worklist.banners import banners, overload_banners
from worklist.explaining import explain
from worklist.order_without_ai import OrderWithoutAi
from worklist.ordering.places import PlaceClass, SortKey
from worklist.ordering.viewing import stable_view
from worklist.pictures import picture_addresses
from worklist.reading import log
from worklist.reading.marks import Mark, marks
from worklist.states import ItemState
from worklist.wording import reason_line, shown_state

PAGE = 50


class PathwayRow(BaseModel):
    """What one pathway says of an item; `pictures` are addresses of the key pictures of its findings."""

    pathway: str
    state: str
    flagged: bool
    provisional: bool
    score: float | None
    model_id: str
    statement: str
    reason_code: str
    reason: str
    position_mm: tuple[float, float, float] | None
    pictures: tuple[str, ...]
    probability: float | None = None


class OrderRow(BaseModel):
    """What the order of an item asks for, without its words."""

    urgency: Tier
    reading_group: str
    procedure_code: str
    reason_codes: tuple[str, ...]
    has_clinical_question: bool
    ordered_at: datetime


class Row(BaseModel):
    """
    One item; `rank` is null for a prior, `order` while none of it is known.

    `explanation` is its place in one line, in nl, fr and en. `patient` and `accession_number` only where names may be
    shown; `other_patients` are those whose studies came under the same number: one of them has a wrong one.
    `studies_done` were called done before another study of the item came, or moved to it: that one is to be read.
    `studies_to_read` are what *done* is said of: who says it sends back those that this row had.
    """

    rank: int | None
    rank_without_ai: int | None
    item_key: str
    tier: str
    state: str
    shown_state: str
    provisional: bool
    reason: str
    explanation: dict[str, str]
    study_instance_uids: tuple[str, ...]
    studies_done: tuple[str, ...] = ()
    studies_to_read: tuple[str, ...] = ()
    modalities: tuple[str, ...]
    arrived_at: datetime
    ranked_at: datetime
    last_received_at: datetime
    minutes_waited: int
    patient: str
    other_patients: tuple[str, ...] = ()
    birth_date: str
    accession_number: str
    study_description: str
    order: OrderRow | None
    reading: Mark | None
    pathways: tuple[PathwayRow, ...]


class Listing(BaseModel):
    """A page of the list, `total` items long in all. `version` grows with every change of any item or model."""

    order_at: datetime
    version: int
    total: int
    statement: str
    banners: tuple[str, ...]
    items: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Lister:
    """
    Makes listings.

    Parameters
    ----------
    database, pathways, clock
        What it reads.
    show_names
        Whether patients may be named: only on a page that loopback alone can reach.
    calibrations_dir
        Where the activated calibrations are.
    without_ai
        Knows the places without AI.
    """

    database: Database
    pathways: dict[str, Pathway]
    clock: Clock
    show_names: bool
    calibrations_dir: Path
    without_ai: OrderWithoutAi = field(default_factory=OrderWithoutAi)

    def listing(self, limit: int = PAGE, offset: int = 0, shown: Sequence[str] = ()) -> Listing:
        """
        Return the items from `offset` on, at most `limit` of them, in the order of reading.

        Parameters
        ----------
        limit, offset
            Which part of the list.
        shown
            Keys of the items in the order in which a page shows them: rows that need not move keep it, each with its
            place in the live order.
        """
        now = self.clock.now()
        with self.database.read() as connection:
            items = list_store.listed(connection, limit, offset)
            live = [item.place for item in items if item.state is not ItemState.PRIOR]
            without_ai = self.without_ai.places(connection, [item.item_key for item in items])
            uids = [uid for item in items for uid in item.study_instance_uids]
            read = marks(connection, [item.item_key for item in items])
            known = identity.look_up(connection, uids) if self.show_names else {}
            version = _version(connection)
            total = self.without_ai.length + count_store.without_place(connection)
            order_at = count_store.last_ranked_at(connection) or now
            active = register.activations(connection)
            expired = count_store.expired(connection)
        calibrations = load_activated(self.calibrations_dir, active)
        rows = [
            _row(
                item,
                offset + place,
                without_ai.get(item.item_key),
                known,
                read.get(item.item_key),
                now,
            )
            for place, item in enumerate(items, start=1)
        ]
        return Listing(
            order_at=order_at,
            version=version,
            total=total,
            statement=RESEARCH,
            banners=(*banners(self.pathways.values(), active, calibrations), *overload_banners(expired)),
            items=tuple(_steadied(rows, live, shown)),
        )

    def version(self) -> int:
        """Return the version of the list: cheap to ask."""
        with self.database.read() as connection:
            return _version(connection)


def _version(connection: Connection) -> int:
    changes = item_store.list_version(connection) + log.revision(connection)
    return changes * 1_000_000 + register.revision(connection)


def _steadied(rows: Sequence[Row], live: Sequence[SortKey], shown: Sequence[str]) -> list[Row]:
    places = {key: n for n, key in enumerate(stable_view(shown, live))}
    return sorted(rows, key=lambda row: places.get(row.item_key, len(places)))


def _row(
    item: list_store.ListedItem,
    place: int,
    without_ai: int | None,
    known: Mapping[str, identity.StudyIdentity],
    reading: Mark | None,
    now: datetime,
) -> Row:
    pathways: list[dict[str, Any]] = item.view["pathways"]
    minutes_waited = max(0, int((now - item.place.arrived_at).total_seconds() // 60))
    ranked = item.state is not ItemState.PRIOR
    who = known.get(item.study_instance_uids[0])
    return Row(
        rank=place if ranked else None,
        rank_without_ai=without_ai if ranked else None,
        item_key=item.item_key,
        tier=item.place.tier.tier,
        state=item.state.value,
        shown_state=shown_state(item.state.value, item.provisional),
        provisional=item.provisional,
        reason=reason_line(item.state.value, pathways),
        explanation=explain(
            item.state.value,
            pathways,
            item.human_tier,
            minutes_waited,
            expired=item.place.place_class is PlaceClass.EXPIRED,
        ),
        study_instance_uids=item.study_instance_uids,
        studies_done=item.done_uids,
        studies_to_read=item.awaited_uids,
        modalities=item.modalities,
        arrived_at=item.place.arrived_at,
        ranked_at=item.ranked_at,
        last_received_at=item.last_received_at,
        minutes_waited=minutes_waited,
        patient=who.patient.name if who else "",
        other_patients=_other_patients(who, [known[uid] for uid in item.standing_uids if uid in known]),
        birth_date=who.patient.birth_date if who else "",
        accession_number=who.accession_number if who else "",
        study_description=who.study_description if who else "",
        order=OrderRow.model_validate(item.order, from_attributes=True) if item.order else None,
        reading=reading,
        pathways=tuple(
            PathwayRow.model_validate(pathway | {"pictures": addresses})
            for pathway, addresses in zip(pathways, picture_addresses(item.item_key, pathways), strict=True)
        ),
    )


def _other_patients(who: identity.StudyIdentity | None, studies: Iterable[identity.StudyIdentity]) -> tuple[str, ...]:
    """Return the names of others than who an item is of; a second id for one name and birth date is no other."""
    if who is None:
        return ()
    mine = who.patient
    others = [
        one.patient
        for one in studies
        if one.patient.patient_key != mine.patient_key
        and (one.patient.name, one.patient.birth_date) != (mine.name, mine.birth_date)
    ]
    return tuple(sorted({other.name or "unknown" for other in others}))
