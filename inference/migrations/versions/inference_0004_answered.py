"""Which series of a study models have scored, so that none is read after a better one."""

import sqlalchemy as sa
from alembic import op

revision = "inference_0004"
down_revision = "inference_0003_rejections"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inference_answered",
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("pathway", sa.String(length=63), nullable=False),
        sa.Column("model_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("weights_digest", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_revision", sa.Integer(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("quality", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("series_instance_uid", "pathway", "model_id", "version", "weights_digest"),
    )
    op.create_index("ix_inference_answered_study_instance_uid", "inference_answered", ["study_instance_uid"])


def downgrade() -> None:
    op.drop_table("inference_answered")
