"""Instances that Key Object notes reject."""

import sqlalchemy as sa
from alembic import op

revision = "ingest_0004"
down_revision = "ingest_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ingest_rejection",
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("note_uid", sa.String(length=64), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("rejected_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sop_instance_uid", "note_uid"),
    )
    op.create_index("ix_ingest_rejection_study_instance_uid", "ingest_rejection", ["study_instance_uid"])
    op.create_index("ingest_message_received", "ingest_message", ["received_at"])


def downgrade() -> None:
    op.drop_index("ingest_message_received", "ingest_message")
    op.drop_table("ingest_rejection")
