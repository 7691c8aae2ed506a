"""
Tables of the kernel.

`outbox` and `receipt` are the transport that services share: each service writes only the rows under its own name.
`identity_*` has one writer (ingest), `model_*` one (the register's commands), `operator_log` is append-only.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()
Serial = BigInteger().with_variant(Integer, "sqlite")

site_fact = Table("site_fact", metadata, Column("name", String(64), primary_key=True), Column("value", String(256)))

outbox = Table(
    "outbox",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("service", String(32), nullable=False),
    Column("event_id", String(64), nullable=False, unique=True),
    Column("topic", String(64), nullable=False),
    Column("key", String(128), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("published_at", DateTime(timezone=True)),
    Column("partition", Integer),
    Column("offset", BigInteger),
    Column("log_id", String(64)),
    Column("answered_at", DateTime(timezone=True)),
    Index("outbox_waiting", "service", "published_at", "id"),
    Index("outbox_unanswered", "service", "answered_at", "id"),
)

receipt = Table(
    "receipt",
    metadata,
    Column("consumer", String(32), primary_key=True),
    Column("event_id", String(64), primary_key=True),
    Column("outcome", String(16), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Index("receipt_event", "event_id"),
)

lease = Table(
    "lease",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
)

identity_patient = Table(
    "identity_patient",
    metadata,
    Column("patient_key", String(64), primary_key=True),
    Column("patient_id", String(128), nullable=False),
    Column("issuer", String(128), nullable=False),
    Column("name", String(512), nullable=False),
    Column("birth_date", String(16), nullable=False),
    Column("sex", String(16), nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
)

identity_study = Table(
    "identity_study",
    metadata,
    Column("study_instance_uid", String(64), primary_key=True),
    Column("patient_key", String(64), nullable=False),
    Column("order_key", String(64), nullable=False),
    Column("accession_number", String(64), nullable=False),
    Column("issuer", String(128), nullable=False),
    Column("study_description", String(256), nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
)

# What an order says that may name a person: its number, and the question in the words of whoever asks.
identity_order = Table(
    "identity_order",
    metadata,
    Column("order_key", String(64), primary_key=True),
    Column("patient_key", String(64), nullable=False),
    Column("accession_number", String(64), nullable=False),
    Column("issuer", String(128), nullable=False),
    Column("clinical_question", Text, nullable=False),
    Column("procedure_text", String(256), nullable=False),
    Index("identity_order_accession", "accession_number"),
)

# Every version of a report, in its own words; `report_key` is the order's key, or the StudyInstanceUID without one.
identity_report = Table(
    "identity_report",
    metadata,
    Column("report_key", String(64), primary_key=True),
    Column("report_version", BigInteger, primary_key=True),
    Column("text", Text, nullable=False),
)

# The bytes of messages of orders and reports that were refused, until a person has settled them.
identity_message = Table(
    "identity_message",
    metadata,
    Column("message_id", BigInteger, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
)

model_version = Table(
    "model_version",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("model_id", String(64), nullable=False),
    Column("version", String(32), nullable=False),
    Column("weights_digest", String(64), nullable=False),
    Column("statement", String(256), nullable=False),
    Column("shows", String(16), nullable=False),
    Column("registered_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("model_id", "version", "weights_digest", name="model_version_identity"),
)

model_activation = Table(
    "model_activation",
    metadata,
    Column("activation", Serial, primary_key=True, autoincrement=True),
    Column("pathway", String(64), nullable=False),
    Column("model_id", String(64), nullable=False),
    Column("version", String(32), nullable=False),
    Column("weights_digest", String(64), nullable=False),
    Column("influence", String(16), nullable=False),
    Column("operating_point", Float, nullable=False),
    Column("lift_to", String(16), nullable=False),
    Column("harm_per_minute", Float, nullable=False),
    Column("reading_minutes", Float, nullable=False),
    Column("calibration_digest", String(64)),
    Column("read_within_minutes", Float),  # null in rows of before it was written down
    Column("actor", String(128), nullable=False),
    Column("role", String(64), nullable=False),
    Column("reason", String(512), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Index("model_activation_latest", "pathway", "model_id", "activation"),
)

operator_log = Table(
    "operator_log",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", String(128), nullable=False),
    Column("role", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(256), nullable=False),
    Column("detail", String(1024), nullable=False),
)
