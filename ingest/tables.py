"""Tables of ingest."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, DateTime, Index, Integer, MetaData, String, Table

metadata = MetaData()

study = Table(
    "ingest_study",
    metadata,
    Column("study_instance_uid", String(64), primary_key=True),
    Column("study_version", Integer, nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("patient_key", String(64), nullable=False),
    Column("order_key", String(64), nullable=False),
    Column("prior", Boolean, nullable=False),
    Column("first_received_at", DateTime(timezone=True), nullable=False),
    Column("last_received_at", DateTime(timezone=True), nullable=False),
)

series = Table(
    "ingest_series",
    metadata,
    Column("series_instance_uid", String(64), primary_key=True),
    Column("study_instance_uid", String(64), nullable=False, index=True),
    Column("modality", String(16), nullable=False),
    Column("first_received_at", DateTime(timezone=True), nullable=False),
    Column("last_received_at", DateTime(timezone=True), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("instances_digest", String(64), nullable=False),
)

instance = Table(
    "ingest_instance",
    metadata,
    Column("sop_instance_uid", String(64), primary_key=True),
    Column("series_instance_uid", String(64), nullable=False, index=True),
    Column("locator", String(400), nullable=False, unique=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("header", JSON, nullable=False),
)

conflict = Table(
    "ingest_conflict",
    metadata,
    Column("locator", String(400), primary_key=True),
    Column("sop_instance_uid", String(64), nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
)

refusal = Table(
    "ingest_refusal",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("reason", String(64), nullable=False),
    Column("locator", String(400)),
    Column("at", DateTime(timezone=True), nullable=False),
)

# What a pathway makes of a series. `open`: instances came that no completed revision holds.
claim = Table(
    "ingest_claim",
    metadata,
    Column("series_instance_uid", String(64), primary_key=True),
    Column("pathway", String(64), primary_key=True),
    Column("open", Boolean, nullable=False),
    Column("began_at", DateTime(timezone=True), nullable=False),
    Column("completed_revision", Integer, nullable=False),
    Column("confirmed_revision", Integer, nullable=False),
    Column("answered_revision", Integer, nullable=False),
    Column("completed_at", DateTime(timezone=True)),
    Index("ingest_claim_open", "open"),
)

answer = Table(
    "ingest_answer",
    metadata,
    Column("series_instance_uid", String(64), primary_key=True),
    Column("pathway", String(64), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("model_id", String(64), primary_key=True),
)
