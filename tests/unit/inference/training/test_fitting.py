from __future__ import annotations

import numpy as np
import pytest

from inference.training.ich.caching import Cached
from inference.training.ich.fitting import Examples, Recipe
from inference.training.ich.making import Made

RECIPE = Recipe()


def make_examples() -> Examples:
    """Two patients of twenty slices; a map holds 100 if it bleeds, 1 in a copy, 10 if it was made, 20 in a phantom."""
    cached, labels = [], []
    for first in (4, 12):
        own = np.zeros((20, 6), np.bool_)
        own[first : first + 3, [0, 2]] = True
        plain = np.where(own[:, :1], 100.0, 0.0).astype(np.float16).reshape(20, 1, 1, 1)
        bleeds = np.flatnonzero(own[:, 0])
        cached.append(Cached((np.arange(20), np.arange(20), bleeds), (plain, plain + 1, plain[bleeds] + 1)))
        labels.append(own)
    is_bleed = np.array([True, True, False])
    made = Made(np.where(is_bleed, 110.0, 10.0).astype(np.float16).reshape(3, 1, 1, 1), np.tile(is_bleed[:, None], 6))
    return Examples(cached, labels, [made], Made(made.maps + np.float16(10), made.labels))


def test_a_batch_has_its_shares_and_each_map_its_own_label() -> None:
    examples, rng = make_examples(), np.random.default_rng(1)
    for _ in range(20):
        maps, labels = examples.draw(rng, RECIPE)
        values, is_bleed = maps.numpy().ravel(), labels[:, 0].numpy() > 0
        assert len(values) == RECIPE.batch
        assert ((values >= 100) == is_bleed).all()
        assert np.count_nonzero(is_bleed) == round(RECIPE.batch * RECIPE.positive_share)
        is_made, is_phantom = values % 100 == 10, values % 100 == 20
        assert np.count_nonzero(is_made & is_bleed) == 3  # a fifth of 13
        assert np.count_nonzero(is_made & ~is_bleed) == 4  # a fifth of 19
        assert np.count_nonzero(is_phantom & is_bleed) == 1  # a tenth
        assert np.count_nonzero(is_phantom & ~is_bleed) == 2


def test_copies_tell_nothing_of_the_label() -> None:
    """Those with a bleed have more copies, and are seen unchanged as often."""
    examples, rng = make_examples(), np.random.default_rng(2)
    unchanged: dict[bool, list[bool]] = {True: [], False: []}
    for _ in range(300):
        maps, labels = examples.draw(rng, RECIPE)
        for value, bleeds in zip(maps.numpy().ravel(), labels[:, 0].numpy() > 0, strict=True):
            if value % 100 < 10:
                unchanged[bool(bleeds)].append(value % 100 == 0)
    assert np.mean(unchanged[True]) == pytest.approx(0.25, abs=0.03)
    assert np.mean(unchanged[False]) == pytest.approx(0.25, abs=0.03)
