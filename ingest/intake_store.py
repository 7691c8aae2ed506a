"""Rows that intake writes, many at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, case, delete, func, insert, literal, select, update
from sqlalchemy.exc import DataError

from ingest.ledger import Position
from ingest.tables import claim, conflict, instance, position, refusal, series, study
from ingest.taking import ReceivedInstance, RefusedInstance
from voorrang.outbox import insert_once
from voorrang.purpose import Purpose

UNFIT = (ValueError, OverflowError, DataError)  # what drivers and databases raise for a value that they cannot hold


def read_position(connection: Connection, ledger: str) -> tuple[Position, int]:
    """Return how far a ledger was taken in, and how many accepted instances that were."""
    row = connection.execute(select(position).where(position.c.name == ledger)).first()
    return (Position(row.segment, row.offset), row.taken_in) if row else (Position(), 0)


def advance(connection: Connection, ledger: str, at: Position, counted: int) -> None:
    """Write how far a ledger was taken in, and that so many accepted instances more were."""
    values = {"name": ledger, "segment": at.segment, "offset": at.offset, "taken_in": counted}
    if insert_once(connection, position, values):
        return
    taken_in = position.c.taken_in + counted
    statement = update(position).where(position.c.name == ledger)
    connection.execute(statement.values(segment=at.segment, offset=at.offset, taken_in=taken_in))


@dataclass(frozen=True, slots=True)
class Inserted:
    """
    What became of instances, but for those that were there as they are.

    Parameters
    ----------
    new
        Had no row.
    raised
        Came for another purpose before, and have the row now.
    strange
        Lie beside instances of another series or study that have their UIDs: they have no row, and nobody reads them.
    again
        Have their row; somebody had removed the file, or a crash of the machine had torn it, and it was written anew.
    """

    new: list[ReceivedInstance] = field(default_factory=list)
    raised: list[ReceivedInstance] = field(default_factory=list)
    strange: list[ReceivedInstance] = field(default_factory=list)
    again: list[ReceivedInstance] = field(default_factory=list)


def insert_instances(connection: Connection, batch: Sequence[ReceivedInstance], served: Purpose) -> Inserted:
    """
    Write the rows of instances.

    One that has the SOP Instance UID of another, with other bytes or in another series or study, is a conflict: it
    gets a row beside. What comes for the purpose that is served takes the place of what came for another, which gets
    the row beside then.
    """
    done = _sort_out(connection, batch, served)
    if done.again:
        locators = [one.locator for one in done.again]
        connection.execute(update(instance).where(instance.c.locator.in_(locators)).values(content_sha256=""))
    if done.raised:
        uids = [one.sop_instance_uid for one in done.raised]
        connection.execute(delete(conflict).where(conflict.c.locator.in_([one.locator for one in done.raised])))
        connection.execute(delete(instance).where(instance.c.sop_instance_uid.in_(uids)))
    if done.new or done.raised:
        connection.execute(insert(instance), [_row(one) for one in (*done.new, *done.raised)])
    return done


def _sort_out(connection: Connection, batch: Sequence[ReceivedInstance], served: Purpose) -> Inserted:
    """Tell what becomes of instances, and write down those that lie beside others."""
    known = _known(connection, {one.sop_instance_uid for one in batch})
    done = Inserted()
    for one in batch:
        mine = _Held.of(one)
        held = known.get(one.sop_instance_uid)
        if held is None and not one.is_conflict:
            done.new.append(one)
        elif held is not None and mine.purpose is served and held.purpose is not served:
            done.raised.append(one)
            if held.locator != mine.locator:
                _put_beside(connection, one, held)
        else:
            if held is not None and held.locator == mine.locator and one.outcome == "new":
                done.again.append(one)
            if held is None or held.locator != mine.locator:
                _put_beside(connection, one, mine)
                if held is not None and held.whose != mine.whose:
                    done.strange.append(one)
            continue
        known[one.sop_instance_uid] = mine
    return done


@dataclass(frozen=True, slots=True)
class _Held:
    """What has a SOP Instance UID: its file, what it came for, and its study and series."""

    locator: str
    purpose: Purpose
    whose: tuple[str, str]

    @classmethod
    def of(cls, one: ReceivedInstance) -> _Held:
        """Return what an instance has."""
        return cls(one.locator, one.purpose, (one.study_instance_uid, one.series_instance_uid))


def _known(connection: Connection, sop_instance_uids: Collection[str]) -> dict[str, _Held]:
    i = instance.c
    rows = connection.execute(
        select(i.sop_instance_uid, i.locator, i.purpose, i.series_instance_uid, series.c.study_instance_uid)
        .outerjoin(series, series.c.series_instance_uid == i.series_instance_uid)
        .where(i.sop_instance_uid.in_(sop_instance_uids))
    )
    return {
        row.sop_instance_uid: _Held(
            row.locator, Purpose(row.purpose), (row.study_instance_uid, row.series_instance_uid)
        )
        for row in rows
    }


def _put_beside(connection: Connection, one: ReceivedInstance, which: _Held) -> None:
    """Write that one of two instances of a UID lies beside the other, since the one came."""
    values = {"locator": which.locator, "sop_instance_uid": one.sop_instance_uid, "received_at": one.received_at}
    whose = {"study_instance_uid": which.whose[0], "series_instance_uid": which.whose[1]}
    insert_once(connection, conflict, values | whose)


def touch_study(connection: Connection, batch: Sequence[ReceivedInstance], prior: bool) -> bool:
    """Write a study's row or widen its times by instances of it that came for its purpose; True when it is new."""
    first, last = _span(batch)
    one = batch[0]
    values = {
        "study_instance_uid": one.study_instance_uid,
        "study_version": 0,
        "purpose": one.purpose.value,
        "patient_key": one.patient_key,
        "order_key": one.order_key,
        "prior": prior,
        "first_received_at": first,
        "last_received_at": last,
    }
    is_new = insert_once(connection, study, values)
    if not is_new:
        _widen(connection, study, _serves(one), first, last)
    return is_new


def touch_known_study(connection: Connection, batch: Sequence[ReceivedInstance]) -> None:
    """Widen the times of a study by instances that were there already: it was sent again."""
    _widen(connection, study, _serves(batch[0]), *_span(batch))


def _serves(one: ReceivedInstance) -> ColumnElement[bool]:
    """Return whether a study is that of an instance, and the instance came for its purpose."""
    return (study.c.study_instance_uid == one.study_instance_uid) & (study.c.purpose == one.purpose.value)


def raise_study(connection: Connection, batch: Sequence[ReceivedInstance], prior: bool) -> bool:
    """
    Give a study the purpose that instances of it came for, and all that its row says from them.

    Returns
    -------
    bool
        Whether it had another purpose: it was sent for that one before; by whom, when and for whom does not count.
    """
    first, last = _span(batch)
    one = batch[0]
    values = {
        "purpose": one.purpose.value,
        "patient_key": one.patient_key,
        "order_key": one.order_key,
        "named_by": "",
        "prior": prior,
        "first_received_at": first,
        "last_received_at": last,
    }
    where = (study.c.study_instance_uid == one.study_instance_uid) & (study.c.purpose != one.purpose.value)
    return connection.execute(update(study).where(where).values(**values)).rowcount == 1


def add_series(connection: Connection, batch: Sequence[ReceivedInstance]) -> bool:
    """Write a series' row by instances of it; True when the series is new."""
    first, last = _span(batch)
    one = batch[0]
    values = {
        "series_instance_uid": one.series_instance_uid,
        "study_instance_uid": one.study_instance_uid,
        "modality": str(one.header_values.get("modality", ""))[:16],
        "first_received_at": first,
        "last_received_at": last,
        "revision": 0,
        "instances_digest": "",
        "sender": one.sender[:16],
    }
    return insert_once(connection, series, values)


def touch_series(connection: Connection, batch: Sequence[ReceivedInstance], *, serves: bool) -> bool:
    """
    Write a series' row or widen its times by instances of it; True when the series is new.

    What came for another purpose than the study's widens nothing: nobody waits for it.
    """
    is_new = add_series(connection, batch)
    if not is_new:
        mine = series.c.series_instance_uid == batch[0].series_instance_uid
        if serves:
            _widen(connection, series, mine, *_span(batch))
        connection.execute(update(series).where(mine, series.c.deleted_at.is_not(None)).values(deleted_at=None))
    return is_new


def raise_series(connection: Connection, batch: Sequence[ReceivedInstance]) -> None:
    """Give a series that came for another purpose before the sender that it comes from now: its rules hold."""
    one = batch[0]
    mine = series.c.series_instance_uid == one.series_instance_uid
    connection.execute(update(series).where(mine).values(sender=one.sender[:16]))


def open_claim(
    connection: Connection, series_instance_uid: str, pathway: str, at: datetime, *, has_images: bool = True
) -> bool:
    """
    Open a pathway's claim on a series, or open it again for late instances; False when it was open.

    On a series without images that could be read it is made and not open: on the list the answer is late.
    """
    key = {"series_instance_uid": series_instance_uid, "pathway": pathway}
    fresh = {
        "open": has_images,
        "began_at": at,
        "completed_revision": 0,
        "confirmed_revision": 0,
        "answered_revision": 0,
    }
    if insert_once(connection, claim, key | fresh):
        return True
    where = (claim.c.series_instance_uid == series_instance_uid) & (claim.c.pathway == pathway) & ~claim.c.open
    if not has_images:
        return False
    return connection.execute(update(claim).where(where).values(open=True, began_at=at)).rowcount == 1


def count_beside(connection: Connection, series_instance_uid: str) -> int:
    """Return how many instances of a series lie beside others of their UIDs."""
    where = conflict.c.series_instance_uid == series_instance_uid
    return int(connection.execute(select(func.count()).select_from(conflict).where(where)).scalar_one())


def record_refusal(connection: Connection, refused: RefusedInstance) -> None:
    """Write down an instance that was refused, and where its bytes are kept; once, while they wait for a person."""
    if refused.locator is not None:
        waits = (refusal.c.locator == refused.locator) & (refusal.c.settled == "")
        if connection.execute(select(refusal.c.id).where(waits)).first() is not None:
            return
    connection.execute(
        insert(refusal).values(
            reason=refused.reason,
            locator=refused.locator,
            at=refused.at,
            status=refused.status,
            sender=refused.sender[:16],
        )
    )


def _row(one: ReceivedInstance) -> dict[str, object]:
    return {
        "sop_instance_uid": one.sop_instance_uid,
        "series_instance_uid": one.series_instance_uid,
        "locator": one.locator,
        "size_bytes": one.size_bytes,
        "received_at": one.received_at,
        "header": one.header_values,
        "purpose": one.purpose.value,
    }


def _span(batch: Sequence[ReceivedInstance]) -> tuple[datetime, datetime]:
    times = [one.received_at for one in batch]
    return min(times), max(times)


def _widen(connection: Connection, table: Table, where: ColumnElement[bool], first: datetime, last: datetime) -> None:
    """Make the times of a row hold two others, in whatever order the instances are taken in."""
    begins, ends = table.c.first_received_at, table.c.last_received_at
    connection.execute(
        update(table)
        .where(where, (begins > first) | (ends < last))
        .values(
            first_received_at=case((begins > first, literal(first, begins.type)), else_=begins),
            last_received_at=case((ends < last, literal(last, ends.type)), else_=ends),
        )
    )
