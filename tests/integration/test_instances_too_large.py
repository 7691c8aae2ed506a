"""What is larger than an instance may be fills no disk, and holds up nothing that comes behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ingest.admission import StoreStatus
from ingest.tally import Count
from tests import pdus
from tests.integration.knocking import (
    TIMEOUT_SECONDS,
    knocking,
    parts,
    read_pdu,
    read_to_end,
    wait_until_nobody_is_served,
)
from tests.integration.listener_log import listener_log, reasons
from tests.integration.listening import CT, CT_CONTEXT, Station, encoded, listening, make_ct, make_station, own_database
from tests.neighbours.raw_scu import RawSCU
from tests.neighbours.starting import wait_until
from voorrang.clock import ManualClock

pytestmark = pytest.mark.integration

PIECE = pdus.pdu(pdus.DATA, pdus.pdv(pdus.CT_CONTEXT, 0, bytes(100_000)))
LIMITS = [1_500_000, 6_000_000]  # one that lies within what is held in memory, and one beyond


@pytest.fixture(params=LIMITS)
def station(tmp_path: Path, clock: ManualClock, request: pytest.FixtureRequest) -> Iterator[Station]:
    with own_database(tmp_path) as database:
        made = make_station(database, tmp_path / "data", clock, max_instance_bytes=request.param)
        with listening(made):
            yield made


def limit_of(station: Station) -> int:
    """Return how large an instance may be."""
    return station.receiver.configuration.max_instance_bytes


def test_it_is_refused_with_a_code_and_what_comes_behind_it_is_stored(station: Station) -> None:
    large, small = make_ct(1, PixelData=bytes(limit_of(station))), make_ct(2)
    with RawSCU(station.port, [CT_CONTEXT]) as scu:
        assert scu.store(CT_CONTEXT, CT, str(large.SOPInstanceUID), encoded(large)) == StoreStatus.CANNOT_UNDERSTAND
        assert scu.store(CT_CONTEXT, CT, str(small.SOPInstanceUID), encoded(small)) == StoreStatus.SUCCESS
    (refused,) = station.refused()
    assert (refused.reason, refused.locator) == ("too_large", None)
    assert len(station.stored()) == 1
    assert parts(station) == []
    assert not (station.runtime.archive.root / "quarantine").exists()
    assert station.receiver.tally.read(Count.REFUSED) == 1


def test_as_large_as_it_may_be_it_is_stored(station: Station) -> None:
    before = make_ct(1)
    station.receive(before)
    room = limit_of(station) - station.runtime.archive.path(station.stored()[0]).stat().st_size
    largest, larger = make_ct(2, PixelData=bytes(room)), make_ct(3, PixelData=bytes(room + 40))
    assert station.receive(largest, larger) == [StoreStatus.SUCCESS, StoreStatus.CANNOT_UNDERSTAND]
    assert len(station.stored()) == 2


def test_a_data_set_without_end_gives_its_room_back_and_is_aborted(station: Station) -> None:
    last = pdus.pdu(pdus.DATA, pdus.pdv(pdus.CT_CONTEXT, pdus.LAST, b""))
    begun = pdus.store_message("1.2.3", b"").removesuffix(last)
    count = limit_of(station) // 100_000
    with listener_log() as log:
        with knocking(station.port) as (connection, answer):
            assert answer[0] == pdus.ACCEPTED
            connection.sendall(begun + PIECE * (count - 1))
            wait_until(lambda: len(parts(station)) == 1, TIMEOUT_SECONDS, "no part file")
            connection.sendall(PIECE * 4)
            wait_until(lambda: parts(station) == [], TIMEOUT_SECONDS, "the part file stays")
            with suppress(OSError):
                connection.sendall(PIECE * (count + 4))
            assert read_to_end(connection)[:1] in (bytes([pdus.ABORT]), b"")  # a reset may overtake the abort
        wait_until_nobody_is_served()
        assert reasons(log()) == ["data_set_without_end"]
    with knocking(station.port) as (connection, _):
        connection.sendall(pdus.echo_message())
        assert read_pdu(connection)[0] == pdus.DATA
    assert station.stored() == []
    assert parts(station) == []
