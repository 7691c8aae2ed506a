"""Nodules of all ranges of sizes come equally often, and what looks like one before anything is learnt comes first."""

from __future__ import annotations

import numpy as np
import pytest

from inference.builtin.nodule_candidates import Candidate
from inference.builtin.nodule_patches import facts_of
from inference.reference.nodule_rules import Surroundings
from inference.training.lung_nodule.cases import PHANTOM, UNSEEN_CASES, VARIANTS, Variant, training_copy
from inference.training.lung_nodule.fitting import even_shares, likeness
from inference.training.lung_nodule.placing import Chest
from tests.unit.inference.chests import make_chest


def test_few_nodules_of_a_size_come_as_often_as_many_of_another() -> None:
    shares = even_shares(np.array([5.0, 7.0, 7.0, 7.0, 25.0, 50.0], dtype=np.float32))
    assert shares.sum() == pytest.approx(1)
    assert shares == pytest.approx([1 / 3, 1 / 9, 1 / 9, 1 / 9, 1 / 6, 1 / 6])


def test_a_compact_ball_is_more_like_a_nodule_than_a_tube() -> None:
    ball = Candidate((0, 0, 0), 4.0, 0.9, 0.8, around=Surroundings(1.0, 0.0, 0.9, 8.0))
    tube = Candidate((0, 0, 0), 4.0, 0.9, 0.15, around=Surroundings(0.9, 0.0, 0.5, 8.0))
    high, low = likeness(facts_of([ball, tube], 3.0))
    assert high == 1
    assert low == pytest.approx(0.135, abs=0.001)


def test_no_two_variants_of_a_scan_get_the_same_nodules() -> None:
    chest = Chest.of("made", make_chest(seed=3))
    same_source = (Variant(PHANTOM, 3.0, 1), Variant(PHANTOM, 4.0, 1), Variant(PHANTOM, 3.0, 1, 0.5))
    sizes = [{n.diameter_mm for n in training_copy(chest, variant, 1).nodules} for variant in same_source]
    assert not sizes[0] & sizes[1]
    assert not sizes[0] & sizes[2]


def test_a_variant_has_a_file_of_its_own_and_there_are_as_many_cases_as_the_card_says() -> None:
    names = [(v.source, f"{v.slice_mm:g}") for v in VARIANTS]
    assert len(set(names)) == len(names)
    assert len(UNSEEN_CASES) == 48
