"""Several networks say together what the mean of their logits and of their sizes is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inference.builtin.nodule_network import NoduleNetwork, NoduleNetworks, judged, networks_of, outputs_of
from inference.builtin.nodule_patches import N_CUBES, N_FACTS, SIDE

N = 70  # more than one batch


def make_networks(count: int) -> NoduleNetworks:
    torch.manual_seed(1)
    return NoduleNetworks(NoduleNetwork() for _ in range(count)).eval().requires_grad_(False)


def make_candidates() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    cubes = rng.integers(0, 255, (N, N_CUBES, SIDE, SIDE, SIDE), dtype=np.uint8)
    return cubes, rng.normal(0, 1, (N, N_FACTS)).astype(np.float32)


def test_what_two_say_together_is_their_mean_by_hand() -> None:
    logits = [[np.log(3), 0.0], [-np.log(3), 4.0]]  # 0.75 and 0.25: together 0.5; far off and undecided: sigmoid of 2
    log2_sizes = [[1.0, 0.0], [-1.0, 1.0]]  # 20 and 5 mm: together 10; 10 and 20: their geometric mean
    said = judged(np.stack([logits, log2_sizes], axis=2))
    assert said == pytest.approx(np.array([[0.5, 10.0], [1 / (1 + np.exp(-2)), 10 * np.sqrt(2)]]))


def test_each_network_says_what_it_says_alone() -> None:
    networks, (cubes, facts) = make_networks(3), make_candidates()
    together = outputs_of(networks, cubes, facts)
    assert together.shape == (3, N, 2)
    for member, said in zip(networks.members, together, strict=True):
        assert isinstance(member, NoduleNetwork)
        assert outputs_of(NoduleNetworks([member]), cubes, facts)[0] == pytest.approx(said, abs=1e-6)
    assert not np.allclose(together[0], together[1])


def test_weights_bring_as_many_networks_as_they_are_of() -> None:
    networks = make_networks(2)
    again = networks_of(networks.state_dict())
    cubes, facts = make_candidates()
    assert len(again.members) == 2
    assert (outputs_of(again, cubes, facts) == outputs_of(networks, cubes, facts)).all()


def test_a_number_that_is_none_is_no_score() -> None:
    networks, (cubes, facts) = make_networks(2), make_candidates()
    facts[3] = np.nan
    with pytest.raises(ArithmeticError, match="a number that is none"):
        outputs_of(networks, cubes, facts)


def test_of_no_candidates_nothing_is_said() -> None:
    cubes, facts = make_candidates()
    assert judged(outputs_of(make_networks(2), cubes[:0], facts[:0])).shape == (0, 2)
