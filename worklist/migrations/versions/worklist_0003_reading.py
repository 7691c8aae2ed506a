"""Reading: claims, the decision log, what the list had shown, calls to on-call radiology."""

import sqlalchemy as sa
from alembic import op

revision = "worklist_0003_reading"
down_revision = "worklist_0002_orders"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ITEM_KEY = sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)

ON_SQLITE = """
CREATE TRIGGER worklist_decision_{verb} BEFORE {statement} ON worklist_decision
BEGIN SELECT RAISE(ABORT, 'worklist_decision is append-only'); END
"""
# INSERT OR REPLACE deletes without asking a DELETE trigger unless recursive_triggers is on.
ON_SQLITE_REPLACE = """
CREATE TRIGGER worklist_decision_replace BEFORE INSERT ON worklist_decision
WHEN EXISTS (SELECT 1 FROM worklist_decision WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'worklist_decision is append-only'); END
"""
ON_POSTGRESQL = (
    """
    CREATE FUNCTION worklist_decision_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'worklist_decision is append-only'; END $$
    """,
    """
    CREATE TRIGGER worklist_decision_kept BEFORE UPDATE OR DELETE ON worklist_decision
    FOR EACH ROW EXECUTE FUNCTION worklist_decision_is_append_only()
    """,
    """
    CREATE TRIGGER worklist_decision_not_emptied BEFORE TRUNCATE ON worklist_decision
    FOR EACH STATEMENT EXECUTE FUNCTION worklist_decision_is_append_only()
    """,
)


def upgrade() -> None:
    op.add_column("worklist_item", sa.Column("done_by_hand", sa.Boolean(), nullable=False, server_default=sa.false()))
    _make_listing_fast()
    op.create_table(
        "worklist_decision",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("act", sa.String(length=32), nullable=False),
        sa.Column("item_key", ITEM_KEY, nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("worklist_decision_item", "worklist_decision", ["item_key", "id"])
    op.create_index("worklist_decision_act", "worklist_decision", ["act", "at"])
    op.create_table(
        "worklist_claim",
        sa.Column("item_key", ITEM_KEY, nullable=False),
        sa.Column("reading", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.PrimaryKeyConstraint("item_key"),
    )
    op.create_table(
        "worklist_shown",
        sa.Column("item_key", ITEM_KEY, nullable=False),
        sa.Column("pathway", sa.String(length=64), nullable=False),
        sa.Column("model_id", sa.String(length=64), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("item_key", "pathway", "model_id", "since"),
    )
    op.create_index("worklist_shown_since", "worklist_shown", ["state", "since"])
    op.create_table(
        "worklist_call",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("item_key", ITEM_KEY, nullable=False),
        sa.Column("pathway", sa.String(length=64), nullable=False),
        sa.Column("model_id", sa.String(length=64), nullable=False),
        sa.Column("flagged_at", TIME, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("why", sa.String(length=16), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("next_at", TIME, nullable=False),
        sa.Column("limited", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("item_key", "pathway", "model_id", name="worklist_call_finding"),
    )
    op.create_index("worklist_call_state", "worklist_call", ["state", "next_at"])
    for statement in _append_only(op.get_bind().dialect.name):
        op.execute(statement)


def _make_listing_fast() -> None:
    op.add_column("worklist_item", sa.Column("listed_as", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("worklist_item", sa.Column("change", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("worklist_item", sa.Column("harm_order", sa.Float(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE worklist_item SET harm_order = -harm_rate, "
        "listed_as = CASE WHEN study_count = 0 THEN 2 WHEN state = 'prior' THEN 1 ELSE 0 END"
    )
    op.drop_index("worklist_item_order", "worklist_item")
    order = ["listed_as", "tier_order", "harm_order", "arrived_at", "item_key"]
    op.create_index("worklist_item_order", "worklist_item", order)
    without_ai = ["listed_as", "human_tier_order", "arrived_at", "item_key"]
    op.create_index("worklist_item_order_without_ai", "worklist_item", without_ai)
    op.create_index("worklist_item_change", "worklist_item", ["change"])
    op.create_index("worklist_item_ranked_at", "worklist_item", ["ranked_at"])


def _append_only(dialect: str) -> tuple[str, ...]:
    if dialect == "postgresql":
        return ON_POSTGRESQL
    kept = tuple(ON_SQLITE.format(verb=verb.lower(), statement=verb) for verb in ("UPDATE", "DELETE"))
    return (*kept, ON_SQLITE_REPLACE)


def downgrade() -> None:
    for table in ["worklist_call", "worklist_shown", "worklist_claim", "worklist_decision"]:
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION worklist_decision_is_append_only()")
    for index in ["order", "order_without_ai", "change", "ranked_at"]:
        op.drop_index(f"worklist_item_{index}", "worklist_item")
    for column in ["done_by_hand", "listed_as", "harm_order", "change"]:
        op.drop_column("worklist_item", column)
    op.create_index("worklist_item_order", "worklist_item", ["tier_order", "harm_rate", "arrived_at", "item_key"])
