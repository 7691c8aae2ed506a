from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference.key_pictures import pictures
from inference.key_pictures.drawing import draw
from inference.key_pictures.pictures import AT_MOST, draw_pictures
from inference.key_pictures.placing import directions_shown, place
from inference.model import LocatedFinding, Opinion
from inference.volume import Volume
from voorrang.pathways.criteria import SeriesCriteria

HEAD = SeriesCriteria(region="head")
VOLUME = Volume(np.full((5, 8, 8), 40, np.float32), (0.0, 0.0, 0.0), (0.0, 0.0, 3.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))


def finding(score: float = 0.5, x: float = 4.0) -> LocatedFinding:
    return LocatedFinding("spot", score, (x, 4.0, 6.0), 2.0, ((x - 1, 3.0, 5.0), (x + 1, 5.0, 7.0)))


def indices(png: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.array(Image.open(BytesIO(png)))


def test_the_highest_findings_have_a_picture_each_at_its_own_place() -> None:
    findings = tuple(finding(score) for score in (0.1, 0.9, 0.3, 0.8, 0.2, 0.7, 0.6))
    made = draw_pictures(Opinion(0.9, findings), VOLUME, HEAD)
    assert [png is not None for png in made] == [False, True, True, True, False, True, True]
    assert sum(png is not None for png in made) == AT_MOST


def test_the_window_of_the_pathway_says_what_is_grey_and_the_region_does_where_it_says_nothing() -> None:
    volume = replace(VOLUME, voxels_hu=np.full((5, 8, 8), 60, np.float32))
    opinion = Opinion(0.5, (finding(),))
    for criteria, grey in (
        (SeriesCriteria(region="head", window_hu=(20.0, 100.0)), 253 * 40 // 80),
        (HEAD, int(253 * 60 / 80)),
        (SeriesCriteria(region="chest"), int(253 * (60 + 1350) / 1500)),
    ):
        (png,) = draw_pictures(opinion, volume, criteria)
        assert png is not None
        assert indices(png)[20, 20] == grey


def test_black_above_white_is_refused() -> None:
    with pytest.raises(ValueError, match="black comes first"):
        SeriesCriteria(region="head", window_hu=(80.0, 0.0))


def test_a_finding_without_extent_has_ticks_and_one_without_a_place_or_outside_has_no_picture() -> None:
    findings = (
        LocatedFinding("spot", 0.5, (4.0, 4.0, 6.0), None),
        LocatedFinding("asymmetry", 0.5, None, None),
        LocatedFinding("spot", 0.5, (400.0, 4.0, 6.0), None),
        LocatedFinding("spot", 0.5, (float("nan"), 4.0, 6.0), None),
    )
    first, *others = draw_pictures(Opinion(0.5, findings), VOLUME, HEAD)
    assert others == [None, None, None]
    assert first is not None
    drawn = np.argwhere(indices(first) == 254)
    assert (drawn.min(axis=0) + drawn.max(axis=0)) / 2 == pytest.approx([216, 216], abs=1)  # (4 + 1/2) x 384 / 8


def test_a_box_alone_is_shown_by_its_middle() -> None:
    where = place(LocatedFinding("spot", 0.5, None, None, ((1.0, 2.0, 2.0), (3.0, 6.0, 5.0))), VOLUME)
    assert where is not None
    assert (where.slice_index, where.centre) == (1, (4.0, 2.0))


def test_no_byte_of_a_picture_is_text_and_the_words_of_research_are_in_its_strip() -> None:
    (png,) = draw_pictures(Opinion(0.5, (finding(),)), VOLUME, HEAD)
    assert png is not None
    assert re.findall(rb"tEXt|iTXt|zTXt|eXIf|tIME", png) == []
    strip = indices(png)[-18:]
    assert (strip == 255).sum() > 300  # letters


@pytest.mark.parametrize(
    ("row", "column", "letters"),
    [
        ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0), ("R", "A")),  # supine, head first: the right is on the left
        ((0.0, -1.0, 0.0), (-1.0, 0.0, 0.0), ("L", "P")),  # prone
        ((0.0, 0.95, -0.32), (1.0, 0.0, 0.0), ("R", "AH")),  # the gantry leans
        ((0.0, 0.0, -1.0), (0.0, 1.0, 0.0), ("A", "H")),  # sagittal
    ],
)
def test_letters_say_what_lies_left_and_above(
    row: tuple[float, float, float], column: tuple[float, float, float], letters: tuple[str, str]
) -> None:
    assert directions_shown(replace(VOLUME, row_step_mm=row, column_step_mm=column)) == letters


def test_a_picture_that_cannot_be_drawn_takes_no_finding_with_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> bytes:
        raise ZeroDivisionError("SECRET")

    monkeypatch.setattr(pictures, "draw", fail)
    assert draw_pictures(Opinion(0.5, (finding(),)), VOLUME, HEAD) == (None,)
    assert "SECRET" not in "".join(capsys.readouterr())


def test_a_picture_that_cannot_be_drawn_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [ZeroDivisionError()]

    def fail_once(*asked: Any) -> bytes:
        if failures:
            raise failures.pop()
        return draw(*asked)

    monkeypatch.setattr(pictures, "draw", fail_once)
    first, second = draw_pictures(Opinion(0.9, (finding(0.9), finding(0.8))), VOLUME, HEAD)
    assert first is None
    assert second is not None
