"""Tables of ingest."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    false,
    text,
)

metadata = MetaData()
NO_HASH = text("content_sha256 = ''")

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
    Column("held", Boolean, nullable=False, server_default=false()),  # under review: retention keeps it
    Column("suppressed_at", DateTime(timezone=True)),  # an operator wants no answer of it
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
    Column("sender", String(16), nullable=False, server_default=""),  # calling AE title of its first instance
    Column("deleted_at", DateTime(timezone=True)),  # retention took its instances; the counts stay for accounting
    Column("deleted_instances", Integer, nullable=False, server_default="0"),
    Column("deleted_bytes", BigInteger, nullable=False, server_default="0"),
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
    Column("content_sha256", String(64), nullable=False, server_default=""),  # of the file; empty until it is made
    Index("ingest_instance_without_hash", "content_sha256", sqlite_where=NO_HASH, postgresql_where=NO_HASH),
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
    Column("status", Integer, nullable=False, server_default="0"),  # what the sender was answered
    Column("sender", String(16), nullable=False, server_default=""),
    Column("settled", String(16), nullable=False, server_default=""),  # replayed or discarded, by a person
    Column("settled_at", DateTime(timezone=True)),
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
    Column("forced_at", DateTime(timezone=True)),  # an operator says: go on with what is there
    Column("run", Integer, nullable=False, server_default="1"),  # one more for each commanded reprocess
    Index("ingest_claim_open", "open", "completed_at"),
)

answer = Table(
    "ingest_answer",
    metadata,
    Column("series_instance_uid", String(64), primary_key=True),
    Column("pathway", String(64), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("model_id", String(64), primary_key=True),
)

# What retention has decided to take from the archive and has not removed yet.
removal = Table(
    "ingest_removal",
    metadata,
    Column("locator", String(400), primary_key=True),
    Column("decided_at", DateTime(timezone=True), nullable=False),
)

# How far the journal of the listener has been taken in, and how many accepted instances that were.
position = Table(
    "ingest_position",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("segment", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("taken_in", BigInteger, nullable=False),
)
