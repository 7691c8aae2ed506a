from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingest import completeness
from ingest.completeness import (
    WAIT,
    Arrival,
    Evidence,
    Patience,
    Verdict,
    VerdictCode,
    patience,
)
from voorrang.dicom.geometry import SeriesGeometry, series_geometry
from voorrang.dicom.headers import InstanceHeader
from voorrang.pathways.pathway import Pathway

BEGAN_AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
PATHWAY = Pathway.model_validate(
    {
        "pathway": "stroke",
        "wants": {"modality": "CT", "region": "head", "min_coverage_mm": 112},
        "complete": {
            "quiet_seconds": 5,
            "cap_seconds": 120,
            "geometry": "whole",
            "negative_provisional_until": {"quiet_seconds": 60, "count_confirmed": True},
        },
        "lane": "urgent",
        "models": [{"name": "reference-head", "operating_point": 0.5}],
        "delay": {
            "harm_per_minute": 1.0,
            "read_within_minutes": 15,
            "result_within_minutes": 3,
            "lift_to": "urgent",
            "owner": "test",
            "source": "test",
            "decided_on": "2026-11-22",
        },
        "reading": {"minutes": 8},
    }
)


def stack(*heights_mm: float) -> SeriesGeometry:
    return series_geometry(
        [
            InstanceHeader(
                study_instance_uid="1.2",
                series_instance_uid="1.2.3",
                sop_instance_uid=f"1.2.3.{number}",
                sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
                transfer_syntax_uid="1.2.840.10008.1.2.1",
                modality="CT",
                instance_number=number,
                rows=512,
                columns=512,
                pixel_spacing_mm=(0.5, 0.5),
                image_position_mm=(0.0, 0.0, height),
                image_orientation=(1, 0, 0, 0, 1, 0),
                slice_thickness_mm=5.0,
            )
            for number, height in enumerate(heights_mm, start=1)
        ]
    )


ALLOWED = patience(PATHWAY.complete)
WHOLE = stack(*(5.0 * i for i in range(30)))  # 150 mm
COMPLETE = Verdict(True, False, (VerdictCode.GEOMETRY_WHOLE, VerdictCode.QUIET))
SHORT = stack(*(5.0 * i for i in range(12)))  # 60 mm: the sender stopped, and it is evenly spaced all the same
WITH_GAP = stack(*(5.0 * i for i in range(30) if i != 14))
EXACT = stack(*(7.0 * i for i in range(16)))  # 112 mm


def arrival(last_after_seconds: float = 10.0) -> Arrival:
    return Arrival(BEGAN_AT, BEGAN_AT + timedelta(seconds=last_after_seconds))


def judge(geometry: SeriesGeometry, came: Arrival, now: datetime, *wanting: str) -> Verdict:
    return completeness.judge(ALLOWED, Evidence(came, geometry, wanting), now)


def confirmation(geometry: SeriesGeometry, came: Arrival, now: datetime, *wanting: str) -> str | None:
    return completeness.confirmation(PATHWAY, ALLOWED, Evidence(came, geometry, wanting), now)


def seconds_to_look_again(came: Arrival, now: datetime) -> float:
    return completeness.seconds_to_look_again(ALLOWED, came, now)


def at(seconds: float) -> datetime:
    return BEGAN_AT + timedelta(seconds=seconds)


def test_a_whole_series_is_complete_once_it_has_been_quiet() -> None:
    assert judge(WHOLE, arrival(10), at(14.999)) == WAIT
    assert judge(WHOLE, arrival(10), at(15)) == COMPLETE


def test_a_series_with_a_gap_waits_for_its_slice_until_the_cap() -> None:
    assert judge(WITH_GAP, arrival(10), at(119.9)) == WAIT
    assert judge(WITH_GAP, arrival(10), at(120)) == Verdict(
        True, True, (VerdictCode.CAP, VerdictCode.GEOMETRY_NOT_WHOLE)
    )


def test_a_series_that_never_falls_quiet_goes_on_as_partial_at_the_cap() -> None:
    assert judge(WHOLE, arrival(119), at(119.9)) == WAIT
    assert judge(WHOLE, arrival(119), at(120)) == Verdict(True, True, (VerdictCode.CAP, VerdictCode.STILL_ARRIVING))


def test_a_whole_series_that_is_quiet_at_the_cap_is_not_partial() -> None:
    assert judge(WHOLE, arrival(10), at(500)) == COMPLETE


@pytest.mark.parametrize("geometry", [stack(), stack(0.0), stack(0.0, 5.0)])
def test_a_series_of_less_than_three_slices_is_partial_at_the_cap(geometry: SeriesGeometry) -> None:
    assert judge(geometry, arrival(0), at(60)) == WAIT
    assert judge(geometry, arrival(0), at(120)).partial


def test_late_slices_count_from_their_own_beginning() -> None:
    late = Arrival(at(600), at(601))
    assert judge(WHOLE, late, at(605.9)) == WAIT
    assert judge(WHOLE, late, at(606)).is_complete
    assert judge(WITH_GAP, late, at(719)) == WAIT
    assert judge(WITH_GAP, late, at(720)).partial


@pytest.mark.parametrize("geometry", [WHOLE, SHORT, WITH_GAP, stack(0.0)])
@pytest.mark.parametrize("last", [0.0, 3.0, 10.0, 118.0, 119.9])
def test_nothing_is_missed_by_not_looking_until_it_is_time(geometry: SeriesGeometry, last: float) -> None:
    for tenths in range(int(last * 10), 1300):
        now = at(tenths / 10)
        if seconds_to_look_again(arrival(last), now) > 0:
            assert judge(geometry, arrival(last), now) == WAIT


def test_it_is_time_to_look_at_quiet_or_cap_whichever_is_first() -> None:
    assert seconds_to_look_again(arrival(10), at(10)) == 5
    assert seconds_to_look_again(arrival(10), at(13)) == 2
    assert seconds_to_look_again(arrival(118), at(118)) == 2
    assert seconds_to_look_again(arrival(10), at(15)) == 0
    assert seconds_to_look_again(arrival(119), at(400)) == 0


def test_a_negative_is_provisional_until_the_longer_quiet_time() -> None:
    assert confirmation(WHOLE, arrival(10), at(15)) is None
    assert confirmation(WHOLE, arrival(10), at(69.9)) is None
    assert confirmation(WHOLE, arrival(10), at(70)) == "quiet_and_coverage"


def test_a_stack_cut_off_at_an_end_is_complete_but_stays_unconfirmed_for_ever() -> None:
    assert SHORT.is_whole
    assert judge(SHORT, arrival(10), at(15)).is_complete
    for seconds in (70, 3600, 86_400):
        assert confirmation(SHORT, arrival(10), at(seconds)) is None


def test_coverage_of_exactly_what_the_pathway_asks_confirms() -> None:
    assert EXACT.coverage_mm == pytest.approx(112)
    assert confirmation(EXACT, arrival(10), at(70)) == "quiet_and_coverage"


def test_a_series_with_a_gap_is_never_confirmed_however_long_it_is() -> None:
    assert WITH_GAP.coverage_mm > 112
    assert confirmation(WITH_GAP, arrival(10), at(86_400)) is None


def test_a_clock_set_back_completes_nothing() -> None:
    assert judge(WHOLE, arrival(10), at(-3600)) == WAIT
    assert confirmation(WHOLE, arrival(10), at(-3600)) is None
    assert seconds_to_look_again(arrival(10), at(-3600)) > 0


def test_codes_are_a_closed_set_of_plain_words() -> None:
    assert {code.value for code in VerdictCode} == {
        "geometry_whole",
        "quiet",
        "forced",
        "cap",
        "reprocess",
        "geometry_not_whole",
        "still_arriving",
        "required_series_wanting",
        "quiet_and_coverage",
    }


def forced(last_after_seconds: float = 10.0) -> Arrival:
    return Arrival(BEGAN_AT, BEGAN_AT + timedelta(seconds=last_after_seconds), forced=True)


def test_an_operator_who_waits_no_more_gets_a_whole_series_at_the_next_look() -> None:
    assert seconds_to_look_again(forced(10), at(10)) == 0
    assert judge(WHOLE, forced(10), at(15)) == Verdict(True, False, (VerdictCode.FORCED, VerdictCode.GEOMETRY_WHOLE))


def test_a_forced_series_that_still_arrives_says_so() -> None:
    assert judge(WHOLE, forced(10), at(10)) == Verdict(
        True, False, (VerdictCode.FORCED, VerdictCode.GEOMETRY_WHOLE, VerdictCode.STILL_ARRIVING)
    )


def test_a_forced_series_that_is_not_whole_is_partial() -> None:
    assert judge(WITH_GAP, forced(10), at(15)) == Verdict(
        True, True, (VerdictCode.FORCED, VerdictCode.GEOMETRY_NOT_WHOLE)
    )


def test_a_forced_series_without_its_required_one_is_partial() -> None:
    assert judge(WHOLE, forced(10), at(15), "cta") == Verdict(
        True, True, (VerdictCode.FORCED, VerdictCode.GEOMETRY_WHOLE, VerdictCode.REQUIRED_SERIES_WANTING)
    )


def test_a_whole_quiet_series_waits_for_the_required_one_until_the_cap() -> None:
    assert judge(WHOLE, arrival(10), at(119.9), "cta") == WAIT
    assert judge(WHOLE, arrival(10), at(120), "cta") == Verdict(
        True, True, (VerdictCode.CAP, VerdictCode.REQUIRED_SERIES_WANTING)
    )


def test_nothing_is_confirmed_while_a_required_series_is_wanting() -> None:
    assert confirmation(WHOLE, arrival(10), at(86_400), "cta") is None


def test_a_sender_with_a_quiet_time_of_its_own_is_waited_for_as_long() -> None:
    assert patience(PATHWAY.complete, 20.0) == Patience(20.0, 120.0, 60.0)
    assert patience(PATHWAY.complete, 2.0) == Patience(2.0, 120.0, 60.0)


def test_a_sender_that_pauses_longer_than_the_cap_moves_cap_and_confirmation() -> None:
    assert patience(PATHWAY.complete, 180.0) == Patience(180.0, 180.0, 180.0)
