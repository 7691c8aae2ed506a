"""First tables of ingest."""

import sqlalchemy as sa
from alembic import op

revision = "ingest_0001"
down_revision = None
branch_labels = ("ingest",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ingest_answer",
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("pathway", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("series_instance_uid", "pathway", "revision", "model_id"),
    )
    op.create_table(
        "ingest_claim",
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("pathway", sa.String(length=64), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_revision", sa.Integer(), nullable=False),
        sa.Column("confirmed_revision", sa.Integer(), nullable=False),
        sa.Column("answered_revision", sa.Integer(), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("series_instance_uid", "pathway"),
    )
    op.create_index("ingest_claim_open", "ingest_claim", ["open"], unique=False)
    op.create_table(
        "ingest_conflict",
        sa.Column("locator", sa.String(length=400), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("locator"),
    )
    op.create_table(
        "ingest_instance",
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("locator", sa.String(length=400), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("header", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("sop_instance_uid"),
        sa.UniqueConstraint("locator"),
    )
    op.create_index(
        op.f("ix_ingest_instance_series_instance_uid"),
        "ingest_instance",
        ["series_instance_uid"],
        unique=False,
    )
    op.create_table(
        "ingest_refusal",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("locator", sa.String(length=400), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "ingest_series",
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("modality", sa.String(length=16), nullable=False),
        sa.Column("first_received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("instances_digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("series_instance_uid"),
    )
    op.create_index(op.f("ix_ingest_series_study_instance_uid"), "ingest_series", ["study_instance_uid"], unique=False)
    op.create_table(
        "ingest_study",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_version", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("patient_key", sa.String(length=64), nullable=False),
        sa.Column("order_key", sa.String(length=64), nullable=False),
        sa.Column("prior", sa.Boolean(), nullable=False),
        sa.Column("first_received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("study_instance_uid"),
    )


def downgrade() -> None:
    for table in [
        "ingest_study",
        "ingest_series",
        "ingest_refusal",
        "ingest_instance",
        "ingest_conflict",
        "ingest_claim",
        "ingest_answer",
    ]:
        op.drop_table(table)
