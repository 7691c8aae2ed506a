"""Writes an operator's act down: a row of the log and an event, in the transaction of what it changes."""

from __future__ import annotations

from ingest import operating_store, store
from ingest.desk import Desk
from voorrang import outbox
from voorrang.database import Connection
from voorrang.errors import ConfigurationError
from voorrang.events.envelope import Event, event_id
from voorrang.events.records import OperatorAction, OperatorVerb, Record
from voorrang.register import Actor, require_actor
from voorrang.topics import topic_of

SERVICE = "ingest"
MAX_ACTOR, MAX_ROLE, MAX_REASON = 128, 64, 900  # what the log's columns hold, beside an outcome


def check_actor(by: Actor) -> None:
    """
    Check that an act says who, in which role and why, before anything is done.

    Raises
    ------
    ConfigurationError
        When one of them is missing, or too long to be written down whole.
    """
    require_actor(by)
    for name, limit in (("actor", MAX_ACTOR), ("role", MAX_ROLE), ("reason", MAX_REASON)):
        if len(getattr(by, name)) > limit:
            raise ConfigurationError(f"--{name} is longer than {limit} characters: say it shorter")


def audit_study(
    desk: Desk,
    connection: Connection,
    verb: OperatorVerb,
    by: Actor,
    study: store.StudyRow,
    series_instance_uid: str | None = None,
    outcome: str = "",
) -> None:
    """Write an act on a study, or on one series of it."""
    uid = study.study_instance_uid
    subject = f"{uid}/{series_instance_uid}" if series_instance_uid else uid
    number = _log(desk, connection, verb, by, subject, outcome)
    record = _record(desk, verb, by, study_instance_uid=uid, series_instance_uid=series_instance_uid)
    announce(desk, connection, record, study, (number,))


def audit_refusal(
    desk: Desk, connection: Connection, verb: OperatorVerb, by: Actor, refusal_id: int, outcome: str = ""
) -> None:
    """Write an act on what lies in quarantine: no study is named, since what was refused may name any."""
    subject = f"refusal {refusal_id}"
    number = _log(desk, connection, verb, by, subject, outcome)
    _append(desk, connection, _record(desk, verb, by), None, f"refusal-{refusal_id}", (number,), None)


def audit_message(
    desk: Desk, connection: Connection, verb: OperatorVerb, by: Actor, message_id: int, outcome: str = ""
) -> None:
    """Write an act on a refused message of orders and reports; whom it is about is not named."""
    subject = f"message {message_id}"
    number = _log(desk, connection, verb, by, subject, outcome)
    _append(desk, connection, _record(desk, verb, by), None, f"message-{message_id}", (number,), None)


def announce(
    desk: Desk,
    connection: Connection,
    record: Record,
    study: store.StudyRow,
    facts: tuple[str | int, ...],
    lane: str | None = None,
) -> None:
    """Write an event about a study into ingest's outbox."""
    _append(desk, connection, record, study, study.study_instance_uid, facts, lane)


def _append(
    desk: Desk,
    connection: Connection,
    record: Record,
    study: store.StudyRow | None,
    subject: str,
    facts: tuple[str | int, ...],
    lane: str | None,
) -> None:
    now = desk.clock.now()
    event = Event(
        id=event_id(record.event_type, *facts),
        source=SERVICE,
        type=record.event_type,
        time=now,
        subject=subject,
        traceparent=desk.keys.traceparent(subject),
        purpose=study.purpose if study else desk.settings.purpose,
        site=desk.settings.site,
        patient_key=study.patient_key if study else "",
        order_key=study.order_key if study else "",
        data=record,
    )
    outbox.append(connection, SERVICE, topic_of(record, lane).name, event, now)


def _log(desk: Desk, connection: Connection, verb: OperatorVerb, by: Actor, subject: str, outcome: str) -> int:
    detail = f"{by.reason} [{outcome}]" if outcome else by.reason
    return operating_store.log_act(connection, desk.clock.now(), by, verb, subject, detail)


def _record(
    desk: Desk,
    verb: OperatorVerb,
    by: Actor,
    study_instance_uid: str | None = None,
    series_instance_uid: str | None = None,
) -> OperatorAction:
    return OperatorAction(
        action=verb,
        actor=by.actor,
        role=by.role,
        reason=by.reason,
        at=desk.clock.now(),
        study_instance_uid=study_instance_uid,
        series_instance_uid=series_instance_uid,
    )
