"""Rows of the worklist: facts go in by the highest version, items come out in order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select, update

from voorrang.clock import utc
from voorrang.database import Connection
from voorrang.events.envelope import Event
from voorrang.events.records import FindingsScored, SeriesConfirmed, StudyUpdated
from voorrang.outbox import insert_once
from worklist.facts import ItemFacts, StudyFacts
from worklist.ordering.places import SortKey
from worklist.ordering.strategies import by_arrival
from worklist.ordering.tiers import TierOrder
from worklist.states import ItemState, ItemView
from worklist.tables import answer, confirmation, item, study

HUMAN_TIER_WITHOUT_ORDER = TierOrder.ROUTINE.tier

_is_listed = item.c.study_count > 0
_is_ranked = and_(_is_listed, item.c.state != ItemState.PRIOR.value)


@dataclass(frozen=True, slots=True)
class ListedItem:
    """An item as it stands on the list."""

    item_key: str
    item_version: int
    tier: TierOrder
    state: ItemState
    provisional: bool
    arrived_at: datetime
    ranked_at: datetime
    view: dict[str, Any]
    study_instance_uids: tuple[str, ...]
    last_received_at: datetime
    modalities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Whether an item has waited beyond its cap, and when time alone next changes it; None for never."""

    expired: bool = False
    due_at: datetime | None = None


def put_study(connection: Connection, event: Event[Any]) -> list[str]:
    """
    Write what an event says of a study unless a higher version is known.

    Returns
    -------
    list of str
        Keys of the items to rank anew: the one that has the study now, and the one that had it before.
    """
    record: StudyUpdated = event.data
    before = item_key_of(connection, record.study_instance_uid)
    values = {
        "study_version": record.study_version,
        "item_key": event.order_key or record.study_instance_uid,
        "patient_key": event.patient_key,
        "first_received_at": record.first_received_at,
        "last_received_at": record.last_received_at,
        "modalities": list(record.modalities),
        "prior": record.prior,
        "claims": [[claim.series_instance_uid, claim.pathway] for claim in record.claims],
    }
    uid = record.study_instance_uid
    if not insert_once(connection, study, {"study_instance_uid": uid, **values}):
        where = (study.c.study_instance_uid == uid) & (study.c.study_version < record.study_version)
        connection.execute(update(study).where(where).values(**values))
    after = item_key_of(connection, uid)
    return list(dict.fromkeys(key for key in (after, before) if key is not None))


def put_answer(connection: Connection, record: FindingsScored) -> None:
    """Write a model's answer unless a higher revision, then run, is known."""
    key = {
        "series_instance_uid": record.series_instance_uid,
        "pathway": record.pathway,
        "model_id": record.model.model_id,
        "version": record.model.version_label,
        "weights_digest": record.model.weights_digest,
    }
    values = {
        "study_instance_uid": record.study_instance_uid,
        "series_revision": record.series_revision,
        "run": record.run,
        "record": record.model_dump(mode="json"),
    }
    if insert_once(connection, answer, key | values):
        return
    c = answer.c
    mine = and_(*(c[name] == value for name, value in key.items()))
    older = or_(
        c.series_revision < record.series_revision,
        and_(c.series_revision == record.series_revision, c.run < record.run),
    )
    connection.execute(update(answer).where(mine, older).values(**values))


def put_confirmation(connection: Connection, record: SeriesConfirmed) -> None:
    """Write which revision of a series is confirmed, unless a higher one is."""
    key = {"series_instance_uid": record.series_instance_uid, "pathway": record.pathway}
    values = {"study_instance_uid": record.study_instance_uid, "series_revision": record.series_revision}
    if not insert_once(connection, confirmation, key | values):
        c = confirmation.c
        where = and_(*(c[name] == value for name, value in key.items()), c.series_revision < record.series_revision)
        connection.execute(update(confirmation).where(where).values(**values))


def item_key_of(connection: Connection, study_instance_uid: str) -> str | None:
    """Return the key of the item that a study belongs to; None while the study is not known."""
    query = select(study.c.item_key).where(study.c.study_instance_uid == study_instance_uid)
    return connection.execute(query).scalar_one_or_none()


def item_facts(connection: Connection, item_key: str) -> ItemFacts:
    """Return the facts of an item; without studies when they have moved to another."""
    rows = connection.execute(
        select(study).where(study.c.item_key == item_key).order_by(study.c.study_instance_uid)
    ).all()
    uids = [row.study_instance_uid for row in rows]
    answers = connection.execute(
        select(answer.c.study_instance_uid, answer.c.record)
        .where(answer.c.study_instance_uid.in_(uids))
        .order_by(answer.c.series_instance_uid, answer.c.pathway, answer.c.model_id, answer.c.version)
    ).all()
    confirmed = connection.execute(select(confirmation).where(confirmation.c.study_instance_uid.in_(uids))).all()
    return ItemFacts(
        item_key,
        HUMAN_TIER_WITHOUT_ORDER,
        tuple(
            StudyFacts(
                row.study_instance_uid,
                row.patient_key,
                utc(row.first_received_at),
                utc(row.last_received_at),
                tuple(row.modalities),
                row.prior,
                tuple((series, pathway) for series, pathway in row.claims),
                tuple(
                    FindingsScored.model_validate(a.record)
                    for a in answers
                    if a.study_instance_uid == row.study_instance_uid
                ),
                frozenset(
                    (c.series_instance_uid, c.pathway, c.series_revision)
                    for c in confirmed
                    if c.study_instance_uid == row.study_instance_uid
                ),
            )
            for row in rows
        ),
    )


def put_item(
    connection: Connection, facts: ItemFacts, key: SortKey, view: ItemView, now: datetime, waiting: Waiting
) -> int | None:
    """
    Write what follows from an item's facts.

    Returns
    -------
    int or None
        The item's new version; None when nothing about it changed.
    """
    without_ai = by_arrival(facts.human_tier, facts.arrived_at, facts.item_key)
    values = {
        "study_count": len(facts.studies),
        "tier_order": int(key.tier),
        "harm_rate": -key.negative_harm_rate,
        "arrived_at": key.arrived_at,
        "human_tier_order": int(without_ai.tier),
        "state": view.state.value,
        "provisional": view.provisional,
        "pending": view.is_pending,
        "place_class": int(key.place_class),
        "expired": waiting.expired,
        "due_at": waiting.due_at,
        "view": [asdict(pathway) for pathway in view.pathways],
    }
    if insert_once(connection, item, {"item_key": facts.item_key, "item_version": 1, "ranked_at": now, **values}):
        return 1
    found = connection.execute(select(item).where(item.c.item_key == facts.item_key)).one()
    before = {name: getattr(found, name) for name in values} | {
        "arrived_at": utc(found.arrived_at),
        "due_at": utc(found.due_at) if found.due_at else None,
    }
    if before == values | {"view": _as_json(values["view"])}:
        return None
    version = int(found.item_version) + 1
    where = item.c.item_key == facts.item_key
    connection.execute(update(item).where(where).values(item_version=version, ranked_at=now, **values))
    return version


def withdraw_item(connection: Connection, item_key: str, now: datetime) -> bool:
    """Take an item whose studies moved to another off the list; False when it is not on it."""
    where = (item.c.item_key == item_key) & _is_listed
    values = {
        "study_count": 0,
        "pending": False,
        "expired": False,
        "due_at": None,
        "item_version": item.c.item_version + 1,
        "ranked_at": now,
    }
    return connection.execute(update(item).where(where).values(values)).rowcount == 1


def rank_of(connection: Connection, key: SortKey) -> int:
    """Return the place of a sort key among what is ranked, the first being 1."""
    c = item.c
    same_class = and_(c.tier_order == int(key.tier), c.place_class == int(key.place_class))
    before = or_(
        c.tier_order < int(key.tier),
        and_(c.tier_order == int(key.tier), c.place_class < int(key.place_class)),
        and_(same_class, c.harm_rate > -key.negative_harm_rate),
        and_(
            same_class,
            c.harm_rate == -key.negative_harm_rate,
            or_(c.arrived_at < key.arrived_at, and_(c.arrived_at == key.arrived_at, c.item_key < key.item_key)),
        ),
    )
    return 1 + int(connection.execute(select(func.count()).select_from(item).where(before, _is_ranked)).scalar_one())


def listed(connection: Connection, limit: int, offset: int) -> list[ListedItem]:
    """Return items in the order of reading; priors, which have no place, come last."""
    rows = connection.execute(
        select(item)
        .where(_is_listed)
        .order_by(
            item.c.state == ItemState.PRIOR.value,
            item.c.tier_order,
            item.c.place_class,
            item.c.harm_rate.desc(),
            item.c.arrived_at,
            item.c.item_key,
        )
        .limit(limit)
        .offset(offset)
    ).all()
    studies = _studies_of(connection, [row.item_key for row in rows])
    return [
        ListedItem(
            row.item_key,
            row.item_version,
            TierOrder(row.tier_order),
            ItemState(row.state),
            row.provisional,
            utc(row.arrived_at),
            utc(row.ranked_at),
            {"pathways": row.view},
            tuple(s.study_instance_uid for s in studies[row.item_key]),
            max(utc(s.last_received_at) for s in studies[row.item_key]),
            tuple(sorted({m for s in studies[row.item_key] for m in s.modalities})),
        )
        for row in rows
    ]


def places_without_ai(connection: Connection, item_keys: Collection[str]) -> dict[str, int]:
    """Return the place that each item would have without AI: tiers from people, then arrival."""
    rows = connection.execute(
        select(item.c.item_key).where(_is_ranked).order_by(item.c.human_tier_order, item.c.arrived_at, item.c.item_key)
    ).scalars()
    return {key: place for place, key in enumerate(rows, start=1) if key in item_keys}


def counts(connection: Connection) -> list[tuple[TierOrder, ItemState, int]]:
    """Return how many items stand in each tier and state."""
    rows = connection.execute(
        select(item.c.tier_order, item.c.state, func.count())
        .where(_is_listed)
        .group_by(item.c.tier_order, item.c.state)
    )
    return [(TierOrder(tier), ItemState(state), int(n)) for tier, state, n in rows]


def count_listed(connection: Connection) -> int:
    """Return how many items the list has, priors too."""
    return int(connection.execute(select(func.count()).select_from(item).where(_is_listed)).scalar_one())


def item_keys(connection: Connection, *, due_at: datetime | None) -> Sequence[str]:
    """
    Return the keys of all items, or of those that time alone changes at a moment or before it.

    What a model has lifted comes first: when it is suspended, the order is right as soon as these are ranked anew.
    """
    query = select(item.c.item_key).where(_is_listed).order_by(item.c.harm_rate.desc(), item.c.tier_order)
    if due_at is not None:
        query = query.where(item.c.due_at <= due_at)
    return connection.execute(query).scalars().all()


def expired(connection: Connection) -> dict[TierOrder, int]:
    """Return how many items of each tier of people wait beyond their cap."""
    rows = connection.execute(
        select(item.c.human_tier_order, func.count())
        .where(_is_ranked, item.c.expired)
        .group_by(item.c.human_tier_order)
    )
    return {TierOrder(tier): int(n) for tier, n in rows}


def list_version(connection: Connection) -> int:
    """Return a number that grows with every change of any item."""
    return int(connection.execute(select(func.coalesce(func.sum(item.c.item_version), 0))).scalar_one())


def last_ranked_at(connection: Connection) -> datetime | None:
    """Return when the order was last decided anew."""
    at = connection.execute(select(func.max(item.c.ranked_at))).scalar_one()
    return utc(at) if at is not None else None


def _studies_of(connection: Connection, keys: Sequence[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {key: [] for key in keys}
    rows = connection.execute(
        select(study).where(study.c.item_key.in_(keys)).order_by(study.c.first_received_at, study.c.study_instance_uid)
    )
    for row in rows:
        found[row.item_key].append(row)
    return found


def _as_json(views: Any) -> Any:
    return [{k: list(v) if isinstance(v, tuple) else v for k, v in view.items()} for view in views]
