"""The envelope: CloudEvents 1.0 attributes, the purpose, the site and the opaque keys."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from voorrang.errors import InvalidMessageError
from voorrang.events.record import in_utc
from voorrang.events.records import RECORDS, Record
from voorrang.purpose import Purpose

SPEC_VERSION = "1.0"
_NAMESPACE = uuid.UUID("6f1f6f9e-6c1b-5d0a-9f57-0b7d8f0f7a11")
_SCHEMA = re.compile(r"urn:voorrang:([a-z-]+):([0-9]{1,6})")
_ID = re.compile(r"[!-~]{1,64}")  # what a receipt has room for: one that cannot be written ends whoever reads it
_BY_NAME = {(record.event_type, record.version): record for record in RECORDS}

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Event(Generic[R]):
    """
    One event. `subject` is also the message key: the StudyInstanceUID, or the key of an order or a patient.

    The id is derived from what the event says, so that the same fact announced twice is one event.
    """

    id: str
    source: str
    type: str
    time: datetime
    subject: str
    traceparent: str
    purpose: Purpose
    site: str
    patient_key: str
    order_key: str
    data: R


def event_id(event_type: str, *facts: str | int) -> str:
    """Return the id of a fact: the same facts give the same id."""
    return str(uuid.uuid5(_NAMESPACE, "|".join([event_type, *map(str, facts)])))


def encode(event: Event[Any]) -> bytes:
    """Return an event as JSON bytes (CloudEvents structured mode)."""
    values = {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": event.time.astimezone(UTC).isoformat(),
        "subject": event.subject,
        "dataschema": f"urn:voorrang:{event.data.event_type}:{event.data.version}",
        "datacontenttype": "application/json",
        "traceparent": event.traceparent,
        "purpose": event.purpose.value,
        "site": event.site,
        "patient_key": event.patient_key,
        "order_key": event.order_key,
        "data": event.data.model_dump(mode="json"),
    }
    return json.dumps(values, separators=(",", ":")).encode()


def decode(payload: bytes) -> Event[Any]:
    """
    Read an event back.

    Raises
    ------
    InvalidMessageError
        Code `not_json`, `bad_envelope`, `unknown_schema` or `bad_data`: retrying would not help.
    """
    try:
        values = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise InvalidMessageError("not_json", type(error).__name__) from error
    if not isinstance(values, dict):
        raise InvalidMessageError("not_json", "not an object")
    record = _record_of(values.get("dataschema"))
    try:
        data = record.model_validate(values.get("data"))
    except ValidationError as error:
        raise InvalidMessageError("bad_data", f"{error.error_count()} fields of {record.event_type}") from error
    return _envelope(values, record, data)


def _record_of(schema: object) -> type[Record]:
    match = _SCHEMA.fullmatch(schema) if isinstance(schema, str) else None
    record = _BY_NAME.get((match[1], int(match[2]))) if match else None
    if record is None:
        raise InvalidMessageError("unknown_schema", str(schema)[:80])
    return record


def _envelope(values: dict[str, Any], record: type[Record], data: Record) -> Event[Any]:
    try:
        if values["specversion"] != SPEC_VERSION or values["type"] != record.event_type:
            raise ValueError("specversion or type")
        return Event(
            id=_id(values),
            source=_text(values, "source"),
            type=_text(values, "type"),
            time=_time(values["time"]),
            subject=_text(values, "subject"),
            traceparent=_text(values, "traceparent", may_be_empty=True),
            purpose=Purpose(values["purpose"]),
            site=_text(values, "site"),
            patient_key=_text(values, "patient_key", may_be_empty=True),
            order_key=_text(values, "order_key", may_be_empty=True),
            data=data,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidMessageError("bad_envelope", f"{type(error).__name__}: {error}") from error


def _id(values: dict[str, Any]) -> str:
    found = _text(values, "id")
    if not _ID.fullmatch(found):
        raise ValueError("id")
    return found


def _text(values: dict[str, Any], name: str, *, may_be_empty: bool = False) -> str:
    # Never str(value): an `order_key` of null would make one order of everything that has none.
    value = values[name]
    if not isinstance(value, str) or not (value or may_be_empty):
        raise ValueError(name)
    return value


def _time(value: str) -> datetime:
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        raise ValueError("time without zone")
    return in_utc(time)
