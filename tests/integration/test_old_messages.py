"""Rows of messages are kept for a while, those that wait for a person until somebody has settled them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from ingest.orders.service import prune
from ingest.tables import message
from tests.hl7_messages import orm
from tests.integration.orders_world import hear, heard, hearing
from voorrang.clock import ManualClock

KEPT_DAYS = 30

pytestmark = pytest.mark.integration


def test_old_rows_go_and_refused_ones_stay(tmp_path: Path, clock: ManualClock) -> None:
    with hearing(tmp_path, clock) as station:
        heard(station, orm("1"), orm("2", urgency="Z9"))
        clock.advance(KEPT_DAYS * 86_400 + 1)
        hear(station, orm("3", accession="A-2"))
        prune(station.runtime, KEPT_DAYS)

        rows = station.rows(select(message.c.control_id, message.c.outcome).order_by(message.c.id))
        assert [tuple(row) for row in rows] == [("2", "refused"), ("3", "taken")]
        assert heard(station, orm("1")) == ["unchanged"]
