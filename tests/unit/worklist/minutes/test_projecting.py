"""What a list would save if somebody began to read it now."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worklist.minutes.projecting import Waiting, project, waiting_rows


def row(key: str, rank: int | None, without_ai: int | None, *pathways: tuple[str, bool]) -> dict[str, object]:
    views = [{"pathway": name, "flagged": flagged} for name, flagged in pathways]
    return {"item_key": key, "rank": rank, "rank_without_ai": without_ai, "pathways": views}


ROWS = [
    row("bleed", 1, 3, ("stroke", True)),
    row("head", 2, 1, ("stroke", False)),
    row("other", 3, 2),
    row("prior", None, None),
]


def test_one_reader_opens_the_flagged_one_first_and_the_others_wait_for_it() -> None:
    found = project(waiting_rows(ROWS, {"stroke": 8.0}))

    assert found.saved == {"bleed": 18.0}
    assert found.lost == {"head": 8.0, "other": 8.0}
    assert found.lines()[1:] == [
        "  minutes saved, flagged exams: +18 in all, +18.0 each of 1",
        "  minutes lost, the others: +16 in all, +8.0 each of 2",
    ]
    assert found.to_json() == {
        "readers": 1,
        "flagged_exams": 1,
        "minutes_saved_by_flagged": 18.0,
        "other_exams": 2,
        "minutes_lost_by_others": 16.0,
    }


def test_with_a_reader_for_each_nobody_gains_or_loses() -> None:
    found = project(waiting_rows(ROWS, {"stroke": 8.0}), readers=3)
    assert {*found.saved.values(), *found.lost.values()} == {0.0}
    assert found.lines()[2] == "  minutes lost, the others: +0 in all, +0.0 each of 2"


def test_an_empty_list_has_words_too() -> None:
    assert project([]).lines()[1].endswith("there are none")


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.permutations(range(1, 8)), st.integers(1, 3), st.sets(st.integers(1, 7)))
def test_equal_readings_only_pass_minutes_on(places: list[int], readers: int, flagged: set[int]) -> None:
    waiting = [Waiting(f"e{n}", place, n, 10.0, n in flagged) for n, place in enumerate(places, 1)]
    found = project(waiting, readers)
    assert sum(found.saved.values()) == pytest.approx(sum(found.lost.values()))
