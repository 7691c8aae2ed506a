"""
The register: which model versions exist, and what influence a person gave each of them on each pathway.

The tables are the truth; the events `model-activated` and `model-suspended` only say that something changed. So an
event that somebody forges, a pathway file, a setting or a restart raises nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select

from voorrang import outbox
from voorrang.errors import ConfigurationError
from voorrang.events.envelope import Event, event_id
from voorrang.events.records import ModelActivated, ModelIdentity, ModelSuspended, Tier
from voorrang.outbox import insert_once
from voorrang.pathways.pathway import ModelUse, Pathway
from voorrang.purpose import Purpose
from voorrang.statement import Shows
from voorrang.tables import model_activation, model_version, operator_log
from voorrang.topics import topic_of

SERVICE = "register"


class Influence(StrEnum):
    """What a model may do: nothing seen, shown, or shown and moving the order."""

    NONE = "none"
    DISPLAY = "display"
    RANK = "rank"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, in which role, and why."""

    actor: str
    role: str
    reason: str


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered model version, the words that every result of it carries, and how much of a result is shown."""

    model_id: str
    version: str
    weights_digest: str
    statement: str
    shows: Shows = Shows.MEASURE


@dataclass(frozen=True, slots=True)
class Activation:
    """
    The latest decision about one model on one pathway; harm in harm units per minute of waiting.

    `read_within_minutes` is None where the decision was made before it was written down: then nothing is quick.
    """

    activation: int
    pathway: str
    model: ModelVersion
    influence: Influence
    operating_point: float
    lift_to: Tier
    harm_per_minute: float
    reading_minutes: float
    calibration_digest: str | None
    read_within_minutes: float | None = None


def register_model(connection: Connection, model: ModelVersion, now: datetime) -> ModelVersion:
    """Write a model version down, without influence; return what is registered: the first time counts."""
    insert_once(
        connection,
        model_version,
        {
            "model_id": model.model_id,
            "version": model.version,
            "weights_digest": model.weights_digest,
            "statement": model.statement,
            "shows": model.shows.value,
            "registered_at": now,
        },
    )
    return _registered_as(connection, model)


def registered(connection: Connection, model_id: str | None = None) -> list[ModelVersion]:
    """Return the registered versions, oldest first; of one model or of all."""
    query = select(model_version).order_by(model_version.c.id)
    if model_id is not None:
        query = query.where(model_version.c.model_id == model_id)
    return [_version(row) for row in connection.execute(query)]


def _registered_as(connection: Connection, model: ModelVersion) -> ModelVersion:
    """Return a version with what was registered for it, whatever is said of it now."""
    for known in registered(connection, model.model_id):
        if (known.version, known.weights_digest) == (model.version, model.weights_digest):
            return known
    raise ConfigurationError(f"{model.model_id} {model.version} is not registered: `voorrang model add` first")


def activate(
    connection: Connection,
    pathway: Pathway,
    model: ModelVersion,
    influence: Influence,
    by: Actor,
    now: datetime,
    envelope: EnvelopeFacts,
    calibration_digest: str | None = None,
) -> Activation:
    """
    Give a registered version an influence on a pathway, with what the pathway file says today.

    Raises
    ------
    ConfigurationError
        When the actor is missing, the version is not registered, or the pathway does not name the model.
    """
    require_actor(by)
    model = _registered_as(connection, model)
    use = require_use(pathway, model.model_id)
    values = {
        "influence": influence.value,
        "operating_point": use.operating_point,
        "lift_to": pathway.delay.lift_to,
        "harm_per_minute": pathway.delay.harm_per_minute,
        "reading_minutes": pathway.reading.minutes,
        "calibration_digest": calibration_digest,
        "read_within_minutes": pathway.delay.read_within_minutes,
    }
    number = _decide(connection, pathway.name, model, values, by, now)
    record = ModelActivated(activation=number, pathway=pathway.name, model=_identity(model), **values)
    _announce(connection, record, model, now, envelope)
    return _latest(connection)[pathway.name, model.model_id]


def require_use(pathway: Pathway, model_id: str) -> ModelUse:
    """
    Return how a pathway uses a model.

    Raises
    ------
    ConfigurationError
        When its file does not name the model; the message says what to do.
    """
    use = pathway.model_use(model_id)
    if use is None:
        raise ConfigurationError(
            f"pathway {pathway.name} does not name model {model_id}: write {{name: {model_id}, operating_point: …}} "
            "under `models` of its file in the folder of VOORRANG_PATHWAYS_DIR, restart the services, then activate "
            "(docs/pathway-files.md)"
        )
    return use


def suspend(
    connection: Connection, pathway: str, model_id: str, by: Actor, now: datetime, envelope: EnvelopeFacts
) -> Activation:
    """
    Take a model's influence on a pathway away.

    Raises
    ------
    ConfigurationError
        When the actor is missing, or the model was never activated there.
    """
    require_actor(by)
    current = _latest(connection).get((pathway, model_id))
    if current is None:
        raise ConfigurationError(f"{model_id} was never activated on pathway {pathway}")
    values = {
        "influence": Influence.NONE.value,
        "operating_point": current.operating_point,
        "lift_to": current.lift_to,
        "harm_per_minute": current.harm_per_minute,
        "reading_minutes": current.reading_minutes,
        "calibration_digest": current.calibration_digest,
        "read_within_minutes": current.read_within_minutes,
    }
    number = _decide(connection, pathway, current.model, values, by, now)
    record = ModelSuspended(activation=number, pathway=pathway, model=_identity(current.model))
    _announce(connection, record, current.model, now, envelope)
    return _latest(connection)[pathway, model_id]


def activations(connection: Connection) -> list[Activation]:
    """Return the latest decision about every model on every pathway."""
    return list(_latest(connection).values())


def decisions(connection: Connection, model_id: str) -> list[dict[str, Any]]:
    """Return every decision ever made about a model, oldest first, with who made it and why."""
    query = (
        select(model_activation).where(model_activation.c.model_id == model_id).order_by(model_activation.c.activation)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def revision(connection: Connection) -> int:
    """Return a number that grows with every decision: cheap to compare."""
    return int(connection.execute(_REVISION).scalar_one())


@dataclass(frozen=True, slots=True)
class Standing:
    """What a model may do on a pathway now; `banner` says why where it does not move the order."""

    influence: Influence
    activation: Activation | None
    banner: str | None


def standing_of(
    activations: Sequence[Activation], pathway: Pathway, model_id: str, calibrations: Collection[str] = ()
) -> Standing:
    """
    Decide what the activated version of a model may do on a pathway, whoever answers.

    Parameters
    ----------
    activations
        The latest decisions.
    pathway
        The pathway as its file says today.
    model_id
        The model.
    calibrations
        Digests of the calibrations that are kept here, unchanged.

    Returns
    -------
    Standing
        Influence none, with a banner, when there is no decision, when the model was suspended, or when the pathway
        file or the calibration differs from what was activated.
    """
    use = pathway.model_use(model_id)
    found = next((a for a in activations if (a.pathway, a.model.model_id) == (pathway.name, model_id)), None)
    if found is None or use is None:
        return Standing(
            Influence.NONE, None, f"{model_id} is not activated for {pathway.name}: the order is without it"
        )
    if found.influence is Influence.NONE:
        return Standing(Influence.NONE, found, f"{model_id} is suspended for {pathway.name}: the order is without it")
    if _asked(pathway, use) != _activated(found, pathway):
        text = f"pathway {pathway.name} differs from what was activated for {model_id}: the order is without it"
        return Standing(Influence.NONE, found, text)
    if found.calibration_digest is not None and found.calibration_digest not in calibrations:
        text = f"the calibration of {model_id} for {pathway.name} is gone or was changed: the order is without it"
        return Standing(Influence.NONE, found, text)
    if found.influence is Influence.DISPLAY:
        return Standing(Influence.DISPLAY, found, f"{model_id} is shown for {pathway.name} but moves nothing")
    return Standing(found.influence, found, None)


def _asked(pathway: Pathway, use: ModelUse) -> tuple[object, ...]:
    delay = pathway.delay
    return (
        use.operating_point,
        delay.lift_to,
        delay.harm_per_minute,
        pathway.reading.minutes,
        delay.read_within_minutes,
    )


def _activated(found: Activation, pathway: Pathway) -> tuple[object, ...]:
    # A decision of before targets were written down differs in nothing else; its flags have no target.
    target = found.read_within_minutes if found.read_within_minutes is not None else pathway.delay.read_within_minutes
    return found.operating_point, found.lift_to, found.harm_per_minute, found.reading_minutes, target


@dataclass(frozen=True, slots=True)
class EnvelopeFacts:
    """What the register's events say of where they come from."""

    purpose: Purpose
    site: str


def _latest_query() -> Select[Any]:
    a, v = model_activation.c, model_version.c
    newest = select(func.max(a.activation)).group_by(a.pathway, a.model_id)
    same = (a.model_id == v.model_id) & (a.version == v.version) & (a.weights_digest == v.weights_digest)
    joined = select(model_activation, v.statement, v.shows).join_from(model_activation, model_version, same)
    return joined.where(a.activation.in_(newest))


# Made once: it is asked for with each event, and making a statement costs more than running it.
_LATEST = _latest_query()
_REVISION = select(func.coalesce(func.max(model_activation.c.activation), 0))


def _version(row: Row[Any]) -> ModelVersion:
    return ModelVersion(row.model_id, row.version, row.weights_digest, row.statement, Shows(row.shows))


def _latest(connection: Connection) -> dict[tuple[str, str], Activation]:
    return {
        (r.pathway, r.model_id): Activation(
            r.activation,
            r.pathway,
            _version(r),
            Influence(r.influence),
            r.operating_point,
            r.lift_to,
            r.harm_per_minute,
            r.reading_minutes,
            r.calibration_digest,
            r.read_within_minutes,
        )
        for r in connection.execute(_LATEST)
    }


def _decide(
    connection: Connection,
    pathway: str,
    model: ModelVersion,
    values: dict[str, Any],
    by: Actor,
    now: datetime,
) -> int:
    row = {
        "pathway": pathway,
        "model_id": model.model_id,
        "version": model.version,
        "weights_digest": model.weights_digest,
        **values,
        "actor": by.actor,
        "role": by.role,
        "reason": by.reason,
        "at": now,
    }
    key = connection.execute(insert(model_activation).values(**row)).inserted_primary_key
    connection.execute(
        insert(operator_log).values(
            at=now,
            actor=by.actor,
            role=by.role,
            action=f"model influence {values['influence']}",
            subject=f"{pathway}/{model.model_id} {model.version}",
            detail=by.reason,
        )
    )
    return int(key[0]) if key else 0


def _announce(
    connection: Connection,
    record: ModelActivated | ModelSuspended,
    model: ModelVersion,
    now: datetime,
    envelope: EnvelopeFacts,
) -> None:
    event = Event(
        id=event_id(record.event_type, record.activation),
        source=SERVICE,
        type=record.event_type,
        time=now,
        subject=model.model_id,
        traceparent="",
        purpose=envelope.purpose,
        site=envelope.site,
        patient_key="",
        order_key="",
        data=record,
    )
    outbox.append(connection, SERVICE, topic_of(record).name, event, now)


def _identity(model: ModelVersion) -> ModelIdentity:
    return ModelIdentity(model_id=model.model_id, version_label=model.version, weights_digest=model.weights_digest)


def require_actor(by: Actor) -> None:
    """
    Check that a decision says who, in which role and why.

    Raises
    ------
    ConfigurationError
        When one of them is missing.
    """
    if not by.actor.strip() or not by.role.strip() or not by.reason.strip():
        raise ConfigurationError("a decision has an actor, a role and a reason: --actor, --role, --reason")
