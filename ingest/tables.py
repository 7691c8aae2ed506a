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
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData()
Serial = BigInteger().with_variant(Integer, "sqlite")
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
    Column("named_by", String(64), nullable=False, server_default=""),  # the order that names it, where its own is none
    Index("ingest_study_order", "order_key"),
    Index("ingest_study_patient", "patient_key"),
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
    Column("series_instance_uid", String(64), nullable=False),
    Column("locator", String(400), nullable=False, unique=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("header", JSON, nullable=False),
    Column("content_sha256", String(64), nullable=False, server_default=""),  # of the file; empty until it is made
    Column("purpose", String(16), nullable=False, server_default="clinical"),  # what it came for
    Index("ingest_instance_series", "series_instance_uid", "purpose"),  # what is counted
    Index("ingest_instance_without_hash", "content_sha256", sqlite_where=NO_HASH, postgresql_where=NO_HASH),
)

conflict = Table(
    "ingest_conflict",
    metadata,
    Column("locator", String(400), primary_key=True),
    Column("sop_instance_uid", String(64), nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("study_instance_uid", String(64), nullable=False, server_default=""),
    Column("series_instance_uid", String(64), nullable=False, server_default=""),
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

# Instances that a Key Object note rejects, whether they have come or not.
rejection = Table(
    "ingest_rejection",
    metadata,
    Column("sop_instance_uid", String(64), primary_key=True),
    Column("note_uid", String(64), primary_key=True),
    Column("series_instance_uid", String(64), nullable=False),
    Column("study_instance_uid", String(64), nullable=False, index=True),
    Column("reason", String(32), nullable=False),
    Column("rejected_at", DateTime(timezone=True), nullable=False),
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

# One row for each message of orders and reports that was answered; the bytes of refused ones: identity_message.
message = Table(
    "ingest_message",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("sender", String(64), nullable=False),
    Column("control_id", String(200), nullable=False),
    Column("content_digest", String(64), nullable=False),  # keyed; of everything behind the header segment
    Column("kind", String(16), nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("settled", String(16), nullable=False, server_default=""),  # a refused one: replayed or discarded
    Column("settled_at", DateTime(timezone=True)),
    UniqueConstraint("sender", "control_id", "content_digest", name="ingest_message_identity"),
    Index("ingest_message_refused", "outcome", "settled"),
    Index("ingest_message_received", "received_at"),
)

# An order as all its messages together make it. `facts`: each with the time and the rank of the message that said it.
placed_order = Table(
    "ingest_order",
    metadata,
    Column("order_key", String(64), primary_key=True),
    Column("order_version", Integer, nullable=False),
    Column("patient_key", String(64), nullable=False, index=True),
    Column("is_cancelled", Boolean, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("first_heard_at", DateTime(timezone=True), nullable=False),
    Column("stated_at", DateTime(timezone=True), nullable=False),
)

# The studies that an order names by their UIDs.
named_study = Table(
    "ingest_order_study",
    metadata,
    Column("order_key", String(64), primary_key=True),
    Column("study_instance_uid", String(64), primary_key=True),
    Index("ingest_order_study_uid", "study_instance_uid"),
)

report = Table(
    "ingest_report",
    metadata,
    Column("report_key", String(64), primary_key=True),  # the order's key, or the StudyInstanceUID without one
    Column("report_version", BigInteger, primary_key=True),
    Column("status", String(16), nullable=False),
    Column("order_key", String(64), nullable=False),
    Column("study_instance_uids", JSON, nullable=False),
    Column("content_digest", String(64), nullable=False),
    Column("stated_at", DateTime(timezone=True), nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
)

# Whom a patient was merged into, the last word on it.
merge = Table(
    "ingest_merge",
    metadata,
    Column("merged_key", String(64), primary_key=True),
    Column("surviving_key", String(64), nullable=False),
    Column("stated_at", DateTime(timezone=True), nullable=False),
)
