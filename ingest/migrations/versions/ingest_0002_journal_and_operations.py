"""The journal's position, content hashes, senders, retention, quarantine, and what operators decided."""

import sqlalchemy as sa
from alembic import op

revision = "ingest_0002"
down_revision = "ingest_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ingest_position",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("segment", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("taken_in", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "ingest_removal",
        sa.Column("locator", sa.String(length=400), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("locator"),
    )
    op.add_column(
        "ingest_instance", sa.Column("content_sha256", sa.String(length=64), nullable=False, server_default="")
    )
    op.add_column("ingest_study", sa.Column("held", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("ingest_study", sa.Column("suppressed_at", sa.DateTime(timezone=True)))
    op.add_column("ingest_series", sa.Column("sender", sa.String(length=16), nullable=False, server_default=""))
    op.add_column("ingest_series", sa.Column("deleted_at", sa.DateTime(timezone=True)))
    op.add_column("ingest_series", sa.Column("deleted_instances", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("ingest_series", sa.Column("deleted_bytes", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("ingest_claim", sa.Column("forced_at", sa.DateTime(timezone=True)))
    op.add_column("ingest_claim", sa.Column("run", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("ingest_refusal", sa.Column("status", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("ingest_refusal", sa.Column("sender", sa.String(length=16), nullable=False, server_default=""))
    op.add_column("ingest_refusal", sa.Column("settled", sa.String(length=16), nullable=False, server_default=""))
    op.add_column("ingest_refusal", sa.Column("settled_at", sa.DateTime(timezone=True)))
    op.drop_index("ingest_claim_open", "ingest_claim")
    op.create_index("ingest_claim_open", "ingest_claim", ["open", "completed_at"])
    op.create_index(
        "ingest_instance_without_hash",
        "ingest_instance",
        ["content_sha256"],
        sqlite_where=sa.text("content_sha256 = ''"),
        postgresql_where=sa.text("content_sha256 = ''"),
    )


def downgrade() -> None:
    op.drop_index("ingest_instance_without_hash", "ingest_instance")
    op.drop_index("ingest_claim_open", "ingest_claim")
    op.create_index("ingest_claim_open", "ingest_claim", ["open"])
    op.drop_table("ingest_removal")
    op.drop_table("ingest_position")
    for table, columns in {
        "ingest_instance": ["content_sha256"],
        "ingest_study": ["held", "suppressed_at"],
        "ingest_series": ["sender", "deleted_at", "deleted_instances", "deleted_bytes"],
        "ingest_claim": ["forced_at", "run"],
        "ingest_refusal": ["status", "sender", "settled", "settled_at"],
    }.items():
        for column in columns:
            op.drop_column(table, column)
