"""Tables of orders, reports and patients: facts as the events tell them; `worklist_item` is what follows."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, DateTime, Index, Integer, String, Table

from worklist.tables import ITEM_KEY, metadata

# The highest version of each order.
placed_order = Table(
    "worklist_order",
    metadata,
    Column("order_key", ITEM_KEY, primary_key=True),
    Column("order_version", Integer, nullable=False),
    Column("patient_key", String(64), nullable=False, index=True),
    Column("is_cancelled", Boolean, nullable=False),
    Column("record", JSON, nullable=False),
    Column("stated_at", DateTime(timezone=True), nullable=False),
    Column("first_heard_at", DateTime(timezone=True), nullable=False),  # the earliest event of it
)

# The studies that the highest version of an order names.
named_study = Table(
    "worklist_order_study",
    metadata,
    Column("order_key", ITEM_KEY, primary_key=True),
    Column("study_instance_uid", String(64), primary_key=True),
    Index("worklist_order_study_uid", "study_instance_uid"),
)

# Every version of every report; which studies each names beside.
report = Table(
    "worklist_report",
    metadata,
    Column("report_key", String(64), primary_key=True),
    Column("report_version", BigInteger, primary_key=True),
    Column("status", String(16), nullable=False),
    Column("order_key", ITEM_KEY, nullable=False, index=True),  # empty: of the studies that it names
    Column("content_digest", String(64), nullable=False),
    Column("stated_at", DateTime(timezone=True), nullable=False),
    Column("told_at", DateTime(timezone=True), nullable=False),
)
report_study = Table(
    "worklist_report_study",
    metadata,
    Column("report_key", String(64), primary_key=True),
    Column("report_version", BigInteger, primary_key=True),
    Column("study_instance_uid", String(64), primary_key=True),
    Index("worklist_report_study_uid", "study_instance_uid"),
)

# Whom a patient was merged into, the last word on it.
merge = Table(
    "worklist_merge",
    metadata,
    Column("merged_key", String(64), primary_key=True),
    Column("surviving_key", String(64), nullable=False, index=True),
    Column("stated_at", DateTime(timezone=True), nullable=False),
)

# Up to which revision the images of a series are rejected, and why.
rejection = Table(
    "worklist_rejection",
    metadata,
    Column("series_instance_uid", String(64), primary_key=True),
    Column("study_instance_uid", String(64), nullable=False, index=True),
    Column("series_revision", Integer, nullable=False),
    Column("reason", String(32), nullable=False),
)
