"""At the door a sender whose lane is urgent goes first, then who has sent less; others are answered all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag

import pytest
from prometheus_client import REGISTRY

from ingest.accounting import Accountant
from ingest.admission import StoreStatus
from ingest.listening import passage, right_of_way
from ingest.listening.right_of_way import Claim, RightOfWay
from ingest.listening.server import Server
from ingest.tally import Count
from tests.integration.listener_log import listener_log
from tests.integration.listening import CT, CT_CONTEXT, Station, encoded, make_ct, make_station, own_database
from tests.neighbours.raw_scu import RawSCU
from tests.neighbours.starting import wait_until
from voorrang.clock import ManualClock
from voorrang.events.records import Lane
from voorrang.settings import SenderRule

pytestmark = pytest.mark.integration

SECONDS = 20
SENDERS = {
    "EMERGENCY": SenderRule(lane="urgent"),
    "STROKE": SenderRule(lane="urgent"),
    "SLOW": SenderRule(lane="urgent", max_instances_per_second=0.01),
    "WARD": SenderRule(lane="routine"),
}


class Watched(RightOfWay):
    """Tells when it was taken, and when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_awaited = Flag()
        self.taken = 0

    def tell(self, who: int, claim: Claim, *, goes_first: bool = True) -> None:
        """Tell of one who goes first, and that it was told."""
        super().tell(who, claim, goes_first=goes_first)
        self.taken += goes_first

    def give(self, claim: Claim, pause: Callable[[float], bool]) -> float:
        """Give way, and tell when that is to wait."""

        def told(seconds: float) -> bool:
            self.is_awaited.set()
            return pause(seconds)

        return super().give(claim, told)


@pytest.fixture
def way() -> Watched:
    return Watched()


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    with own_database(tmp_path) as database:
        yield make_station(database, tmp_path / "data", clock, senders=SENDERS)


@pytest.fixture(autouse=True)
def server(station: Station, way: Watched) -> Iterator[Server]:
    opened = Server(station.receiver.configuration, station.receiver, right_of_way=way)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody but an end of the instance that goes first end the wait."""
    monkeypatch.setattr(right_of_way, "GIVE_SECONDS", 60.0)
    for module in (right_of_way, passage):
        monkeypatch.setattr(module, "HOLD_SECONDS", 60.0)
    monkeypatch.setattr(passage, "EVERY_SECONDS", 0.0)


@contextmanager
def half_way(station: Station, way: Watched, calling: str, after: Sequence[int] = ()) -> Iterator[RawSCU]:
    """Have a sender in the middle of an instance that goes first, after others on the same association."""
    ds = make_ct(1)
    scu = RawSCU(station.port, [CT_CONTEXT], calling=calling).__enter__()
    try:
        for number in after:
            assert store_on(scu, number) == StoreStatus.SUCCESS
            assert way.taken == 0  # nobody knows yet whether it goes on at once
        scu.store_half(CT_CONTEXT, CT, str(ds.SOPInstanceUID), encoded(ds)[:100])
        wait_until(lambda: way.taken > 0, SECONDS, "it was not taken")
        yield scu
    finally:
        scu.vanish()


def store_on(scu: RawSCU, number: int) -> int:
    ds = make_ct(number)
    return scu.store(CT_CONTEXT, CT, str(ds.SOPInstanceUID), encoded(ds))


def store(station: Station, number: int, calling: str) -> int:
    with RawSCU(station.port, [CT_CONTEXT], calling=calling) as scu:
        return store_on(scu, number)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("calling", ["WARD", "UNKNOWN"])
def test_others_are_answered_when_the_urgent_instance_is_over_and_the_log_tells_how_long_that_was(
    station: Station, way: Watched, calling: str
) -> None:
    with ThreadPoolExecutor() as pool, listener_log() as log:
        with half_way(station, way, "EMERGENCY"):
            answer: Future[int] = pool.submit(store, station, 2, calling)
            assert way.is_awaited.wait(SECONDS)
            assert not answer.done()
            assert len(station.stored()) == 1  # it is safe before it is answered
        assert answer.result(SECONDS) == StoreStatus.SUCCESS
        wait_until(lambda: any("association released" in str(line) for line in log()), SECONDS, "no line in the log")
        assert [line["gave_way_seconds"] >= 0 for line in log() if "gave_way_seconds" in line] == [True]
    assert station.receiver.tally.read(Count.GAVE_WAY_MS) >= 1e3 * right_of_way.LOOK_SECONDS


def test_a_metric_tells_how_long_answers_waited_since_the_service_began(station: Station) -> None:
    def told_after(milliseconds: int, accountant: Accountant = station.accountant) -> float:
        station.receiver.tally.add(Count.GAVE_WAY_MS, milliseconds)
        accountant.step()
        return REGISTRY.get_sample_value("voorrang_gave_way_seconds_total") or 0.0

    before = told_after(0)
    assert told_after(1500) == before + 1.5
    assert told_after(0) == before + 1.5
    started_again = Accountant(station.runtime, station.intake, station.accountant.archive_dir)
    assert told_after(0, started_again) == before + 1.5
    assert told_after(500, started_again) == before + 2.0
    assert told_after(-2000, started_again) == before + 2.0  # the tally was removed
    assert told_after(250, started_again) == before + 2.25


@pytest.mark.usefixtures("patient")
def test_urgent_senders_do_not_wait_for_each_other(station: Station, way: Watched) -> None:
    with half_way(station, way, "EMERGENCY"):
        assert store(station, 2, "STROKE") == StoreStatus.SUCCESS
    assert not way.is_awaited.is_set()
    assert station.receiver.tally.read(Count.GAVE_WAY_MS) == 0


def test_an_urgent_sender_that_is_held_to_a_rate_keeps_nobody_meanwhile(
    station: Station, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(right_of_way, "GIVE_SECONDS", 60.0)

    def send_two() -> list[int]:
        with RawSCU(station.port, [CT_CONTEXT], calling="SLOW") as scu:
            return [store_on(scu, number) for number in (1, 2)]

    with ThreadPoolExecutor() as pool:
        sending = pool.submit(send_two)
        wait_until(lambda: len(station.stored()) == 2, SECONDS, "the second was not stored")
        assert pool.submit(store, station, 3, "WARD").result(SECONDS) == StoreStatus.SUCCESS
        assert not sending.done()
        server.close()
        sending.exception(SECONDS)


def test_nobody_is_kept_for_long_by_an_urgent_sender_that_stalls(station: Station, way: Watched) -> None:
    with half_way(station, way, "EMERGENCY"):
        assert store(station, 2, "WARD") == StoreStatus.SUCCESS


@pytest.mark.usefixtures("patient")
def test_who_has_sent_less_goes_before_who_has_sent_more(
    station: Station, way: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(right_of_way, "MARGIN_BYTES", 1.0)
    monkeypatch.setattr(right_of_way, "CROWD_OF_EACH", 0)
    for number in range(2, 6):
        assert store(station, number, "ARCHIVE") == StoreStatus.SUCCESS
    with ThreadPoolExecutor() as pool:
        with half_way(station, way, "SCANNER", after=[6]):
            answer = pool.submit(store, station, 7, "ARCHIVE")
            assert way.is_awaited.wait(SECONDS)
            assert store(station, 8, "NEWCOMER") == StoreStatus.SUCCESS
            assert not answer.done()
        assert answer.result(SECONDS) == StoreStatus.SUCCESS


@pytest.mark.parametrize(("lane", "is_known"), [("urgent", True), ("routine", False), (None, False)])
def test_who_is_urgent_is_said_by_the_senders_lane(
    tmp_path: Path, clock: ManualClock, lane: Lane | None, is_known: bool
) -> None:
    with own_database(tmp_path) as database:
        made = make_station(database, tmp_path / "data", clock, senders={"CT": SenderRule(lane=lane)})
        assert made.receiver.configuration.has_urgent_senders() is is_known
