"""Places of items over time: what the proof of minutes is made from."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "worklist_0004_places"
down_revision = "worklist_0003_reading"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ITEM_KEY = sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql")
OTHER = 2  # the class of a place, which the next revision brings
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    placed = op.create_table(
        "worklist_placed",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("item_key", ITEM_KEY, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("arrived_at", TIME, nullable=False),
        sa.Column("place", sa.JSON(), nullable=False),
        sa.Column("place_without_ai", sa.JSON(), nullable=False),
        sa.Column("said", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("worklist_placed_item", "worklist_placed", ["item_key", "id"])
    _begin_with_the_list_as_it_is(placed)


def _begin_with_the_list_as_it_is(placed: sa.Table) -> None:
    """What does not change any more would otherwise never have a place."""
    item = sa.table(
        "worklist_item",
        *(sa.column(name) for name in ("item_key", "listed_as", "tier_order", "harm_order", "human_tier_order")),
        sa.column("ranked_at", TIME),
        sa.column("arrived_at", TIME),
        sa.column("view", sa.JSON()),
    )
    rows = [
        {
            "item_key": row.item_key,
            "at": row.ranked_at,
            "arrived_at": row.arrived_at,
            "place": [row.tier_order, OTHER, row.harm_order],
            "place_without_ai": [row.human_tier_order, OTHER, 0.0],
            "said": {one["pathway"]: _said(one) for one in reversed(row.view)},  # the first is the loudest
        }
        for row in op.get_bind().execute(sa.select(item).where(item.c.listed_as == 0)).all()
    ]
    if rows:
        op.bulk_insert(placed, rows)


def _said(view: dict[str, Any]) -> str:
    if view["flagged"]:
        return "flagged"
    return "not_flagged" if view["state"] == "scored" and not view["provisional"] else "nothing"


def downgrade() -> None:
    op.drop_table("worklist_placed")
