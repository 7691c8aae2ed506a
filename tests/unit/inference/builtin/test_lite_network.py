from __future__ import annotations

import pytest
import torch

from inference.builtin.lite_network import MAP_SHAPE, FirstBlocks, LastBlocks, SamePadConv, pooled


def test_the_two_parts_have_the_parameters_of_efficientnet_lite0() -> None:
    """4,652,008 with 1,000 classes (the published 4.7 million), of which 1,281,000 are the last layer."""
    first, last = FirstBlocks(), LastBlocks()
    n = sum(p.numel() for p in first.parameters()) + sum(p.numel() for p in last.parameters())
    assert n - sum(p.numel() for p in last.answer.parameters()) == 4_652_008 - 1_281_000


def test_the_first_part_gives_what_the_last_takes() -> None:
    first, last = FirstBlocks().eval(), LastBlocks().eval()
    with torch.inference_mode():
        maps = first(torch.zeros(2, 3, 224, 224))
        assert maps.shape == (2, *MAP_SHAPE)
        assert last(maps).shape == (2, 6)


@pytest.mark.parametrize(("side", "kernel", "stride", "first_sum"), [(4, 3, 2, 9), (5, 3, 2, 4), (4, 5, 2, 16)])
def test_padding_is_that_of_tensorflow(side: int, kernel: int, stride: int, first_sum: int) -> None:
    """Ones over ones count the pixels under the first window: an even side pads less before than behind."""
    layer = SamePadConv(1, 1, kernel, stride, bias=False)
    torch.nn.init.ones_(layer.weight)
    with torch.inference_mode():
        out = layer(torch.ones(1, 1, side, side))
    assert out.shape[-1] == -(-side // stride)
    assert float(out[0, 0, 0, 0]) == first_sum


def test_a_symmetric_map_differs_in_nothing_from_its_mirror() -> None:
    maps = torch.tensor([[[[1.0, 5.0, 1.0], [2.0, 0.0, 2.0]], [[4.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]])
    means, most, unlike = pooled(maps).reshape(3, 2)
    assert means.tolist() == pytest.approx([11 / 6, 4 / 6])
    assert most.tolist() == [5.0, 4.0]
    assert unlike.tolist() == pytest.approx([0.0, 8 / 6])
