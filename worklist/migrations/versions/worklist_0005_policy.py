"""Places have a class, age, and say when time alone changes them next."""

import sqlalchemy as sa
from alembic import op

revision = "worklist_0005_policy"
down_revision = "worklist_0004_places"
branch_labels = None
depends_on = None

BEFORE = ["listed_as", "tier_order", "harm_order", "arrived_at", "item_key"]
NOW = ["listed_as", "tier_order", "place_class", "harm_order", "arrived_at", "item_key"]


def upgrade() -> None:
    op.drop_index("worklist_item_order", "worklist_item")
    op.drop_index("worklist_item_pending", "worklist_item")
    # Rows of before are ranked anew when the service starts: it has seen no revision of the register yet.
    op.add_column("worklist_item", sa.Column("place_class", sa.Integer(), nullable=False, server_default="2"))
    op.add_column("worklist_item", sa.Column("expired", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("worklist_item", sa.Column("due_at", sa.DateTime(timezone=True)))
    op.drop_column("worklist_item", "pending")
    op.create_index("worklist_item_order", "worklist_item", NOW)
    op.create_index("worklist_item_due", "worklist_item", ["due_at"])
    op.create_index("worklist_item_expired", "worklist_item", ["expired", "listed_as", "human_tier_order"])


def downgrade() -> None:
    for index in ["order", "due", "expired"]:
        op.drop_index(f"worklist_item_{index}", "worklist_item")
    # Looked at once by the version of before, which then writes what is pending and what is not.
    op.add_column("worklist_item", sa.Column("pending", sa.Boolean(), nullable=False, server_default=sa.true()))
    for column in ["place_class", "expired", "due_at"]:
        op.drop_column("worklist_item", column)
    op.create_index("worklist_item_order", "worklist_item", BEFORE)
    op.create_index("worklist_item_pending", "worklist_item", ["pending"])
