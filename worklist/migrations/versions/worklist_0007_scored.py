"""The highest answer with a score is kept beside the highest answer, so that one without a score takes no flag away."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "worklist_0007_scored"
down_revision = "worklist_0006_one_order"
branch_labels = None
depends_on = None

TABLE = "worklist_answer"
COLUMNS: dict[str, sa.types.TypeEngine[Any]] = {
    "scored_revision": sa.Integer(),
    "scored_run": sa.Integer(),
    "scored_record": sa.JSON(),
}


def upgrade() -> None:
    for name, kind in COLUMNS.items():
        op.add_column(TABLE, sa.Column(name, kind))
    record = sa.column("record", sa.JSON())
    numbers = [sa.column(name, sa.Integer()) for name in ("series_revision", "run")]
    answer = sa.table(TABLE, record, *numbers, *(sa.column(name, kind) for name, kind in COLUMNS.items()))
    scored = sa.update(answer).where(answer.c.record["state"].as_string() == "scored")
    was = dict(zip(COLUMNS, (answer.c.series_revision, answer.c.run, answer.c.record), strict=True))
    op.execute(scored.where(answer.c.record["score"].as_float().is_not(None)).values(was))


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column(TABLE, name)
