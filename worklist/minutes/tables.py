"""
The table of places: one row each time the place of an item changed, or what was shown of it. Rows are only added.

`place` and `place_without_ai` are what the policy compares before arrival and key: lists of numbers, smallest first.
"""

from __future__ import annotations

from sqlalchemy import JSON, Column, DateTime, Index, Table

from voorrang.tables import Serial
from worklist.tables import ITEM_KEY, metadata

placed = Table(
    "worklist_placed",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("item_key", ITEM_KEY, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("arrived_at", DateTime(timezone=True), nullable=False),
    Column("place", JSON, nullable=False),
    Column("place_without_ai", JSON, nullable=False),
    Column("said", JSON, nullable=False),  # of each pathway that wants the item: flagged, not_flagged, nothing
    Index("worklist_placed_item", "item_key", "id"),
)
