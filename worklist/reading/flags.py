"""Flags that the list shows and that nobody looks after yet: which of them on-call radiology may have to be told of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from voorrang.database import Connection
from worklist import facts_store, item_store
from worklist.reading import calls, log, shown
from worklist.reading.calls import Call
from worklist.reading.escalating import CallState, WhyEnded
from worklist.reading.log import Act, Decision

LOOK_BACK = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class UnreadFlag:
    """A flag that the list shows: since when, and since when nobody has read it, as far as is known."""

    item_key: str
    pathway: str
    model_id: str
    flagged_at: datetime
    unread_since: datetime

    @property
    def key(self) -> tuple[str, str, str]:
        """What a call is about."""
        return self.item_key, self.pathway, self.model_id


def new_flags(connection: Connection, pathways: Collection[str], now: datetime) -> list[UnreadFlag]:
    """Return the flags that nobody has begun to look after: new ones, and those that came back or came anew."""
    found = shown.newly_flagged(connection, pathways, now - LOOK_BACK)
    lines = log.decisions(connection, {item_key for item_key, *_ in found})
    flags = [
        UnreadFlag(item_key, pathway, model_id, at, _unread_since(lines.get(item_key, ()), at))
        for item_key, pathway, model_id, at in found
    ]
    known = calls.known(connection, {flag.item_key for flag in flags})
    fresh = [
        flag
        for flag in flags
        if (call := known.get(flag.key)) is None or _is_anew(connection, lines.get(flag.item_key, ()), call, flag)
    ]
    return [
        flag for flag in fresh if not item_store.is_listed(connection, flag.item_key) or moves(connection, *flag.key)
    ]


def _dones(lines: Sequence[Decision]) -> list[Decision]:
    taken_back = log.undone(lines)
    return [line for line in lines if line.act is Act.DONE and line.id not in taken_back]


def _last_that_left_some(lines: Sequence[Decision]) -> Decision | None:
    """Return the last *done* of an item that was not about all of it: what it left was not seen by that reader."""
    return next((line for line in reversed(_dones(lines)) if line.detail.get("left")), None)


def _unread_since(lines: Sequence[Decision], flagged_at: datetime) -> datetime:
    left_some = _last_that_left_some(lines)
    return max(flagged_at, left_some.at) if left_some else flagged_at


def opened_since(lines: Sequence[Decision], flagged_at: datetime) -> bool:
    """Tell whether somebody opened an item since it is flagged, and has not read others of its studies alone."""
    left_some = _last_that_left_some(lines)
    begin = left_some.id if left_some else 0
    return any(line.act is Act.OPENED and line.at >= flagged_at and line.id > begin for line in lines)


def _is_anew(connection: Connection, lines: Sequence[Decision], call: Call, flag: UnreadFlag) -> bool:
    """Tell whether a flag was gone and is back, or is of a study that nobody saw with what was flagged before."""
    if call.state is CallState.WAITING or flag.unread_since <= call.flagged_at:
        return False
    if call.why is WhyEnded.UNFLAGGED:
        return True
    if any(call.flagged_at <= done.at <= flag.unread_since for done in _dones(lines)):
        return True
    seen = [line.at for line in lines if line.act in (Act.OPENED, Act.ACKNOWLEDGED)]
    came_at = _came_at(connection, flag)
    return came_at is not None and came_at > max([call.flagged_at, *seen])


def _came_at(connection: Connection, flag: UnreadFlag) -> datetime | None:
    """Return when the study of a flag began to come; None where it is not known which that is."""
    series = shown.flagged_series(connection, *flag.key)
    studies = facts_store.item_facts(connection, flag.item_key).studies
    mine = (one for one in studies if series in {claim.series_instance_uid for claim in one.claims})
    return next((one.first_received_at for one in mine), None)


def moves(connection: Connection, item_key: str, pathway: str, model_id: str) -> bool:
    """Tell whether a flag moves its item: of what is only displayed nobody is told."""
    views = item_store.view_of(connection, item_key)
    return any(view["lift"] and (view["pathway"], view["model_id"]) == (pathway, model_id) for view in views)
