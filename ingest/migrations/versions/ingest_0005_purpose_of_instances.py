"""What each instance came for."""

import sqlalchemy as sa
from alembic import op

revision = "ingest_0005"
down_revision = "ingest_0004"
branch_labels = None
depends_on = None


# Nothing says what each instance came for: it stays what its study is.
OF_STUDY = sa.text("""
    UPDATE ingest_instance SET purpose = :purpose WHERE series_instance_uid IN (
        SELECT ingest_series.series_instance_uid FROM ingest_series
        JOIN ingest_study ON ingest_study.study_instance_uid = ingest_series.study_instance_uid
        WHERE ingest_study.purpose = :purpose
    )
""")


def upgrade() -> None:
    # The default spares most hospitals to write every row anew.
    column = sa.Column("purpose", sa.String(length=16), nullable=False, server_default="clinical")
    op.add_column("ingest_instance", column)
    for purpose in ("demo", "qa", "validation", "replay"):
        op.get_bind().execute(OF_STUDY, {"purpose": purpose})
    op.create_index("ingest_instance_series", "ingest_instance", ["series_instance_uid", "purpose"])
    op.drop_index("ix_ingest_instance_series_instance_uid", "ingest_instance")


def downgrade() -> None:
    op.create_index("ix_ingest_instance_series_instance_uid", "ingest_instance", ["series_instance_uid"])
    op.drop_index("ingest_instance_series", "ingest_instance")
    op.drop_column("ingest_instance", "purpose")
