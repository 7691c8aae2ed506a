"""A note that pydicom cannot read rejects nothing, and nothing that comes with it waits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from ingest.admission import Request, StoreStatus
from ingest.rejection_notes import KEY_OBJECT_SELECTION
from ingest.tables import instance
from tests.integration.listening import (
    AE_TITLE,
    EXPLICIT_LITTLE,
    Station,
    encoded,
    make_ct,
    make_station,
    own_database,
)
from tests.integration.test_rejection_notes import make_note
from voorrang.clock import ManualClock

pytestmark = pytest.mark.integration

TITLE = b"\x40\x00\x43\xa0"  # (0040,A043) Concept Name Code Sequence


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    with own_database(tmp_path) as database:
        yield make_station(database, tmp_path / "data", clock)


def test_a_note_that_cannot_be_read_is_an_instance_like_any_other(station: Station) -> None:
    ct = make_ct(1)
    note = make_note(ct)
    request = Request(KEY_OBJECT_SELECTION, str(note.SOPInstanceUID), "SCANNER", AE_TITLE)
    with_a_vr_that_is_none = encoded(note).replace(TITLE + b"SQ", TITLE + b"ZZ")
    assert station.receiver.receive(request, EXPLICIT_LITTLE, with_a_vr_that_is_none) == StoreStatus.SUCCESS
    station.receive(ct)
    station.take_in()
    found = {row.sop_instance_uid for row in station.rows(select(instance.c.sop_instance_uid))}
    assert found == {str(note.SOPInstanceUID), str(ct.SOPInstanceUID)}
