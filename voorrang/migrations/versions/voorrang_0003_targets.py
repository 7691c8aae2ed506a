"""The register writes down within how many minutes an exam was to be read when a model was activated."""

import sqlalchemy as sa
from alembic import op

revision = "voorrang_0003"
down_revision = "voorrang_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("model_activation", sa.Column("read_within_minutes", sa.Float()))


def downgrade() -> None:
    op.drop_column("model_activation", "read_within_minutes")
