"""
Tables of the worklist.

`study`, `answer` and `confirmation` hold facts as the events tell them, the highest version of each; `item` is what
follows from them, written anew whenever a fact, the register or the time changes it. Orders, reports and patients are
in `worklist.orders.tables`, what readers do in `worklist.reading.tables`.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    false,
)

metadata = MetaData()

# Ties are broken by the key: byte by byte, as Python compares, whatever the language of a PostgreSQL database is.
ITEM_KEY = String(64).with_variant(String(64, collation="C"), "postgresql")

study = Table(
    "worklist_study",
    metadata,
    Column("study_instance_uid", String(64), primary_key=True),
    Column("item_key", String(64), nullable=False, index=True),
    Column("order_key", String(64), nullable=False, server_default="", index=True),  # of its own number, by its event
    Column("study_version", Integer, nullable=False),
    Column("patient_key", String(64), nullable=False, index=True),
    Column("first_received_at", DateTime(timezone=True), nullable=False),
    Column("last_received_at", DateTime(timezone=True), nullable=False),
    Column("modalities", JSON, nullable=False),
    Column("prior", Boolean, nullable=False),
    Column("claims", JSON, nullable=False),
    Column("withdrawn", String(32), nullable=False, server_default=""),  # why none of its images stands
    Column("withdrawn_at", DateTime(timezone=True)),
    Column("done_by_hand", Boolean, nullable=False, server_default=false()),  # a reader called it done
)

# One row for each exact model version: a shadow version never overwrites what the active one answered. `scored` has the
# highest answer with a score, beside the highest of all: a later one without a score takes no flag away.
answer = Table(
    "worklist_answer",
    metadata,
    Column("series_instance_uid", String(64), primary_key=True),
    Column("pathway", String(64), primary_key=True),
    Column("model_id", String(64), primary_key=True),
    Column("version", String(32), primary_key=True),
    Column("weights_digest", String(64), primary_key=True),
    Column("study_instance_uid", String(64), nullable=False, index=True),
    Column("series_revision", Integer, nullable=False),
    Column("run", Integer, nullable=False),
    Column("record", JSON, nullable=False),
    Column("scored_revision", Integer),
    Column("scored_run", Integer),
    Column("scored_record", JSON),
)

confirmation = Table(
    "worklist_confirmation",
    metadata,
    Column("series_instance_uid", String(64), primary_key=True),
    Column("pathway", String(64), primary_key=True),
    Column("study_instance_uid", String(64), nullable=False, index=True),
    Column("series_revision", Integer, nullable=False),
)

item = Table(
    "worklist_item",
    metadata,
    Column("item_key", ITEM_KEY, primary_key=True),
    Column("item_version", Integer, nullable=False),
    Column("study_count", Integer, nullable=False),  # 0: its studies moved to another item; the row keeps its version
    Column("tier_order", Integer, nullable=False),
    Column("place_class", Integer, nullable=False, server_default="2"),
    Column("harm_rate", Float, nullable=False),
    Column("arrived_at", DateTime(timezone=True), nullable=False),
    Column("human_tier_order", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("provisional", Boolean, nullable=False),
    Column("expired", Boolean, nullable=False, server_default=false()),  # waits beyond the cap of its tier
    Column("due_at", DateTime(timezone=True)),  # when time alone next changes it
    Column("ranked_at", DateTime(timezone=True), nullable=False),
    Column("view", JSON, nullable=False),
    Column("patient_key", String(64), nullable=False, server_default=""),  # the surviving one's
    Column("standing", String(16), nullable=False, server_default="open"),  # anything else is off the live list
    Column("settled_at", DateTime(timezone=True)),
    Column("settled_why", String(32), nullable=False, server_default=""),
    Index("worklist_item_settled", "standing", "settled_at"),
    # All of its studies that are to be read were called done: off the live list.
    Column("done_by_hand", Boolean, nullable=False, default=False, server_default=false()),
    Column("listed_as", Integer, nullable=False),  # 0: in the order; 1: listed without a place; 2: off the list
    Column("harm_order", Float, nullable=False),  # minus harm_rate: every column of an index goes one way
    Column("change", BigInteger, nullable=False),  # grows with every change of any item
    Index("worklist_item_order", "listed_as", "tier_order", "place_class", "harm_order", "arrived_at", "item_key"),
    Index("worklist_item_change", "change"),
    Index("worklist_item_ranked_at", "ranked_at"),
    Index("worklist_item_due", "due_at"),
    Index("worklist_item_expired", "expired", "listed_as", "human_tier_order"),
)
