"""
Tables of reading.

`decision` is the truth, and append-only: triggers of the migration refuse every other statement. `claim` is the lock
that follows from it, one row for an item that is being read. `shown` is what the list has shown of each model, since
when; a row with an empty model says since when that is known. `call` is one critical finding that nobody has read.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, DateTime, Index, Integer, String, Table, UniqueConstraint

from voorrang.tables import Serial
from worklist.tables import ITEM_KEY, metadata

decision = Table(
    "worklist_decision",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", String(128), nullable=False),
    Column("role", String(64), nullable=False),
    Column("act", String(32), nullable=False),
    Column("item_key", ITEM_KEY, nullable=False),
    Column("detail", JSON, nullable=False),
    Index("worklist_decision_item", "item_key", "id"),
    Index("worklist_decision_act", "act", "at"),
)

claim = Table(
    "worklist_claim",
    metadata,
    Column("item_key", ITEM_KEY, primary_key=True),
    Column("reading", BigInteger, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("role", String(64), nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
)

shown = Table(
    "worklist_shown",
    metadata,
    Column("item_key", ITEM_KEY, primary_key=True),
    Column("pathway", String(64), primary_key=True),
    Column("model_id", String(64), primary_key=True),
    Column("since", DateTime(timezone=True), primary_key=True),
    Column("version", String(32), nullable=False),
    Column("state", String(16), nullable=False),  # what the list said: flagged, not_flagged, or withdrawn from then on
    # Of which finding; empty and 0 where nothing is said, and in rows of the version before.
    Column("series_instance_uid", String(64), nullable=False, server_default=""),
    Column("series_revision", Integer, nullable=False, server_default="0"),
    Column("run", Integer, nullable=False, server_default="0"),
    Index("worklist_shown_since", "state", "since"),
)

call = Table(
    "worklist_call",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("item_key", ITEM_KEY, nullable=False),
    Column("pathway", String(64), nullable=False),
    Column("model_id", String(64), nullable=False),
    Column("flagged_at", DateTime(timezone=True), nullable=False),
    Column("state", String(16), nullable=False),
    Column("why", String(16), nullable=False),
    Column("step", Integer, nullable=False),
    Column("next_at", DateTime(timezone=True), nullable=False),
    Column("limited", Boolean, nullable=False),
    UniqueConstraint("item_key", "pathway", "model_id", name="worklist_call_finding"),
    Index("worklist_call_state", "state", "next_at"),
)
