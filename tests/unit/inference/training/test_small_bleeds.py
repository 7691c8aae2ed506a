"""Which bleeds a table of scores counts as missed; pictures of what was missed show where it truly is."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.key_pictures.drawing import BOX_COLOUR, LONG_SIDE
from inference.training.ich.phantoms import BLEED, SEEDS
from inference.training.ich.small_bleeds import DENSITIES_HU, SMALL_BLEEDS, SmallBleed, largest_missed, scores_at
from inference.training.missed import Missed, draw_missed, file_of
from inference.volume import Volume
from voorrang.demo.studies import DEMO_SEED

ALL_FOUND = {each.name: 0.9 for each in SMALL_BLEEDS}


def make_volume() -> Volume:
    """96 x 96 mm in pixels of 1 mm, eleven slices of 5 mm; its first voxel at (-48, -48, 0)."""
    return Volume(np.zeros((11, 96, 96), np.float32), (-48.0, -48.0, 0.0), (0, 0, 5), (0, 1, 0), (1, 0, 0))


def test_every_combination_is_there_once_and_no_seed_was_trained_on() -> None:
    assert len({each.name for each in SMALL_BLEEDS}) == len(SMALL_BLEEDS) == 3 * 7 * 3
    assert not {each.seed for each in SMALL_BLEEDS} & {*SEEDS, DEMO_SEED}


def test_a_small_bleed_is_brighter_than_the_brain_at_its_place_only() -> None:
    with_bleed, without = (SmallBleed(0, mm, 70.0).volume() for mm in (10.0, 0.1))
    more = with_bleed.voxels_hu - without.voxels_hu
    k, row, column = (round(value) for value in with_bleed.to_index(BLEED.position_mm))
    assert more[k, row, column] > 25
    assert np.count_nonzero(more > 15) * np.prod(with_bleed.spacing_mm) == pytest.approx(np.pi / 6 * 10**3, rel=0.35)


def test_what_lies_at_the_operating_point_is_flagged_and_of_the_missed_the_largest_is_told() -> None:
    scores = ALL_FOUND | {
        "6-mm-50-hu-seed-0": 0.1,
        "12-mm-50-hu-seed-1": 0.49,
        "16-mm-50-hu-seed-2": 0.5,
        "8-mm-70-hu-seed-0": 0.2,
        "8-mm-70-hu-seed-2": 0.1,
    }
    assert largest_missed(scores, 0.5) == [SmallBleed(1, 12.0, 50.0), SmallBleed(2, 8.0, 70.0)]
    assert largest_missed(ALL_FOUND, 0.5) == []


def test_scores_of_one_size_and_density_come_by_seed() -> None:
    scores = ALL_FOUND | {"8-mm-60-hu-seed-0": 0.1, "8-mm-60-hu-seed-2": 0.3}
    assert scores_at(scores, 8.0, DENSITIES_HU[1]) == [0.1, 0.9, 0.3]


def test_a_picture_has_its_box_around_the_truth_and_old_pictures_go(tmp_path: Path) -> None:
    (tmp_path / file_of("of-weights-before")).write_bytes(b"")
    (tmp_path / "README.md").write_text("a page")
    draw_missed(tmp_path, [Missed("one", make_volume(), (12.0, -8.0, 25.0), 20.0)], (0.0, 80.0))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "missed-one.png"]
    shown = np.asarray(Image.open(BytesIO((tmp_path / file_of("one")).read_bytes())).convert("RGB"))
    rows, columns = np.nonzero((shown == BOX_COLOUR).all(axis=2))
    per_mm = LONG_SIDE / 96
    middle = (12.0 + 48.5) * per_mm, (-8.0 + 48.5) * per_mm
    assert ((columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2) == pytest.approx(middle, abs=1.5)
    assert columns.max() - columns.min() == pytest.approx(1.3 * 20 * per_mm, abs=6)


def test_what_lies_outside_its_volume_is_not_drawn(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="outside"):
        draw_missed(tmp_path, [Missed("far", make_volume(), (0.0, 0.0, 500.0), 5.0)], (0.0, 80.0))
