"""Operators' acts on a study or a series: each changes rows, and is written down in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ingest import operating_store, store
from ingest.auditing import announce, audit_study, check_actor
from ingest.desk import Desk
from ingest.looking_up import Target, targets
from ingest.reprocessing import begin_all, reprocess_claims
from voorrang.database import Connection
from voorrang.errors import ConfigurationError
from voorrang.events.records import OperatorVerb
from voorrang.register import Actor

Act = Callable[[Desk, Target, Actor], str]


def operate(desk: Desk, verb: OperatorVerb, asked: str, by: Actor) -> list[str]:
    """
    Do one act on everything that is meant; return what was done, in words.

    Parameters
    ----------
    desk
        What the act works with.
    verb
        Which act.
    asked
        A StudyInstanceUID, a SeriesInstanceUID or an accession number.
    by
        Who does it and why.

    Raises
    ------
    ConfigurationError
        When nobody is named, nothing is known under that name, it names several orders, or the act makes no sense.
    """
    check_actor(by)
    with desk.database.read() as connection:
        found = targets(connection, asked)
    if not found:
        raise ConfigurationError(
            f"nothing is known of {asked}: give a StudyInstanceUID, a SeriesInstanceUID or an accession number"
        )
    if len({target.order_key for target in found}) > 1:
        uids = ", ".join(target.study_instance_uid for target in found)
        raise ConfigurationError(f"{asked} is the number of several orders: name one study by its UID, of {uids}")
    return [_ACTS[verb](desk, target, by) for target in found]


def force_complete(desk: Desk, target: Target, by: Actor) -> str:
    """Let open claims go on with the instances that are there."""

    def act(connection: Connection, study: store.StudyRow) -> str:
        """Mark the claims."""
        if study.suppressed:
            raise ConfigurationError(f"{_name(target)} is suppressed: `voorrang ingest reprocess` ends that")
        count = operating_store.force(connection, target, desk.clock.now())
        if not count:
            raise ConfigurationError(
                f"{_name(target)} waits for no more images: `voorrang where` says what it waits for"
            )
        return f"{count} open {'claim goes' if count == 1 else 'claims go'} on with the images that are there"

    return _write(desk, "force-complete", target, by, act)


def reprocess(desk: Desk, target: Target, by: Actor) -> str:
    """Ask the models once more about what is complete; a study that was suppressed is so no longer."""
    with desk.database.read() as connection:
        claims = operating_store.claims_of(connection, target)
        suppressed = store.study_row(connection, target.study_instance_uid).suppressed
    runs = reprocess_claims(desk, claims, may_be_none=suppressed)

    def act(connection: Connection, study: store.StudyRow) -> str:
        """Begin the runs and announce them."""
        lifted = operating_store.suppress(connection, target.study_instance_uid, None)
        for record in begin_all(connection, runs, desk.clock.now()):
            facts = (record.series_instance_uid, record.series_revision, record.pathway, record.run)
            announce(desk, connection, record, study, facts, record.lane)
        words = ", ".join(f"{run.claim.pathway} once more" for run in runs)
        return "; ".join(filter(None, ("no longer suppressed" if lifted else "", words)))

    return _write(desk, "reprocess", target, by, act)


def resend(desk: Desk, target: Target, by: Actor) -> str:
    """Publish the events of a study again; consumers that have them already change nothing."""

    def act(connection: Connection, study: store.StudyRow) -> str:
        """Give the events to the relay."""
        left_out = operating_store.COMPLETED_TOPICS if study.suppressed else ()
        topics = [topic for topic in operating_store.STUDY_TOPICS if topic not in left_out]
        count = operating_store.put_up_again(connection, target.study_instance_uid, topics)
        if not count:
            raise ConfigurationError(
                f"{_name(target)}: no event of it is in the outbox any more (answered ones are kept 7 days); "
                "`voorrang ingest reprocess` makes a new one"
            )
        note = ", without series-completed: it is suppressed" if study.suppressed else ""
        return f"{count} events are published again{note}"

    return _write(desk, "resend", target, by, act)


def suppress(desk: Desk, target: Target, by: Actor) -> str:
    """Announce a study's series to inference no more; the list keeps it."""

    def act(connection: Connection, _: store.StudyRow) -> str:
        """Mark the study, and withdraw what is on its way."""
        now = desk.clock.now()
        if not operating_store.suppress(connection, target.study_instance_uid, now):
            raise ConfigurationError(f"{_name(target)} is suppressed already; `voorrang ingest reprocess` ends that")
        operating_store.withdraw(connection, target.study_instance_uid, now)
        return "its series are announced to inference no more; the list keeps it, without a result of AI"

    return _write(desk, "suppress", target, by, act)


def hold(desk: Desk, target: Target, by: Actor) -> str:
    """Keep a study from retention."""
    return _write(desk, "hold", target, by, _holding(target, held=True))


def release(desk: Desk, target: Target, by: Actor) -> str:
    """Leave a study to retention again."""
    return _write(desk, "release", target, by, _holding(target, held=False))


def _holding(target: Target, *, held: bool) -> Callable[[Connection, store.StudyRow], str]:
    def act(connection: Connection, _: store.StudyRow) -> str:
        """Mark the study."""
        if not operating_store.hold(connection, target.study_instance_uid, held):
            raise ConfigurationError(f"{_name(target)} is {'held already' if held else 'not held'}")
        return "held: retention leaves it alone" if held else "released: retention may take it in its turn"

    return act


def _write(
    desk: Desk, verb: OperatorVerb, target: Target, by: Actor, act: Callable[[Connection, store.StudyRow], str]
) -> str:
    whole_study = verb not in ("force-complete", "reprocess")
    series = None if whole_study else target.series_instance_uid
    with desk.database.write() as connection:
        study = store.study_row(connection, target.study_instance_uid)
        words = act(connection, study)
        audit_study(desk, connection, verb, by, study, series)
    return f"study {target.study_instance_uid}: {words}" if series is None else f"series {series}: {words}"


def _name(target: Target) -> str:
    if target.series_instance_uid is not None:
        return f"series {target.series_instance_uid}"
    return f"study {target.study_instance_uid}"


_ACTS: Mapping[OperatorVerb, Act] = {
    "force-complete": force_complete,
    "reprocess": reprocess,
    "resend": resend,
    "suppress": suppress,
    "hold": hold,
    "release": release,
}
