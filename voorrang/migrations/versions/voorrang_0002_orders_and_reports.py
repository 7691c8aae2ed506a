"""The identity store keeps orders, the words of reports, and messages that were refused."""

import sqlalchemy as sa
from alembic import op

revision = "voorrang_0002"
down_revision = "voorrang_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identity_order",
        sa.Column("order_key", sa.String(length=64), nullable=False),
        sa.Column("patient_key", sa.String(length=64), nullable=False),
        sa.Column("accession_number", sa.String(length=64), nullable=False),
        sa.Column("issuer", sa.String(length=128), nullable=False),
        sa.Column("clinical_question", sa.Text(), nullable=False),
        sa.Column("procedure_text", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("order_key"),
    )
    op.create_index("identity_order_accession", "identity_order", ["accession_number"])
    op.create_table(
        "identity_report",
        sa.Column("report_key", sa.String(length=64), nullable=False),
        sa.Column("report_version", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("report_key", "report_version"),
    )
    op.create_table(
        "identity_message",
        sa.Column("message_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("message_id"),
    )


def downgrade() -> None:
    op.drop_table("identity_message")
    op.drop_table("identity_report")
    op.drop_index("identity_order_accession", "identity_order")
    op.drop_table("identity_order")
