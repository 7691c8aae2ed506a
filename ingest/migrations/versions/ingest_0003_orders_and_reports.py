"""Orders, reports, merges of patients, and the messages that told of them."""

import sqlalchemy as sa
from alembic import op

revision = "ingest_0003"
down_revision = "ingest_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ingest_study", sa.Column("named_by", sa.String(length=64), nullable=False, server_default=""))
    op.create_index("ingest_study_order", "ingest_study", ["order_key"])
    op.create_index("ingest_study_patient", "ingest_study", ["patient_key"])
    op.create_table(
        "ingest_message",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("sender", sa.String(length=64), nullable=False),
        sa.Column("control_id", sa.String(length=200), nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("settled", sa.String(length=16), nullable=False, server_default=""),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sender", "control_id", "content_digest", name="ingest_message_identity"),
    )
    op.create_index("ingest_message_refused", "ingest_message", ["outcome", "settled"])
    op.create_table(
        "ingest_order",
        sa.Column("order_key", sa.String(length=64), nullable=False),
        sa.Column("order_version", sa.Integer(), nullable=False),
        sa.Column("patient_key", sa.String(length=64), nullable=False),
        sa.Column("is_cancelled", sa.Boolean(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("first_heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("order_key"),
    )
    op.create_index("ix_ingest_order_patient_key", "ingest_order", ["patient_key"])
    op.create_table(
        "ingest_order_study",
        sa.Column("order_key", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("order_key", "study_instance_uid"),
    )
    op.create_index("ingest_order_study_uid", "ingest_order_study", ["study_instance_uid"])
    op.create_table(
        "ingest_report",
        sa.Column("report_key", sa.String(length=64), nullable=False),
        sa.Column("report_version", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("order_key", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uids", sa.JSON(), nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=False),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("report_key", "report_version"),
    )
    op.create_table(
        "ingest_merge",
        sa.Column("merged_key", sa.String(length=64), nullable=False),
        sa.Column("surviving_key", sa.String(length=64), nullable=False),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("merged_key"),
    )


def downgrade() -> None:
    for table in ("ingest_merge", "ingest_report", "ingest_order_study", "ingest_order", "ingest_message"):
        op.drop_table(table)
    op.drop_index("ingest_study_patient", "ingest_study")
    op.drop_index("ingest_study_order", "ingest_study")
    op.drop_column("ingest_study", "named_by")
