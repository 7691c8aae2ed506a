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


def downgrade() -> None:
    op.drop_column("ingest_instance", "purpose")
