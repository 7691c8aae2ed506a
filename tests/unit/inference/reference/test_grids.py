from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from inference.reference.grids import sample


def ramp(shape: tuple[int, int, int]) -> npt.NDArray[np.float32]:
    a, b, c = np.indices(shape)
    return np.asarray(100 * a + 10 * b + c, dtype=np.float32)


@pytest.mark.parametrize("spacing", [1.0, 1.5, 2.0, 4.0])
def test_a_ramp_stays_a_ramp_inside(spacing: float) -> None:
    grid = sample(ramp((20, 30, 40)), (2.0, 1.0, 1.0), (2.0, 4.0, 4.0), (15.0, 25.0, 35.0), spacing)
    inner = tuple(n // 2 for n in grid.values.shape)
    a, b, c = grid.to_volume_index((inner[0], inner[1], inner[2]))
    assert grid.values[inner] == pytest.approx(100 * a + 10 * b + c, rel=1e-4)


def test_coarser_keeps_places_and_constants() -> None:
    grid = sample(np.full((20, 20, 20), 7, np.float32), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (19.0, 19.0, 19.0), 1.0)
    coarse = grid.coarser(3.0)
    assert np.allclose(coarse.values, 7)
    assert coarse.to_volume_index((2, 2, 2)) == (6, 6, 6)
