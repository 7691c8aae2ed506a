"""Rows of the worklist: facts go in by the highest version, items come out in order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, insert, or_, select, update

from voorrang.clock import utc
from voorrang.database import Connection
from voorrang.events.envelope import Event
from voorrang.events.records import FindingsScored, ScoringState, SeriesConfirmed, StudyUpdated
from voorrang.outbox import insert_once
from worklist.facts import ClaimFacts, ItemFacts, RejectedFacts, StudyFacts
from worklist.ordering.places import PlaceClass, SortKey
from worklist.ordering.tiers import TierOrder, tier_order
from worklist.orders import store as orders
from worklist.orders.facts import Standing
from worklist.states import ItemState, ItemView
from worklist.tables import answer, confirmation, item, study

HUMAN_TIER_WITHOUT_ORDER = TierOrder.ROUTINE.tier

IN_ORDER, WITHOUT_PLACE, OFF_THE_LIST = 0, 1, 2

_has_studies = item.c.study_count > 0
_is_listed = item.c.listed_as < OFF_THE_LIST
_is_ranked = item.c.listed_as == IN_ORDER

# The columns of a place, and of the index that has them: priors, which have no place, come last.
ORDER = (
    item.c.listed_as,
    item.c.tier_order,
    item.c.place_class,
    item.c.harm_order,
    item.c.arrived_at,
    item.c.item_key,
)

_SCORED = (answer.c.scored_revision, answer.c.scored_run, answer.c.scored_record)

# Made once: making a statement, and the key by which SQLAlchemy finds it compiled, costs more than running it.
_ITEM = select(item).where(item.c.item_key == bindparam("key"))
_REWRITE = update(item).where(item.c.item_key == bindparam("key"))
_ITEM_KEY = select(study.c.item_key).where(study.c.study_instance_uid == bindparam("uid"))
_STUDIES = select(study).where(study.c.item_key == bindparam("key")).order_by(study.c.study_instance_uid)
_ANSWERS = (
    select(*(answer.c[n] for n in ("study_instance_uid", "series_revision", "run", "record")), *_SCORED)
    .where(answer.c.study_instance_uid.in_(bindparam("uids", expanding=True)))
    .order_by(answer.c.series_instance_uid, answer.c.pathway, answer.c.model_id, answer.c.version)
)
_CONFIRMED = select(confirmation).where(confirmation.c.study_instance_uid.in_(bindparam("uids", expanding=True)))
_PLACE, _PLACE_NAMES = ORDER[1:], [column.name for column in ORDER[1:]]


def _count_before() -> Select[Any]:
    """
    Return what counts the items before a place: by column, those that agree in all before it and are less there.

    Each is one range of the index, whose entries are only counted; whole rows would be compared at each entry.
    """
    place = [(column, bindparam(column.name, type_=column.type)) for column in _PLACE]
    ranges = [
        select(func.count())
        .select_from(item)
        .where(_is_ranked, *(column == value for column, value in place[:n]), place[n][0] < place[n][1])
        .scalar_subquery()
        for n in range(len(place))
    ]
    return select(sum(ranges[1:], ranges[0]))


_COUNT_BEFORE = _count_before()
_EXPIRED = (
    select(item.c.human_tier_order, func.count()).where(_is_ranked, item.c.expired).group_by(item.c.human_tier_order)
)
_LAST_CHANGE = select(func.coalesce(func.max(item.c.change), 0))
_LAST_RANKED_AT = select(func.max(item.c.ranked_at))


@dataclass(frozen=True, slots=True)
class Waiting:
    """Whether an open item has waited beyond its cap, and when time alone next changes it; None for never."""

    expired: bool = False
    due_at: datetime | None = None


def put_study(connection: Connection, event: Event[Any]) -> list[str]:
    """
    Write what an event says of a study unless a higher version is known.

    Returns
    -------
    list of str
        Keys of the items to rank anew: the one that has the study now, the one that had it before, and those whose
        reports this touches.
    """
    record: StudyUpdated = event.data
    before = item_key_of(connection, record.study_instance_uid)
    values = {
        "study_version": record.study_version,
        "order_key": event.order_key,
        "patient_key": event.patient_key,
        "first_received_at": record.first_received_at,
        "last_received_at": record.last_received_at,
        "modalities": list(record.modalities),
        "prior": record.prior,
        "claims": [[c.series_instance_uid, c.pathway, c.series_revision, c.open] for c in record.claims],
        "withdrawn": record.withdrawn or "",
        "withdrawn_at": record.withdrawn_at,
    }
    if record.withdrawn:
        values["done_by_hand"] = False  # what was read is void: images that come in its place were read by nobody
    uid = record.study_instance_uid
    item_key = orders.item_key_of(connection, uid, event.order_key)
    if not insert_once(connection, study, {"study_instance_uid": uid, "item_key": item_key, **values}):
        where = (study.c.study_instance_uid == uid) & (study.c.study_version < record.study_version)
        connection.execute(update(study).where(where).values(item_key=item_key, **values))
    after = item_key_of(connection, uid)
    keys = list(dict.fromkeys(key for key in (after, before) if key is not None))
    return keys + sorted(orders.items_that_reports_name(connection, keys) - set(keys))


def put_answer(connection: Connection, record: FindingsScored) -> None:
    """Write a model's answer unless a higher revision, then run, is known; and the same of those with a score."""
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
    names = (column.name for column in _SCORED)
    scored = dict(zip(names, (record.series_revision, record.run, values["record"]), strict=True))
    has_score = record.state is ScoringState.SCORED and record.score is not None
    if insert_once(connection, answer, key | values | (scored if has_score else {})):
        return
    c = answer.c
    mine = and_(*(c[name] == value for name, value in key.items()))
    older = _is_older(c.series_revision, c.run, record)
    connection.execute(update(answer).where(mine, older).values(**values))
    if has_score:
        older = or_(c.scored_revision.is_(None), _is_older(c.scored_revision, c.scored_run, record))
        connection.execute(update(answer).where(mine, older).values(**scored))


def _is_older(revision: ColumnElement[int], run: ColumnElement[int], record: FindingsScored) -> ColumnElement[bool]:
    """Return whether a stored revision, then run, is lower than that of an answer, as SQL."""
    return or_(revision < record.series_revision, and_(revision == record.series_revision, run < record.run))


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
    return connection.execute(_ITEM_KEY, {"uid": study_instance_uid}).scalar_one_or_none()


def item_facts(connection: Connection, item_key: str) -> ItemFacts:
    """Return the facts of an item; without studies when they have moved to another."""
    rows = connection.execute(_STUDIES, {"key": item_key}).all()
    uids = [row.study_instance_uid for row in rows]
    answers = connection.execute(_ANSWERS, {"uids": uids}).all()
    confirmed = connection.execute(_CONFIRMED, {"uids": uids}).all()
    rejected = orders.rejections(connection, uids)
    order = orders.orders(connection, [item_key]).get(item_key)
    return ItemFacts(
        item_key,
        order.urgency if order else HUMAN_TIER_WITHOUT_ORDER,
        tuple(
            _study_facts(
                row,
                orders.surviving_patient(connection, row.patient_key),
                [
                    FindingsScored.model_validate(record)
                    for a in answers
                    if a.study_instance_uid == row.study_instance_uid
                    for record in _records(a)
                ],
                [c for c in confirmed if c.study_instance_uid == row.study_instance_uid],
                rejected,
            )
            for row in rows
        ),
        order,
        tuple(orders.reports_of(connection, item_key, [row.order_key for row in rows], uids)),
    )


def _records(row: Any) -> Iterator[Any]:
    """Give the highest answer of a row, and the highest with a score where that is another."""
    yield row.record
    if row.scored_record is not None and (row.scored_revision, row.scored_run) != (row.series_revision, row.run):
        yield row.scored_record


def _study_facts(
    row: Any,
    patient_key: str,
    answers: Sequence[FindingsScored],
    confirmed: Sequence[Any],
    rejected: Mapping[str, tuple[int, str]],
) -> StudyFacts:
    """Return the facts of a study; what was said of rejected images is not among them."""
    standing = [a for a in answers if a.series_revision > rejected.get(a.series_instance_uid, (0, ""))[0]]
    answered = {a.series_instance_uid for a in standing}
    return StudyFacts(
        row.study_instance_uid,
        patient_key,
        utc(row.first_received_at),
        utc(row.last_received_at),
        tuple(row.modalities),
        row.prior,
        tuple(ClaimFacts(*claim) for claim in row.claims),  # of two values, as the version before stored them, too
        tuple(standing),
        frozenset((c.series_instance_uid, c.pathway, c.series_revision) for c in confirmed),
        tuple(RejectedFacts(uid, *up_to) for uid, up_to in sorted(rejected.items()) if uid not in answered),
        (row.withdrawn, utc(row.withdrawn_at)) if row.withdrawn else None,
        row.done_by_hand,
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
    settled = facts.settled
    values = {
        "study_count": len(facts.studies),
        "tier_order": int(key.tier),
        "harm_rate": -key.negative_harm_rate,
        "arrived_at": key.arrived_at,
        "human_tier_order": int(tier_order(facts.human_tier)),
        "state": view.state.value,
        "provisional": view.provisional,
        "place_class": int(key.place_class),
        "expired": waiting.expired,
        "due_at": waiting.due_at,
        "view": [asdict(pathway) for pathway in view.pathways],
        "patient_key": facts.known_by.patient_key if facts.known_by else "",
        "standing": settled.standing.value,
        "settled_at": settled.at,
        "settled_why": settled.why,
        "harm_order": key.negative_harm_rate,
        "done_by_hand": facts.is_done,
        "listed_as": OFF_THE_LIST if facts.is_done else _listed_as(settled.standing, view.state),
    }
    found = connection.execute(_ITEM, {"key": facts.item_key}).one_or_none()
    if found is None:
        first = {"item_key": facts.item_key, "item_version": 1, "ranked_at": now, "change": _next_change(connection)}
        connection.execute(insert(item).values(**first, **values))
        return 1
    before = {name: _as_utc(getattr(found, name)) for name in values}
    if before == values | {"view": _as_json(values["view"])}:
        return None
    version = int(found.item_version) + 1
    anew = values | {"item_version": version, "ranked_at": now, "change": _next_change(connection)}
    connection.execute(_REWRITE, anew | {"key": facts.item_key})
    return version


def _listed_as(standing: Standing, state: ItemState) -> int:
    if standing is not Standing.OPEN:
        return OFF_THE_LIST
    return WITHOUT_PLACE if state is ItemState.PRIOR else IN_ORDER


def withdraw_item(connection: Connection, item_key: str, now: datetime) -> bool:
    """Take an item whose studies moved to another off the list; False when it is not on it."""
    where = (item.c.item_key == item_key) & _has_studies
    values = {"study_count": 0, "expired": False, "due_at": None, "listed_as": OFF_THE_LIST}
    values |= _changed(connection, now)
    return connection.execute(update(item).where(where).values(values)).rowcount == 1


def is_listed(connection: Connection, item_key: str) -> bool | None:
    """Tell whether an item is on the list; None when it was never there."""
    return connection.execute(select(_is_listed).where(item.c.item_key == item_key)).scalar_one_or_none()


def set_done(connection: Connection, study_instance_uids: Collection[str]) -> None:
    """Write that studies are read because a reader says so; their items are to be closed, or ranked anew."""
    where = study.c.study_instance_uid.in_(study_instance_uids)
    connection.execute(update(study).where(where).values(done_by_hand=True))


def close_item(connection: Connection, item_key: str, now: datetime) -> None:
    """Take an item off the list of which every study that is to be read was called done."""
    values = {"done_by_hand": True, "listed_as": OFF_THE_LIST} | _changed(connection, now)
    connection.execute(update(item).where(item.c.item_key == item_key).values(values))


def set_undone(connection: Connection, study_instance_uids: Collection[str]) -> list[str]:
    """Take back that studies are read; return the items that have them now, to be ranked anew."""
    where = study.c.study_instance_uid.in_(study_instance_uids) & study.c.done_by_hand
    keys = connection.execute(select(study.c.item_key).where(where).distinct().order_by(study.c.item_key))
    found = list(keys.scalars())
    connection.execute(update(study).where(where).values(done_by_hand=False))
    return found


def _changed(connection: Connection, now: datetime) -> dict[str, Any]:
    return {"item_version": item.c.item_version + 1, "ranked_at": now, "change": _next_change(connection)}


def _next_change(connection: Connection) -> int:
    return list_version(connection) + 1


def place_of(row: Any) -> SortKey:
    """Return the place that a row of the items has."""
    tier, place_class = TierOrder(row.tier_order), PlaceClass(row.place_class)
    return SortKey(tier, place_class, row.harm_order, utc(row.arrived_at), row.item_key)


def rank_of(connection: Connection, key: SortKey) -> int:
    """Return the place of a sort key among what is ranked, the first being 1."""
    values = (int(key.tier), int(key.place_class), key.negative_harm_rate, key.arrived_at, key.item_key)
    return 1 + int(connection.execute(_COUNT_BEFORE, dict(zip(_PLACE_NAMES, values, strict=True))).scalar_one())


def view_of(connection: Connection, item_key: str) -> list[dict[str, Any]]:
    """Return what is shown of an item, pathway by pathway; nothing for one that is not on the list."""
    query = select(item.c.view).where(item.c.item_key == item_key, _is_listed)
    return connection.execute(query).scalar_one_or_none() or []


def counts(connection: Connection) -> list[tuple[TierOrder, ItemState, int]]:
    """Return how many items stand in each tier and state."""
    rows = connection.execute(
        select(item.c.tier_order, item.c.state, func.count())
        .where(_is_listed)
        .group_by(item.c.tier_order, item.c.state)
    )
    return [(TierOrder(tier), ItemState(state), int(n)) for tier, state, n in rows]


def item_keys(connection: Connection, *, due_at: datetime | None) -> Sequence[str]:
    """
    Return the keys of all items on the live list, or of those that time alone changes by a moment, settled ones too.

    What a model has lifted comes first: when it is suspended, the order is right as soon as these are ranked anew.
    """
    where = _is_listed if due_at is None else item.c.due_at <= due_at
    query = select(item.c.item_key).where(where).order_by(item.c.harm_rate.desc(), item.c.tier_order)
    return connection.execute(query).scalars().all()


def touch_items(connection: Connection, keys: Collection[str]) -> None:
    """Raise the versions of items of which nothing here changed, but what is shown with them did: who somebody is."""
    where = item.c.item_key.in_(list(keys)) & _has_studies
    values = {"item_version": item.c.item_version + 1, "change": _next_change(connection)}
    connection.execute(update(item).where(where).values(values))


def expired(connection: Connection) -> dict[TierOrder, int]:
    """Return how many items of each tier of people wait beyond their cap."""
    rows = connection.execute(_EXPIRED)
    return {TierOrder(tier): int(n) for tier, n in rows}


def list_version(connection: Connection) -> int:
    """Return a number that grows with every change of any item."""
    return int(connection.execute(_LAST_CHANGE).scalar_one())


def last_ranked_at(connection: Connection) -> datetime | None:
    """Return when the order was last decided anew."""
    at = connection.execute(_LAST_RANKED_AT).scalar_one()
    return utc(at) if at is not None else None


def _as_utc(value: Any) -> Any:
    return utc(value) if isinstance(value, datetime) else value


def _as_json(views: Any) -> Any:
    return [{k: list(v) if isinstance(v, tuple) else v for k, v in view.items()} for view in views]
