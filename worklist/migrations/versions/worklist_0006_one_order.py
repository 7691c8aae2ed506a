"""The order without AI is kept in memory: nothing reads its index."""

from alembic import op

revision = "worklist_0006_one_order"
down_revision = "worklist_0005_policy"
branch_labels = None
depends_on = None

INDEX, TABLE = "worklist_item_order_without_ai", "worklist_item"


def upgrade() -> None:
    op.drop_index(INDEX, TABLE)


def downgrade() -> None:
    op.create_index(INDEX, TABLE, ["listed_as", "human_tier_order", "arrived_at", "item_key"])
