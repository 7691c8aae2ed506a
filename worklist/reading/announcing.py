"""Says what readers did, in events: each in the transaction of the decision that it tells."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from voorrang.database import Connection
from voorrang.events.reading_records import (
    FindingAcknowledged,
    FindingEscalated,
    FindingJudged,
    HowOpened,
    Judgement,
    ReadingClosed,
    ReadingOpened,
    ShownAnswer,
    WhyClosed,
)
from voorrang.runtime import Runtime
from worklist import facts_store
from worklist.facts import ItemFacts
from worklist.origins import origin_of
from worklist.reading.claims import Claim
from worklist.reading.log import ITSELF, Decision, Reader

Shown = tuple[ShownAnswer, ...] | None


def opened(runtime: Runtime, connection: Connection, held: Claim, how: HowOpened, ai_shown: Shown) -> None:
    """Say that a reader opened an item."""
    facts = facts_store.item_facts(connection, held.item_key)
    record = ReadingOpened(
        reading=held.reading,
        item_key=held.item_key,
        study_instance_uids=_uids(facts),
        how=how,
        actor=held.actor,
        role=held.role,
        opened_at=held.opened_at,
        until=held.until,
        ai_shown=ai_shown,
    )
    runtime.announce(connection, record, origin_of(runtime, facts), (held.reading,))


def closed(
    runtime: Runtime,
    connection: Connection,
    item_key: str,
    reading: int | None,
    why: WhyClosed,
    by: Reader,
    at: datetime,
    fact: str | int,
) -> None:
    """Say that a reading ended, once for each `fact`: the decision, or when what ended it happened."""
    facts = facts_store.item_facts(connection, item_key)
    who = Reader("", "") if by == ITSELF else by
    record = ReadingClosed(
        reading=reading,
        item_key=item_key,
        study_instance_uids=_uids(facts),
        why=why,
        actor=who.actor,
        role=who.role,
        closed_at=at,
    )
    runtime.announce(connection, record, origin_of(runtime, facts), (item_key, why, fact))


def judged(
    runtime: Runtime,
    connection: Connection,
    line: Decision,
    judgement: Judgement,
    ai_shown: Shown,
    undoes: int | None = None,
) -> None:
    """Say what a reader thinks of what AI had shown."""
    facts = facts_store.item_facts(connection, line.item_key)
    record = FindingJudged(
        decision=line.id,
        item_key=line.item_key,
        study_instance_uids=_uids(facts),
        judgement=judgement,
        because=line.detail.get("because"),
        undoes=undoes,
        actor=line.actor,
        role=line.role,
        judged_at=line.at,
        ai_shown=ai_shown,
        voided_by=line.detail.get("voided_by", ""),
    )
    runtime.announce(connection, record, origin_of(runtime, facts), (line.id,))


def acknowledged(
    runtime: Runtime, connection: Connection, item_key: str, number: int, by: Reader, at: datetime
) -> None:
    """Say that somebody takes a critical finding."""
    facts = facts_store.item_facts(connection, item_key)
    record = FindingAcknowledged(
        decision=number,
        item_key=item_key,
        study_instance_uids=_uids(facts),
        actor=by.actor,
        role=by.role,
        acknowledged_at=at,
    )
    runtime.announce(connection, record, origin_of(runtime, facts), (number,))


def escalated(runtime: Runtime, connection: Connection, item_key: str, **values: Any) -> None:
    """Say that on-call radiology was told."""
    facts = facts_store.item_facts(connection, item_key)
    record = FindingEscalated(item_key=item_key, study_instance_uids=_uids(facts), **values)
    runtime.announce(connection, record, origin_of(runtime, facts), (record.escalation, record.step))


def _uids(facts: ItemFacts) -> tuple[str, ...]:
    return tuple(study.study_instance_uid for study in facts.studies)
