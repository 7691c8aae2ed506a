"""Makes what tests are about, with defaults for everything they are not about."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.fakes import InMemoryBroker
from voorrang import register
from voorrang.archive import Archive
from voorrang.clock import Clock, ManualClock
from voorrang.database import Database
from voorrang.events.envelope import Event, event_id
from voorrang.events.records import (
    Claim,
    FindingsScored,
    ModelIdentity,
    Record,
    ScoredFinding,
    ScoringState,
    SeriesCompleted,
    SeriesConfirmed,
    StudyUpdated,
    WorklistItemRanked,
)
from voorrang.identifiers import SiteKeys
from voorrang.pathways.loading import load_pathways
from voorrang.purpose import Purpose
from voorrang.register import Actor, EnvelopeFacts, Influence, ModelVersion
from voorrang.relaying import Relay
from voorrang.runtime import Runtime
from voorrang.settings import Settings
from voorrang.topics import consumed_by

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
STUDY_UID = "1.2.826.0.1.3680043.8.498.1"
SERIES_UID = "1.2.826.0.1.3680043.8.498.1.1"
PATIENT_KEY = "p_" + "0" * 40
SITE = "test-site"
KEYS = SiteKeys(b"a secret of a test, of no use elsewhere")
PATHWAY = "stroke"
MODEL = ModelIdentity(model_id="reference-head", version_label="1", weights_digest="d" * 64)


def make_event(
    record: Record,
    *,
    facts: tuple[str | int, ...] | None = None,
    source: str = "test",
    subject: str = STUDY_UID,
    purpose: Purpose = Purpose.CLINICAL,
    patient_key: str = PATIENT_KEY,
    order_key: str = "",
    time: datetime = START,
) -> Event[Any]:
    """Make an event; by default its facts are all that the record says, so that equal records are one event."""
    return Event(
        id=event_id(record.event_type, *(facts if facts is not None else (record.model_dump_json(), order_key))),
        source=source,
        type=record.event_type,
        time=time,
        subject=subject,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        purpose=purpose,
        site=SITE,
        patient_key=patient_key,
        order_key=order_key,
        data=record,
    )


def make_study_updated(**changes: Any) -> StudyUpdated:
    """Make a study with one series that the stroke pathway wants."""
    values: dict[str, Any] = {
        "study_instance_uid": STUDY_UID,
        "study_version": 1,
        "first_received_at": START,
        "last_received_at": START,
        "modalities": ("CT",),
        "series_count": 1,
        "instance_count": 30,
        "prior": False,
        "claims": (Claim(series_instance_uid=SERIES_UID, pathway=PATHWAY),),
    }
    return StudyUpdated(**(values | changes))


def make_series_completed(**changes: Any) -> SeriesCompleted:
    """Make the first revision of a whole series."""
    values: dict[str, Any] = {
        "study_instance_uid": STUDY_UID,
        "series_instance_uid": SERIES_UID,
        "series_revision": 1,
        "instances_digest": "a" * 64,
        "instance_count": 30,
        "pathway": PATHWAY,
        "lane": "urgent",
        "manifest": "manifest/1",
        "last_received_at": START,
        "partial": False,
        "verdict": ("geometry_whole", "quiet"),
    }
    return SeriesCompleted(**(values | changes))


def make_series_confirmed(**changes: Any) -> SeriesConfirmed:
    """Make the confirmation of a first revision."""
    values: dict[str, Any] = {
        "study_instance_uid": STUDY_UID,
        "series_instance_uid": SERIES_UID,
        "series_revision": 1,
        "instances_digest": "a" * 64,
        "pathway": PATHWAY,
        "verdict": "quiet_and_coverage",
    }
    return SeriesConfirmed(**(values | changes))


def make_findings_scored(**changes: Any) -> FindingsScored:
    """Make a flagged answer about a first revision."""
    values: dict[str, Any] = {
        "study_instance_uid": STUDY_UID,
        "series_instance_uid": SERIES_UID,
        "series_revision": 1,
        "instances_digest": "a" * 64,
        "pathway": PATHWAY,
        "model": MODEL,
        "run": 1,
        "state": ScoringState.SCORED,
        "score": 0.9,
        "operating_point": 0.5,
        "findings": (ScoredFinding(type="haemorrhage", score=0.9, position_mm=(1.0, 2.0, 3.0), diameter_mm=12.0),),
        "reasons": (),
        "last_received_at": START,
        "scored_at": START,
    }
    return FindingsScored(**(values | changes))


def make_item_ranked(**changes: Any) -> WorklistItemRanked:
    """Make the first place of an item."""
    values: dict[str, Any] = {
        "item_key": STUDY_UID,
        "item_version": 1,
        "study_instance_uids": (STUDY_UID,),
        "tier": "routine",
        "rank": 1,
        "state": "running",
        "provisional": False,
        "pathway": PATHWAY,
        "last_received_at": START,
        "ranked_at": START,
    }
    return WorklistItemRanked(**(values | changes))


def make_runtime(
    service: str,
    database: Database,
    data_dir: Path,
    *,
    broker: InMemoryBroker | None = None,
    clock: Clock | None = None,
    purpose: Purpose = Purpose.CLINICAL,
    **settings: Any,
) -> Runtime:
    """Make a service's runtime on an in-memory broker and the built-in pathways; nothing of it runs by itself."""
    broker = broker or InMemoryBroker()
    clock = clock or ManualClock(START)
    producer, admin = broker.producer(), broker.admin()
    made = Settings(purpose=purpose, site=SITE, data_dir=data_dir, **settings)
    archive = Archive(made.archive_dir)
    archive.prepare()
    return Runtime(
        service=service,
        settings=made,
        database=database,
        keys=KEYS,
        pathways=load_pathways(made.pathways_dir),
        archive=archive,
        clock=clock,
        admin=admin,
        producer=producer,
        relay=Relay(service, database, producer, admin, clock),
        new_consumer=lambda name: broker.consumer(name, [topic.name for topic in consumed_by(name)]),
    )


def activate(
    database: Database,
    model: ModelIdentity = MODEL,
    pathway: str = PATHWAY,
    influence: Influence = Influence.RANK,
    now: datetime = START,
) -> None:
    """Register a model version and give it an influence on a built-in pathway."""
    version = ModelVersion(model.model_id, model.version_label, model.weights_digest, "Research.")
    by = Actor("test", "physicist", "a test needs it")
    facts = EnvelopeFacts(Purpose.CLINICAL, SITE)
    with database.write() as connection:
        register.register_model(connection, version, now)
        register.activate(connection, load_pathways(None)[pathway], version, influence, by, now, facts)
