"""The facts of one item, joined from the rows that tell them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select

from voorrang.clock import utc
from voorrang.database import Connection
from voorrang.events.records import FindingsScored
from worklist.answer_store import SCORED
from worklist.facts import ClaimFacts, ItemFacts, RejectedFacts, StudyFacts
from worklist.ordering.tiers import TierOrder
from worklist.orders import store as orders
from worklist.tables import answer, confirmation, study

HUMAN_TIER_WITHOUT_ORDER = TierOrder.ROUTINE.tier

# Made once: making a statement, and the key by which SQLAlchemy finds it compiled, costs more than running it.
_STUDIES = select(study).where(study.c.item_key == bindparam("key")).order_by(study.c.study_instance_uid)
_ANSWERS = (
    select(*(answer.c[n] for n in ("study_instance_uid", "series_revision", "run", "record")), *SCORED)
    .where(answer.c.study_instance_uid.in_(bindparam("uids", expanding=True)))
    .order_by(answer.c.series_instance_uid, answer.c.pathway, answer.c.model_id, answer.c.version)
)
_CONFIRMED = select(confirmation).where(confirmation.c.study_instance_uid.in_(bindparam("uids", expanding=True)))


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
