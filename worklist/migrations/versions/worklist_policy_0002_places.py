"""Places have a class, age, and say when time alone changes them next."""

import sqlalchemy as sa
from alembic import op

revision = "worklist_policy_0002"
down_revision = "worklist_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("worklist_item_order", table_name="worklist_item")
    op.drop_index("worklist_item_pending", table_name="worklist_item")
    with op.batch_alter_table("worklist_item") as table:
        # Rows of before are ranked anew when the service starts: it has seen no revision of the register yet.
        table.add_column(sa.Column("place_class", sa.Integer(), nullable=False, server_default="2"))
        table.add_column(sa.Column("expired", sa.Boolean(), nullable=False, server_default=sa.false()))
        table.add_column(sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("worklist_item") as table:
        table.alter_column("place_class", server_default=None)
        table.alter_column("expired", server_default=None)
    op.create_index(
        "worklist_item_place", "worklist_item", ["tier_order", "place_class", "harm_rate", "arrived_at", "item_key"]
    )
    op.create_index("worklist_item_due", "worklist_item", ["due_at"])


def downgrade() -> None:
    op.drop_index("worklist_item_place", table_name="worklist_item")
    op.drop_index("worklist_item_due", table_name="worklist_item")
    with op.batch_alter_table("worklist_item") as table:
        for column in ["place_class", "expired", "due_at"]:
            table.drop_column(column)
    op.create_index("worklist_item_order", "worklist_item", ["tier_order", "harm_rate", "arrived_at", "item_key"])
    op.create_index("worklist_item_pending", "worklist_item", ["pending"])
