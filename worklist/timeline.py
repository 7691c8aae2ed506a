"""What the worklist tells of a study: each place that its item was given, and the place that it has now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from voorrang.clock import utc
from voorrang.events.envelope import decode
from voorrang.events.records import WorklistItemRanked
from voorrang.tables import outbox
from voorrang.timeline import Moment
from worklist import place_store, study_store
from worklist.ordering.tiers import TierOrder
from worklist.orders.facts import Standing
from worklist.states import ItemState
from worklist.tables import item, study
from worklist.wording import shown_state

SERVICE = "worklist"
TOPIC = "worklist-item-ranked"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the item of a study stands now; `place` is None for a prior and for what left the list: `settled`."""

    place: int | None
    state: ItemState
    provisional: bool
    settled: str = ""


def timeline(connection: Connection, study_instance_uid: str) -> list[Moment]:
    """Return each ranking that the outbox still has, or the last one when it has none."""
    item_key = study_store.item_key_of(connection, study_instance_uid)
    if item_key is None:
        return []
    rankings = [r for r in _rankings(connection, item_key) if study_instance_uid in r.study_instance_uids]
    if rankings:
        return [
            Moment(r.ranked_at, "ranked", _words(TierOrder[r.tier.upper()], r.rank, ItemState(r.state), r.provisional))
            if r.standing == "open"
            else Moment(r.ranked_at, r.standing, "left the list")
            for r in rankings
        ]
    row = connection.execute(select(item).where(item.c.item_key == item_key)).one_or_none()
    now = standing(connection, study_instance_uid)
    if row is None or now is None:
        return []
    words = now.settled or _words(TierOrder(row.tier_order), now.place, now.state, now.provisional)
    return [Moment(utc(row.ranked_at), "ranked", words)]


def standing(connection: Connection, study_instance_uid: str) -> Place | None:
    """Return where a study stands; None while the list does not have it."""
    item_key = study_store.item_key_of(connection, study_instance_uid)
    row = connection.execute(select(item).where(item.c.item_key == item_key)).one_or_none()
    if row is None or not row.study_count:
        return None
    state = ItemState(row.state)
    if row.standing != Standing.OPEN:
        why = row.settled_why.replace("_", " ")
        words = f"{row.standing}, {why}" if why != row.standing else why
        return Place(None, state, row.provisional, words)
    # Another study of the item may still be to be read: that one has the place.
    query = select(study.c.done_by_hand).where(study.c.study_instance_uid == study_instance_uid)
    if row.done_by_hand or connection.execute(query).scalar_one():
        return Place(None, state, row.provisional, "called done by a reader")
    place = None if state is ItemState.PRIOR else place_store.rank_of(connection, place_store.place_of(row))
    return Place(place, state, row.provisional)


def waits(connection: Connection, study_instance_uid: str) -> list[str]:
    """Return what a study waits for on the list, in words: the end of a provisional answer, or nothing."""
    now = standing(connection, study_instance_uid)
    if now is None:
        return ["the worklist, which has not ranked it yet"]
    if now.settled:
        return [f"nothing: {now.settled}"]
    if now.provisional:
        return ["the confirmation that all images are there: until then its answer is provisional, shown as running"]
    return ["nothing: a prior, not ranked" if now.place is None else f"nothing: read order {now.place}"]


def _rankings(connection: Connection, item_key: str) -> Sequence[WorklistItemRanked]:
    # An event's key is the item's first study at that time, which is one of those that the item has had.
    studies = select(study.c.study_instance_uid).where(study.c.item_key == item_key)
    rows = connection.execute(
        select(outbox.c.payload)
        .where(outbox.c.service == SERVICE, outbox.c.topic == TOPIC, outbox.c.key.in_(studies))
        .order_by(outbox.c.id)
    )
    return [decode(payload).data for payload in rows.scalars()]


def _words(tier: TierOrder, place: int | None, state: ItemState, provisional: bool) -> str:
    where = f"place {place}, {tier.tier}" if place is not None and state is not ItemState.PRIOR else "no place"
    return f"{where}, {shown_state(state.value, provisional)}"
