"""The register writes down how much of a model's answers is shown."""

import sqlalchemy as sa
from alembic import op

revision = "voorrang_0004"
down_revision = "voorrang_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What was registered before was shown whole.
    op.add_column(
        "model_version", sa.Column("shows", sa.String(length=16), nullable=False, server_default=sa.text("'measure'"))
    )


def downgrade() -> None:
    op.drop_column("model_version", "shows")
