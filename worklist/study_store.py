"""Rows of studies: what ingest says of them by the highest version, whose item they are, which were called done."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import bindparam, select, update

from voorrang.database import Connection
from voorrang.events.envelope import Event
from voorrang.events.records import StudyUpdated
from voorrang.outbox import insert_once
from worklist.orders import store as orders
from worklist.tables import study

_ITEM_KEY = select(study.c.item_key).where(study.c.study_instance_uid == bindparam("uid"))


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


def item_key_of(connection: Connection, study_instance_uid: str) -> str | None:
    """Return the key of the item that a study belongs to; None while the study is not known."""
    return connection.execute(_ITEM_KEY, {"uid": study_instance_uid}).scalar_one_or_none()


def set_done(connection: Connection, study_instance_uids: Collection[str]) -> None:
    """Write that studies are read because a reader says so; their items are to be closed, or ranked anew."""
    where = study.c.study_instance_uid.in_(study_instance_uids)
    connection.execute(update(study).where(where).values(done_by_hand=True))


def set_undone(connection: Connection, study_instance_uids: Collection[str]) -> list[str]:
    """Take back that studies are read; return the items that have them now, to be ranked anew."""
    where = study.c.study_instance_uid.in_(study_instance_uids) & study.c.done_by_hand
    keys = connection.execute(select(study.c.item_key).where(where).distinct().order_by(study.c.item_key))
    found = list(keys.scalars())
    connection.execute(update(study).where(where).values(done_by_hand=False))
    return found
