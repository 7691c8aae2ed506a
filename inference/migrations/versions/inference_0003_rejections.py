"""Which revisions of series were rejected."""

import sqlalchemy as sa
from alembic import op

revision = "inference_0003_rejections"
down_revision = "inference_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inference_rejection",
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("series_instance_uid"),
    )


def downgrade() -> None:
    op.drop_table("inference_rejection")
