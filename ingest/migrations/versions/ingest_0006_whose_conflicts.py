"""Which study and series an instance that lies beside another is of."""

import sqlalchemy as sa
from alembic import op

revision = "ingest_0006"
down_revision = "ingest_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("study_instance_uid", "series_instance_uid"):
        op.add_column("ingest_conflict", sa.Column(name, sa.String(length=64), nullable=False, server_default=""))


def downgrade() -> None:
    for name in ("study_instance_uid", "series_instance_uid"):
        op.drop_column("ingest_conflict", name)
