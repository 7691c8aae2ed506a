"""The words: no page and no object says that a condition is absent."""

from __future__ import annotations

import re
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voorrang.statement import RESEARCH
from worklist.states import ItemState, PathwayView
from worklist.wording import reason_line, shown_state

# "not excluded" and "not analysed" are what we say instead.
ABSENCE = re.compile(
    r"normal|negative|absent|absence|\bclear|\bfree of|healthy|unremarkable|ruled out|benign|safe|without (?!a score)|"
    r"\bno (?!answer|pathway|model is active)|\bnone\b|\bnothing|(?<!not )excluded",
    re.IGNORECASE,
)
FINDINGS = (
    *("hyperdense_region", "lung_nodule", "lung_mass", "asymmetry_left_middle_upper"),
    *("no_bleeding", "normal", "", "something_else"),
)
PATHWAYS = ("stroke", "lung-nodule", "appendicitis")
LATE = "no answer within 3 minutes"

views = st.builds(
    PathwayView,
    pathway=st.sampled_from(PATHWAYS),
    state=st.sampled_from(ItemState),
    flagged=st.booleans(),
    provisional=st.booleans(),
    score=st.one_of(st.none(), st.floats(0, 1)),
    model_id=st.just("reference-head"),
    reason=st.sampled_from([LATE, "awaits images or an answer", "gap of 20 mm between slices"]),
    finding_type=st.sampled_from(FINDINGS),
)


@given(state=st.sampled_from(ItemState), found=st.lists(views, min_size=1, max_size=3))
def test_no_line_says_that_a_condition_is_absent(state: ItemState, found: list[PathwayView]) -> None:
    line = reason_line(state.value, [asdict(view) for view in found])

    assert ABSENCE.search(line) is None
    assert line


@pytest.mark.parametrize("state", ItemState)
@pytest.mark.parametrize("provisional", [False, True])
def test_no_word_for_a_state_says_that_a_condition_is_absent(state: ItemState, provisional: bool) -> None:
    assert ABSENCE.search(shown_state(state.value, provisional)) is None


@pytest.mark.parametrize(
    "sentence",
    [
        "normal",
        "No bleeding",
        "bleeding absent",
        "lungs clear",
        "negative",
        "bleeding excluded",
        "nothing found",
        "no finding",
        "without bleeding",
    ],
)
def test_the_test_knows_what_it_looks_for(sentence: str) -> None:
    assert ABSENCE.search(sentence)


def test_provisional_negative_is_shown_as_running() -> None:
    assert shown_state("scored", True) == "running"
    assert shown_state("scored", False) == "scored"


@pytest.mark.parametrize(
    ("view", "line"),
    [
        (
            PathwayView("stroke", ItemState.SCORED, True, model_id="m", finding_type="hyperdense_region"),
            "hyperdense region, bleeding possible, flagged by m",
        ),
        (
            PathwayView("stroke", ItemState.SCORED, True, model_id="m", finding_type="asymmetry_right_anterior_lower"),
            "left and right of the brain differ, ischaemia possible (experimental), flagged by m",
        ),
        (PathwayView("stroke", ItemState.SCORED, True, model_id="m"), "finding possible, flagged by m"),
        (PathwayView("stroke", ItemState.SCORED, model_id="m"), "not flagged by m; bleeding not excluded"),
        (
            PathwayView("stroke", ItemState.SCORED, provisional=True, model_id="m"),
            "more images may follow; not flagged by m; bleeding not excluded",
        ),
        (PathwayView("lung-nodule", ItemState.SCORED, model_id="m"), "not flagged by m; nodule not excluded"),
        (PathwayView("other", ItemState.SCORED, model_id="m"), "not flagged by m; the condition not excluded"),
        (PathwayView("stroke", ItemState.LATE, reason=LATE), LATE),
    ],
)
def test_line_of_each_kind(view: PathwayView, line: str) -> None:
    assert reason_line(view.state.value, [asdict(view)]) == line


@pytest.mark.parametrize("state", ["no_pathway", "prior"])
def test_item_without_pathway_has_a_line(state: str) -> None:
    assert "not" in reason_line(state, [])


def test_statement_is_the_one_of_the_design() -> None:
    assert RESEARCH == "Research. Not CE-marked. Not for clinical use."
