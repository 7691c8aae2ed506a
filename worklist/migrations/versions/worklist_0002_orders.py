"""Orders, reports, merges of patients, rejected series; and how an item stands."""

import sqlalchemy as sa
from alembic import op

revision = "worklist_0002_orders"
down_revision = "worklist_0001"
branch_labels = None
depends_on = None

ITEM_KEY = sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _extend_studies_and_items()
    op.create_table(
        "worklist_order",
        sa.Column("order_key", ITEM_KEY, nullable=False),
        sa.Column("order_version", sa.Integer(), nullable=False),
        sa.Column("patient_key", sa.String(length=64), nullable=False),
        sa.Column("is_cancelled", sa.Boolean(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.Column("stated_at", TIME, nullable=False),
        sa.Column("first_heard_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("order_key"),
    )
    op.create_index("ix_worklist_order_patient_key", "worklist_order", ["patient_key"])
    op.create_table(
        "worklist_order_study",
        sa.Column("order_key", ITEM_KEY, nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("order_key", "study_instance_uid"),
    )
    op.create_index("worklist_order_study_uid", "worklist_order_study", ["study_instance_uid"])
    op.create_table(
        "worklist_report",
        sa.Column("report_key", sa.String(length=64), nullable=False),
        sa.Column("report_version", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("order_key", ITEM_KEY, nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=False),
        sa.Column("stated_at", TIME, nullable=False),
        sa.Column("told_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("report_key", "report_version"),
    )
    op.create_index("ix_worklist_report_order_key", "worklist_report", ["order_key"])
    op.create_table(
        "worklist_report_study",
        sa.Column("report_key", sa.String(length=64), nullable=False),
        sa.Column("report_version", sa.BigInteger(), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("report_key", "report_version", "study_instance_uid"),
    )
    op.create_index("worklist_report_study_uid", "worklist_report_study", ["study_instance_uid"])
    op.create_table(
        "worklist_merge",
        sa.Column("merged_key", sa.String(length=64), nullable=False),
        sa.Column("surviving_key", sa.String(length=64), nullable=False),
        sa.Column("stated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("merged_key"),
    )
    op.create_index("ix_worklist_merge_surviving_key", "worklist_merge", ["surviving_key"])
    op.create_table(
        "worklist_rejection",
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_revision", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("series_instance_uid"),
    )
    op.create_index("ix_worklist_rejection_study_instance_uid", "worklist_rejection", ["study_instance_uid"])


def _extend_studies_and_items() -> None:
    op.add_column("worklist_study", sa.Column("order_key", sa.String(length=64), nullable=False, server_default=""))
    op.add_column("worklist_study", sa.Column("withdrawn", sa.String(length=32), nullable=False, server_default=""))
    op.add_column("worklist_study", sa.Column("withdrawn_at", TIME))
    op.execute("UPDATE worklist_study SET order_key = item_key WHERE item_key <> study_instance_uid")
    op.create_index("ix_worklist_study_order_key", "worklist_study", ["order_key"])
    op.create_index("ix_worklist_study_patient_key", "worklist_study", ["patient_key"])
    op.add_column("worklist_item", sa.Column("patient_key", sa.String(length=64), nullable=False, server_default=""))
    op.add_column("worklist_item", sa.Column("standing", sa.String(length=16), nullable=False, server_default="open"))
    op.add_column("worklist_item", sa.Column("settled_at", TIME))
    op.add_column("worklist_item", sa.Column("settled_why", sa.String(length=32), nullable=False, server_default=""))
    op.create_index("worklist_item_settled", "worklist_item", ["standing", "settled_at"])


def downgrade() -> None:
    for table in ("rejection", "merge", "report_study", "report", "order_study", "order"):
        op.drop_table(f"worklist_{table}")
    op.drop_index("worklist_item_settled", "worklist_item")
    for column in ("patient_key", "standing", "settled_at", "settled_why"):
        op.drop_column("worklist_item", column)
    op.drop_index("ix_worklist_study_patient_key", "worklist_study")
    op.drop_index("ix_worklist_study_order_key", "worklist_study")
    for column in ("order_key", "withdrawn", "withdrawn_at"):
        op.drop_column("worklist_study", column)
