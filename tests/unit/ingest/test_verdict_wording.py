from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingest.completeness import Arrival, Evidence, Patience, Verdict, VerdictCode, judge
from ingest.verdict_wording import verdict_text
from voorrang.dicom.geometry import GeometryProblem, SeriesGeometry

BEGAN_AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
ALLOWED = Patience(quiet_seconds=4, cap_seconds=120, confirm_quiet_seconds=60)
WHOLE = SeriesGeometry(30)
WITH_GAP = SeriesGeometry(29, n_missing=2, reasons=(GeometryProblem.MISSING_SLICES,))


def told(geometry: SeriesGeometry, *wanting: str, last: float = 10, now: float = 120, forced: bool = False) -> str:
    arrival = Arrival(BEGAN_AT, BEGAN_AT + timedelta(seconds=last), forced)
    evidence, moment = Evidence(arrival, geometry, wanting), BEGAN_AT + timedelta(seconds=now)
    verdict = judge(ALLOWED, evidence, moment)
    assert verdict.is_complete
    return verdict_text(verdict, evidence, moment)


def test_a_whole_series_says_how_many_slices_and_how_long_it_was_quiet() -> None:
    assert told(WHOLE, now=14.2) == "30 slices, none missing between the first and the last; quiet for 4 s"


def test_a_gap_says_how_many_of_about_how_many_and_when_we_went_on() -> None:
    assert told(WITH_GAP) == "29 of about 31 slices: 2 missing between the first and the last; went on after 120 s"


def test_a_series_that_still_arrives_at_the_cap_says_so() -> None:
    assert told(WHOLE, last=119) == (
        "30 slices, none missing between the first and the last; went on after 120 s; still arriving"
    )


def test_an_operator_is_named_as_the_reason() -> None:
    assert told(WITH_GAP, now=30, forced=True) == (
        "29 of about 31 slices: 2 missing between the first and the last; went on because an operator said so"
    )


def test_required_series_that_are_wanting_are_named() -> None:
    assert told(WHOLE, "cta", "perfusion") == (
        "30 slices, none missing between the first and the last; went on after 120 s; "
        "required series not there or not whole: cta, perfusion"
    )


@pytest.mark.parametrize(
    ("geometry", "words"),
    [
        (
            SeriesGeometry(1, reasons=(GeometryProblem.TOO_FEW_SLICES,)),
            "1 instance, not one whole stack: too few slices",
        ),
        (
            SeriesGeometry(9, reasons=(GeometryProblem.MIXED_MATRIX, GeometryProblem.DUPLICATE_SLICES)),
            "9 instances, not one whole stack: mixed matrix, duplicate slices",
        ),
        (
            SeriesGeometry(9, n_missing=1, reasons=(GeometryProblem.MIXED_MATRIX, GeometryProblem.MISSING_SLICES)),
            "9 of about 10 slices: 1 missing between the first and the last, mixed matrix",
        ),
    ],
)
def test_any_other_geometry_is_told_in_words(geometry: SeriesGeometry, words: str) -> None:
    assert told(geometry) == f"{words}; went on after 120 s"


@pytest.mark.parametrize("problem", list(GeometryProblem))
@pytest.mark.parametrize("code", [VerdictCode.CAP, VerdictCode.FORCED])
def test_every_problem_of_geometry_has_its_sentence(problem: GeometryProblem, code: VerdictCode) -> None:
    evidence = Evidence(Arrival(BEGAN_AT, BEGAN_AT), SeriesGeometry(5, n_missing=1, reasons=(problem,)))
    text = verdict_text(Verdict(True, True, (code, VerdictCode.GEOMETRY_NOT_WHOLE)), evidence, BEGAN_AT)
    assert "_" not in text
    assert text.startswith("5 ")
