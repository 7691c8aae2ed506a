"""First tables of worklist."""

import sqlalchemy as sa
from alembic import op

revision = "worklist_0001"
down_revision = None
branch_labels = ("worklist",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "worklist_answer",
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("pathway", sa.String(length=64), nullable=False),
        sa.Column("model_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("weights_digest", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_revision", sa.Integer(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("series_instance_uid", "pathway", "model_id", "version", "weights_digest"),
    )
    op.create_index(
        op.f("ix_worklist_answer_study_instance_uid"), "worklist_answer", ["study_instance_uid"], unique=False
    )
    op.create_table(
        "worklist_confirmation",
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("pathway", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("series_instance_uid", "pathway"),
    )
    op.create_index(
        op.f("ix_worklist_confirmation_study_instance_uid"),
        "worklist_confirmation",
        ["study_instance_uid"],
        unique=False,
    )
    op.create_table(
        "worklist_item",
        sa.Column(
            "item_key",
            sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("item_version", sa.Integer(), nullable=False),
        sa.Column("study_count", sa.Integer(), nullable=False),
        sa.Column("tier_order", sa.Integer(), nullable=False),
        sa.Column("harm_rate", sa.Float(), nullable=False),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("human_tier_order", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.Column("ranked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("view", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("item_key"),
    )
    op.create_index(
        "worklist_item_order",
        "worklist_item",
        ["tier_order", "harm_rate", "arrived_at", "item_key"],
        unique=False,
    )
    op.create_index("worklist_item_pending", "worklist_item", ["pending"], unique=False)
    op.create_table(
        "worklist_study",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("item_key", sa.String(length=64), nullable=False),
        sa.Column("study_version", sa.Integer(), nullable=False),
        sa.Column("patient_key", sa.String(length=64), nullable=False),
        sa.Column("first_received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modalities", sa.JSON(), nullable=False),
        sa.Column("prior", sa.Boolean(), nullable=False),
        sa.Column("claims", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("study_instance_uid"),
    )
    op.create_index(op.f("ix_worklist_study_item_key"), "worklist_study", ["item_key"], unique=False)


def downgrade() -> None:
    for table in ["worklist_study", "worklist_item", "worklist_confirmation", "worklist_answer"]:
        op.drop_table(table)
