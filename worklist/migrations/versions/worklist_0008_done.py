"""What a reader called done is said of each study; what the list shows says of which finding."""

import sqlalchemy as sa
from alembic import op

revision = "worklist_0008_done"
down_revision = "worklist_0007_scored"
branch_labels = None
depends_on = None

# Of an item that was called done, the studies that had begun to come by then.
COVERED = """
UPDATE worklist_study SET done_by_hand = true
WHERE EXISTS (SELECT 1 FROM worklist_item i WHERE i.item_key = worklist_study.item_key AND i.done_by_hand)
AND first_received_at <= (
    SELECT max(d.at) FROM worklist_decision d WHERE d.item_key = worklist_study.item_key AND d.act = 'done')
"""
# The others were read by nobody: their items come back, and are ranked anew when the service starts.
BACK = """
UPDATE worklist_item SET done_by_hand = false, listed_as = CASE WHEN state = 'prior' THEN 1 ELSE 0 END
WHERE done_by_hand AND standing = 'open' AND study_count > 0 AND EXISTS (
    SELECT 1 FROM worklist_study s WHERE s.item_key = worklist_item.item_key
    AND NOT s.done_by_hand AND NOT s.prior AND s.withdrawn = '')
"""


def upgrade() -> None:
    op.add_column("worklist_study", sa.Column("done_by_hand", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute(COVERED)
    op.execute(BACK)
    for column in (
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("series_revision", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("run", sa.Integer(), nullable=False, server_default="0"),
    ):
        op.add_column("worklist_shown", column)


def downgrade() -> None:
    for column in ("series_instance_uid", "series_revision", "run"):
        op.drop_column("worklist_shown", column)
    op.drop_column("worklist_study", "done_by_hand")
