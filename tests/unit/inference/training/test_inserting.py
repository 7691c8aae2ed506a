from __future__ import annotations

import numpy as np
import pytest

from inference.builtin.head_slices import Frames, find_frames
from inference.training.ich.inserting import Inserted, insert_region


@pytest.fixture(scope="module")
def frames() -> Frames:
    """Ten slices of a skull of 90 HU around 35 HU, with noise."""
    rows, columns = np.indices((256, 256)) - 128.0
    depth = (rows / 100) ** 2 + (columns / 80) ** 2
    hu = np.where(depth < 1, np.where(depth < 0.85, 35.0, 90.0), -20.0)
    noise = np.random.default_rng(1).normal(0, 3, (10, 256, 256)) * (depth < 1)
    return find_frames((hu + noise).astype(np.float32))


def many(frames: Frames, *, is_bleed: bool) -> list[Inserted]:
    rng = np.random.default_rng(5)
    made = [insert_region(frames, rng, is_bleed=is_bleed) for _ in range(20)]
    return [each for each in made if each is not None]


def test_a_bleed_is_denser_within_its_place_and_nothing_else_changes(frames: Frames) -> None:
    made = many(frames, is_bleed=True)
    assert len(made) >= 15
    assert {each.is_blob for each in made} == {True, False}
    for each in made:
        change = each.picture - frames.window[each.slice_index]
        assert 10 < change.max() <= 38
        assert change.min() >= 0
        rows, columns = np.nonzero(change > change.max() / 2)
        assert (rows.mean(), columns.mean()) == pytest.approx(each.centre, abs=1.5)
        assert len(rows) == pytest.approx(each.area, rel=0.35)


def test_a_dark_region_is_no_denser_than_what_was_there(frames: Frames) -> None:
    for each in many(frames, is_bleed=False):
        change = each.picture - frames.window[each.slice_index]
        assert change.max() <= 0
        assert change.min() >= -16


def test_the_same_seed_gives_the_same_bleeds(frames: Frames) -> None:
    one, other = many(frames, is_bleed=True), many(frames, is_bleed=True)
    assert all((a.picture == b.picture).all() for a, b in zip(one, other, strict=True))


def test_a_slice_without_brain_takes_none(frames: Frames) -> None:
    air = find_frames(np.full((4, 64, 64), -20.0, np.float32))
    assert insert_region(air, np.random.default_rng(0)) is None
