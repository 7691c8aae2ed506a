"""First tables of inference."""

import sqlalchemy as sa
from alembic import op

revision = "inference_0001"
down_revision = None
branch_labels = ("inference",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inference_result",
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_revision", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("weights_digest", sa.String(length=64), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.JSON(), nullable=False),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "series_instance_uid", "series_revision", "model_id", "version", "weights_digest", "run"
        ),
    )


def downgrade() -> None:
    for table in ["inference_result"]:
        op.drop_table(table)
