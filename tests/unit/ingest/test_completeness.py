from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingest.completeness import WAIT, Arrival, Verdict, confirmation, judge, seconds_to_look_again
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


WHOLE = stack(*(5.0 * i for i in range(30)))  # 150 mm
SHORT = stack(*(5.0 * i for i in range(12)))  # 60 mm: the sender stopped, and it is evenly spaced all the same
WITH_GAP = stack(*(5.0 * i for i in range(30) if i != 14))
EXACT = stack(*(7.0 * i for i in range(16)))  # 112 mm


def arrival(last_after_seconds: float = 10.0) -> Arrival:
    return Arrival(BEGAN_AT, BEGAN_AT + timedelta(seconds=last_after_seconds))


def at(seconds: float) -> datetime:
    return BEGAN_AT + timedelta(seconds=seconds)


def test_a_whole_series_is_complete_once_it_has_been_quiet() -> None:
    assert judge(PATHWAY, WHOLE, arrival(10), at(14.999)) == WAIT
    assert judge(PATHWAY, WHOLE, arrival(10), at(15)) == Verdict(True, False, ("geometry_whole", "quiet"))


def test_a_series_with_a_gap_waits_for_its_slice_until_the_cap() -> None:
    assert judge(PATHWAY, WITH_GAP, arrival(10), at(119.9)) == WAIT
    assert judge(PATHWAY, WITH_GAP, arrival(10), at(120)) == Verdict(True, True, ("cap", "geometry_not_whole"))


def test_a_series_that_never_falls_quiet_goes_on_as_partial_at_the_cap() -> None:
    assert judge(PATHWAY, WHOLE, arrival(119), at(119.9)) == WAIT
    assert judge(PATHWAY, WHOLE, arrival(119), at(120)) == Verdict(True, True, ("cap",))


def test_a_whole_series_that_is_quiet_at_the_cap_is_not_partial() -> None:
    assert judge(PATHWAY, WHOLE, arrival(10), at(500)) == Verdict(True, False, ("geometry_whole", "quiet"))


@pytest.mark.parametrize("geometry", [stack(), stack(0.0), stack(0.0, 5.0)])
def test_a_series_of_less_than_three_slices_is_partial_at_the_cap(geometry: SeriesGeometry) -> None:
    assert judge(PATHWAY, geometry, arrival(0), at(60)) == WAIT
    assert judge(PATHWAY, geometry, arrival(0), at(120)).partial


def test_late_slices_count_from_their_own_beginning() -> None:
    late = Arrival(at(600), at(601))
    assert judge(PATHWAY, WHOLE, late, at(605.9)) == WAIT
    assert judge(PATHWAY, WHOLE, late, at(606)).is_complete
    assert judge(PATHWAY, WITH_GAP, late, at(719)) == WAIT
    assert judge(PATHWAY, WITH_GAP, late, at(720)).partial


@pytest.mark.parametrize("geometry", [WHOLE, SHORT, WITH_GAP, stack(0.0)])
@pytest.mark.parametrize("last", [0.0, 3.0, 10.0, 118.0, 119.9])
def test_nothing_is_missed_by_not_looking_until_it_is_time(geometry: SeriesGeometry, last: float) -> None:
    for tenths in range(int(last * 10), 1300):
        now = at(tenths / 10)
        if seconds_to_look_again(PATHWAY, arrival(last), now) > 0:
            assert judge(PATHWAY, geometry, arrival(last), now) == WAIT


def test_it_is_time_to_look_at_quiet_or_cap_whichever_is_first() -> None:
    assert seconds_to_look_again(PATHWAY, arrival(10), at(10)) == 5
    assert seconds_to_look_again(PATHWAY, arrival(10), at(13)) == 2
    assert seconds_to_look_again(PATHWAY, arrival(118), at(118)) == 2
    assert seconds_to_look_again(PATHWAY, arrival(10), at(15)) == 0
    assert seconds_to_look_again(PATHWAY, arrival(119), at(400)) == 0


def test_a_negative_is_provisional_until_the_longer_quiet_time() -> None:
    assert confirmation(PATHWAY, WHOLE, arrival(10), at(15)) is None
    assert confirmation(PATHWAY, WHOLE, arrival(10), at(69.9)) is None
    assert confirmation(PATHWAY, WHOLE, arrival(10), at(70)) == "quiet_and_coverage"


def test_a_stack_cut_off_at_an_end_is_complete_but_stays_unconfirmed_for_ever() -> None:
    assert SHORT.is_whole
    assert judge(PATHWAY, SHORT, arrival(10), at(15)).is_complete
    for seconds in (70, 3600, 86_400):
        assert confirmation(PATHWAY, SHORT, arrival(10), at(seconds)) is None


def test_coverage_of_exactly_what_the_pathway_asks_confirms() -> None:
    assert EXACT.coverage_mm == pytest.approx(112)
    assert confirmation(PATHWAY, EXACT, arrival(10), at(70)) == "quiet_and_coverage"


def test_a_series_with_a_gap_is_never_confirmed_however_long_it_is() -> None:
    assert WITH_GAP.coverage_mm > 112
    assert confirmation(PATHWAY, WITH_GAP, arrival(10), at(86_400)) is None


def test_a_clock_set_back_completes_nothing() -> None:
    assert judge(PATHWAY, WHOLE, arrival(10), at(-3600)) == WAIT
    assert confirmation(PATHWAY, WHOLE, arrival(10), at(-3600)) is None
    assert seconds_to_look_again(PATHWAY, arrival(10), at(-3600)) > 0
