"""Series as they really come: cut off, late, interleaved, forced, under a clock that is stepped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from sqlalchemy import event as sql_event
from sqlalchemy import select, update
from sqlalchemy.sql import Update

from ingest.tables import claim, series, study
from tests.integration.listening import STUDY, Station, make_ct, make_stack, make_station, real_data
from voorrang.clock import ManualClock
from voorrang.database import Database
from voorrang.dicom.manifest import instances_digest
from voorrang.settings import SenderRule
from voorrang.tables import outbox

pytestmark = pytest.mark.integration

SERIES = f"{STUDY}.1"
QUIET = 4.0  # of the built-in stroke pathway
LOOK = 0.25  # how often the service looks
WHOLE = ("geometry_whole", "quiet")
SENDERS = {
    "PACS": SenderRule(prefetch=True),
    "SLOW": SenderRule(quiet_seconds=20, lane="routine"),
}
REQUIRED = """\
  required_series:
    - name: cta
      wants: {contrast: true, description_words: [cta]}
"""
NewStation = Callable[..., Station]


@pytest.fixture
def new_station(database: Database, tmp_path: Path, clock: ManualClock) -> NewStation:
    """Start ingest, as often as wanted, on one database and one archive."""

    def start(**settings: Any) -> Station:
        return make_station(database, tmp_path / "data", clock, senders=SENDERS, **settings)

    return start


@pytest.fixture
def station(new_station: NewStation) -> Station:
    return new_station()


@pytest.fixture
def station_requiring_cta(new_station: NewStation, tmp_path: Path) -> Station:
    """Ingest with a stroke pathway that wants a CT angiography beside the plain head."""
    builtin = (resources.files("voorrang.pathways") / "builtin" / "stroke.yaml").read_text(encoding="utf-8")
    folder = tmp_path / "pathways"
    folder.mkdir()
    text = builtin.replace("  negative_provisional_until", REQUIRED + "  negative_provisional_until")
    (folder / "stroke.yaml").write_text(text, encoding="utf-8")
    return new_station(pathways_dir=folder)


def come(station: Station, *instances: Dataset, calling: str = "SCANNER") -> None:
    """Receive instances and give them their rows."""
    station.receive(*instances, calling=calling)
    station.take_in()


def let_pass(station: Station, seconds: float) -> None:
    """Let time pass, looking as often as the service does; less often in the middle of a long wait."""
    left = seconds
    while left > 0:
        wait = LOOK if left == seconds or left <= 2 * QUIET else min(QUIET, left - 2 * QUIET)
        station.clock.advance(min(wait, left))
        station.assembler.step()
        left -= wait


def write(station: Station, statement: Update) -> None:
    with station.runtime.database.write() as connection:
        assert connection.execute(statement).rowcount >= 1


def completed(station: Station, series_instance_uid: str = SERIES) -> list[tuple[int, int, bool, tuple[str, ...]]]:
    """Return (revision, number of instances, partial, codes) of each `series-completed` of a series."""
    found = [e.data for e in station.events("series-completed") if e.data.series_instance_uid == series_instance_uid]
    return [(r.series_revision, r.instance_count, r.partial, r.verdict) for r in found]


def digests(station: Station) -> list[str]:
    return [e.data.instances_digest for e in station.events("series-completed")]


def sentences(station: Station) -> list[str]:
    return [e.data.verdict_text for e in station.events("series-completed")]


def confirmed(station: Station) -> list[tuple[int, str]]:
    return [(e.data.series_revision, e.data.verdict) for e in station.events("series-confirmed")]


def digest_of(instances: Sequence[Dataset]) -> str:
    return instances_digest(str(ds.SOPInstanceUID) for ds in instances)


def of_series(number: int, n: int = 12, **elements: Any) -> list[Dataset]:
    """Make a stack of the study's series with this number."""
    return make_stack(n, SeriesInstanceUID=f"{STUDY}.{number}", **elements)


# Quiet and whole


def test_a_whole_series_is_announced_within_5_seconds_of_its_last_slice(station: Station) -> None:
    for ds in make_stack(12):
        come(station, ds)
        let_pass(station, 3.9)
    assert completed(station) == []
    let_pass(station, QUIET - 3.9 + LOOK)
    assert completed(station) == [(1, 12, False, WHOLE)]
    told = station.events("series-completed")[0]
    assert (told.time - told.data.last_received_at).total_seconds() <= QUIET + LOOK < 5
    assert sentences(station) == ["12 slices, none missing between the first and the last; quiet for 4 s"]


# A series cut off at an end


@pytest.mark.parametrize("kept", [slice(0, 8), slice(4, 12)], ids=["its top is missing", "its bottom is missing"])
def test_a_truncated_series_starts_at_once_and_is_never_confirmed(station: Station, kept: slice) -> None:
    stack = make_stack(12)
    come(station, *stack[kept])
    let_pass(station, QUIET)
    assert completed(station) == [(1, 8, False, WHOLE)]
    assert digests(station) == [digest_of(stack[kept])]
    let_pass(station, 120)
    station.clock.advance(86_000)
    station.assembler.step()
    assert completed(station) == [(1, 8, False, WHOLE)]
    assert confirmed(station) == []


@pytest.mark.parametrize("kept", [slice(0, 12), slice(3, 15)], ids=["its top is missing", "its bottom is missing"])
def test_a_truncated_series_that_covers_enough_is_confirmed_after_a_minute_only(station: Station, kept: slice) -> None:
    come(station, *make_stack(15)[kept])
    let_pass(station, 59.75)
    assert completed(station) == [(1, 12, False, WHOLE)]
    assert confirmed(station) == []
    let_pass(station, LOOK)
    assert confirmed(station) == [(1, "quiet_and_coverage")]


@pytest.mark.parametrize("kept", [slice(0, 18), slice(10, 28)], ids=["its top is missing", "its bottom is missing"])
def test_a_truncated_scan_of_a_real_scanner_stays_unconfirmed(station: Station, kept: slice) -> None:
    scan = [dcmread(path) for path in sorted(real_data("head-ge-infarct").rglob("*.dcm"))]
    scan.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
    assert len(scan) == 28
    come(station, *scan[kept])
    let_pass(station, 200)
    found = station.events("series-completed")
    assert [(e.data.series_revision, e.data.instance_count) for e in found] == [(1, 18)]
    assert confirmed(station) == []


# Its last third comes late


def test_a_last_third_40_seconds_late_is_revision_2_that_supersedes(station: Station) -> None:
    stack = make_stack(18)
    come(station, *stack[:12])
    let_pass(station, 40)
    come(station, *stack[12:])
    let_pass(station, 64)
    assert completed(station) == [(1, 12, False, WHOLE), (2, 18, False, WHOLE)]
    assert digests(station) == [digest_of(stack[:12]), digest_of(stack)]
    assert confirmed(station) == [(2, "quiet_and_coverage")]


def test_a_last_third_that_fills_a_gap_within_the_cap_makes_one_revision(station: Station) -> None:
    stack = make_stack(18)
    come(station, *stack[:6], *stack[12:])
    let_pass(station, 40)
    assert completed(station) == []
    come(station, *stack[6:12])
    let_pass(station, QUIET)
    assert completed(station) == [(1, 18, False, WHOLE)]


def test_a_last_third_that_comes_after_the_cap_finds_a_partial_revision_1(station: Station) -> None:
    stack = make_stack(18)
    come(station, *stack[:6], *stack[12:])
    let_pass(station, 119.75)
    assert completed(station) == []
    let_pass(station, LOOK)
    come(station, *stack[6:12])
    let_pass(station, 64)
    assert completed(station) == [(1, 12, True, ("cap", "geometry_not_whole")), (2, 18, False, WHOLE)]
    assert digests(station) == [digest_of(stack[:6] + stack[12:]), digest_of(stack)]
    assert sentences(station) == [
        "12 of about 18 slices: 6 missing between the first and the last; went on after 120 s",
        "18 slices, none missing between the first and the last; quiet for 4 s",
    ]
    assert confirmed(station) == [(2, "quiet_and_coverage")]


def test_a_series_that_never_pauses_goes_on_at_the_cap_and_is_revised(station: Station) -> None:
    for ds in make_stack(45):
        come(station, ds)
        let_pass(station, 3)
    let_pass(station, 64)
    # 120 s after its first slice the 41st had just come; the four after it are a revision of their own.
    assert completed(station) == [(1, 40, True, ("cap", "still_arriving")), (2, 45, False, WHOLE)]
    assert confirmed(station) == [(2, "quiet_and_coverage")]


# Several series


def test_the_third_of_five_series_is_announced_while_the_others_still_come(station: Station) -> None:
    come(station, make_ct(1, SeriesInstanceUID=f"{STUDY}.1", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    let_pass(station, 10)
    come(station, *of_series(2, BodyPartExamined="NECK"))
    let_pass(station, 10)
    wanted = of_series(3)
    come(station, *wanted)
    for ds in (*of_series(4, BodyPartExamined="NECK"), *of_series(5, BodyPartExamined="LUMBAR SPINE")):
        let_pass(station, 1)
        come(station, ds)
        if ds.SeriesInstanceUID == f"{STUDY}.5":
            assert completed(station, f"{STUDY}.3") == [(1, 12, False, WHOLE)]
    let_pass(station, 130)
    assert [e.data.series_instance_uid for e in station.events("series-completed")] == [f"{STUDY}.3"]
    assert digests(station) == [digest_of(wanted)]
    assert confirmed(station) == [(1, "quiet_and_coverage")]
    claims = station.events("study-updated")[-1].data.claims
    assert [(c.series_instance_uid, c.pathway) for c in claims] == [(f"{STUDY}.3", "stroke")]


def test_five_interleaved_series_are_each_complete_by_their_own_last_slice(station: Station) -> None:
    stacks = [of_series(number, 12 + number) for number in range(1, 6)]
    for n in range(17):
        for stack in stacks:
            if n < len(stack):
                come(station, stack[n])
        let_pass(station, 1)
    let_pass(station, 64)
    assert [completed(station, f"{STUDY}.{number}") for number in range(1, 6)] == [
        [(1, 12 + number, False, WHOLE)] for number in range(1, 6)
    ]
    assert digests(station) == [digest_of(stack) for stack in stacks]
    assert confirmed(station) == [(1, "quiet_and_coverage")] * 5


def test_no_header_is_read_while_24_series_grow(station: Station) -> None:
    statements: list[str] = []
    stacks = [of_series(number, 6) for number in range(1, 25)]
    engine = station.runtime.database.engine
    sql_event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    for n in range(6):
        come(station, *(stack[n] for stack in stacks))
        statements.clear()
        let_pass(station, 1)
        assert not [text for text in statements if "header" in text]
    let_pass(station, QUIET)
    assert len(station.events("series-completed")) == 24


# Priors


def test_a_prior_is_claimed_by_nobody_and_never_announced(station: Station) -> None:
    come(station, *make_stack(12, StudyDate="20250101"), calling="PACS")
    let_pass(station, 200)
    assert station.study().prior
    assert station.events("study-updated")[-1].data.claims == ()
    assert station.rows(select(claim)) == []
    assert completed(station) == []
    assert confirmed(station) == []


# What is agreed with a sender


@pytest.fixture
def slow(station: Station) -> Station:
    """A station that has got the first slices of a sender that pauses."""
    come(station, *make_stack(12), calling="SLOW")
    write(station, update(series).values(sender="SLOW"))  # as intake writes it
    return station


def test_a_sender_that_pauses_is_waited_for_by_its_own_quiet_time(slow: Station) -> None:
    let_pass(slow, 19.75)
    assert completed(slow) == []
    let_pass(slow, LOOK)
    assert completed(slow) == [(1, 12, False, WHOLE)]
    assert sentences(slow) == ["12 slices, none missing between the first and the last; quiet for 20 s"]


def test_a_sender_with_a_lane_of_its_own_is_announced_in_it(slow: Station) -> None:
    let_pass(slow, 20)
    assert [e.data.lane for e in slow.events("series-completed")] == ["routine"]
    topics = slow.rows(select(outbox.c.topic).where(outbox.c.topic.startswith("series-completed")))
    assert [row.topic for row in topics] == ["series-completed-routine"]


# An operator's acts


def force(station: Station) -> None:
    write(station, update(claim).values(forced_at=station.clock.now()))


def test_a_forced_series_goes_on_at_the_next_look_as_partial(station: Station) -> None:
    stack = make_stack(18)
    come(station, *stack[:6], *stack[12:])
    let_pass(station, 10)
    force(station)
    station.assembler.step()
    assert completed(station) == [(1, 12, True, ("forced", "geometry_not_whole"))]
    assert sentences(station) == [
        "12 of about 18 slices: 6 missing between the first and the last; went on because an operator said so"
    ]


def test_a_forced_series_that_is_whole_is_not_partial(station: Station) -> None:
    come(station, *make_stack(12))
    force(station)
    station.assembler.step()
    assert completed(station) == [(1, 12, False, ("forced", "geometry_whole", "still_arriving"))]


def test_late_slices_of_a_forced_series_are_waited_for_again(station: Station) -> None:
    stack = make_stack(18)
    come(station, *stack[:6], *stack[12:])
    force(station)
    station.assembler.step()
    for ds in stack[6:12]:
        come(station, ds)
        let_pass(station, 2)
    let_pass(station, QUIET)
    assert [(revision, n) for revision, n, _, _ in completed(station)] == [(1, 12), (2, 18)]


def suppress(station: Station, *, lifted: bool = False) -> None:
    write(station, update(study).values(suppressed_at=None if lifted else station.clock.now()))


def test_a_suppressed_study_is_not_announced_until_that_is_lifted(station: Station) -> None:
    come(station, *make_stack(12))
    suppress(station)
    let_pass(station, 200)
    assert completed(station) == []
    assert confirmed(station) == []
    suppress(station, lifted=True)
    station.assembler.step()
    station.assembler.step()
    assert completed(station) == [(1, 12, False, WHOLE)]
    assert confirmed(station) == [(1, "quiet_and_coverage")]


def test_a_study_suppressed_after_it_was_announced_is_not_confirmed(station: Station) -> None:
    come(station, *make_stack(12))
    let_pass(station, QUIET)
    suppress(station)
    let_pass(station, 200)
    assert completed(station) == [(1, 12, False, WHOLE)]
    assert confirmed(station) == []


def test_the_claim_of_a_run_that_was_commanded_carries_its_number(station: Station) -> None:
    come(station, *make_stack(12))
    write(station, update(claim).values(run=3))
    let_pass(station, QUIET)
    assert [e.data.run for e in station.events("series-completed")] == [3]


# Required series


def cta(n: int = 12) -> list[Dataset]:
    """Make the angiography: of the neck too, so that the stroke pathway does not claim it."""
    return of_series(
        2, n, ContrastBolusAgent="ULTRAVIST", SeriesDescription="CTA carotids 0.8", BodyPartExamined="NECK"
    )


def test_a_series_waits_for_the_required_one_to_be_there_quiet_and_whole(station_requiring_cta: Station) -> None:
    station = station_requiring_cta
    come(station, *make_stack(12))
    let_pass(station, 10)
    assert completed(station) == []
    angiography = cta(9)
    come(station, *angiography[:3], *angiography[6:])
    let_pass(station, 10)
    assert completed(station) == []
    come(station, *angiography[3:6])
    let_pass(station, QUIET - LOOK)
    assert completed(station) == []
    let_pass(station, LOOK)
    assert completed(station) == [(1, 12, False, WHOLE)]


def test_without_the_required_series_it_goes_on_at_the_cap_and_is_not_confirmed(station_requiring_cta: Station) -> None:
    station = station_requiring_cta
    come(station, *make_stack(12))
    let_pass(station, 240)
    assert completed(station) == [(1, 12, True, ("cap", "required_series_wanting"))]
    assert sentences(station) == [
        "12 slices, none missing between the first and the last; went on after 120 s; "
        "required series not there or not whole: cta"
    ]
    assert confirmed(station) == []
    come(station, *cta())
    let_pass(station, QUIET)
    assert confirmed(station) == [(1, "quiet_and_coverage")]
    assert len(completed(station)) == 1


# A clock that is stepped


def test_a_series_completes_and_is_confirmed_though_the_clock_went_back_an_hour(station: Station) -> None:
    come(station, *make_stack(12))
    station.clock.advance(-3600)
    let_pass(station, QUIET + LOOK)
    assert completed(station) == [(1, 12, False, WHOLE)]
    assert confirmed(station) == []
    let_pass(station, 60 + LOOK)
    assert confirmed(station) == [(1, "quiet_and_coverage")]


def test_a_series_that_grows_over_a_step_back_is_complete_when_it_is_quiet(station: Station) -> None:
    stack = make_stack(18)
    come(station, *stack[:6])
    station.clock.advance(-3600)
    for ds in stack[6:]:
        come(station, ds)
        let_pass(station, 3)
    assert completed(station) == []
    let_pass(station, QUIET)
    assert completed(station) == [(1, 18, False, WHOLE)]
    assert digests(station) == [digest_of(stack)]


def test_a_gap_meets_the_cap_though_the_clock_went_back_an_hour(station: Station) -> None:
    stack = make_stack(18)
    come(station, *stack[:6], *stack[12:])
    station.clock.advance(-3600)
    let_pass(station, 119)
    assert completed(station) == []
    let_pass(station, 2)
    assert completed(station) == [(1, 12, True, ("cap", "geometry_not_whole"))]


def test_a_restart_after_a_step_back_only_waits_anew(station: Station, new_station: NewStation) -> None:
    come(station, *make_stack(12))
    station.clock.advance(-3600)
    let_pass(station, 3)
    again = new_station()
    let_pass(again, QUIET + LOOK)
    assert completed(again) == [(1, 12, False, WHOLE)]


def test_a_step_forward_in_mid_series_makes_an_early_revision_that_the_next_supersedes(station: Station) -> None:
    stack = make_stack(18)
    come(station, *stack[:6])
    station.clock.advance(3600)
    station.assembler.step()
    come(station, *stack[6:])
    let_pass(station, 64)
    assert completed(station) == [(1, 6, False, WHOLE), (2, 18, False, WHOLE)]
    assert digests(station) == [digest_of(stack[:6]), digest_of(stack)]
    assert confirmed(station) == [(2, "quiet_and_coverage")]


def test_a_clock_that_goes_forward_and_back_loses_nothing(station: Station) -> None:
    stack = make_stack(18)
    come(station, *stack[:6])
    station.clock.advance(3600)
    come(station, *stack[6:12])
    station.clock.advance(-3600)
    let_pass(station, 1)
    come(station, *stack[12:])
    let_pass(station, QUIET + LOOK)
    let_pass(station, 60 + LOOK)
    assert completed(station) == [(1, 18, False, WHOLE)]
    assert confirmed(station) == [(1, "quiet_and_coverage")]
