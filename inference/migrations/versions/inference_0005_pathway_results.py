"""What each pathway was told, beside what models said; a refusal by one pathway's gate is no other's."""

import sqlalchemy as sa
from alembic import op

revision = "inference_0005"
down_revision = "inference_0004"
branch_labels = None
depends_on = None

# An answer of a revision before the latest does not say on which pathway it was given.
KEEP = """
INSERT INTO inference_pathway_result
    (series_instance_uid, series_revision, model_id, version, weights_digest, run, pathway, state, outcome, scored_at)
SELECT r.series_instance_uid, r.series_revision, r.model_id, r.version, r.weights_digest, r.run,
    COALESCE(a.pathway, ''), r.state, r.outcome, r.scored_at
FROM inference_result r LEFT JOIN inference_answered a
    ON a.series_instance_uid = r.series_instance_uid AND a.series_revision = r.series_revision
    AND a.model_id = r.model_id AND a.version = r.version AND a.weights_digest = r.weights_digest AND a.run = r.run
"""
FORGET = "DELETE FROM inference_result WHERE state = 'out_of_scope'"
BRING_BACK = """
INSERT INTO inference_result
    (series_instance_uid, series_revision, model_id, version, weights_digest, run, state, outcome, scored_at)
SELECT series_instance_uid, series_revision, model_id, version, weights_digest, run, state, outcome, scored_at
FROM inference_pathway_result WHERE true
ORDER BY pathway
ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    op.create_table(
        "inference_pathway_result",
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_revision", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("weights_digest", sa.String(length=64), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("pathway", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.JSON(), nullable=False),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "series_instance_uid", "series_revision", "model_id", "version", "weights_digest", "run", "pathway"
        ),
    )
    op.execute(KEEP)
    op.execute(FORGET)


def downgrade() -> None:
    op.execute(BRING_BACK)
    op.drop_table("inference_pathway_result")
