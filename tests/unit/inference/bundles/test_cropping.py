from __future__ import annotations

import numpy as np
import pytest

from inference.bundles.cropping import crop_to_lungs, require_lungs
from tests.unit.inference.chests import make_chest


def test_box_of_the_lungs_holds_their_air_at_its_own_place_with_fewer_voxels() -> None:
    chest = make_chest(spacing_mm=(4.0, 3.0, 3.0), noise_hu=0.0)
    chest.voxels_hu[20, 30, 40] = 3000.0  # a voxel to find again, inside a lung
    cropped = crop_to_lungs(chest, require_lungs(chest))
    (index,) = np.argwhere(cropped.voxels_hu == 3000.0)
    k, i, j = (float(value) for value in index)
    assert cropped.to_patient_mm((k, i, j)) == pytest.approx(chest.to_patient_mm((20, 30, 40)))
    assert cropped.spacing_mm == chest.spacing_mm
    assert cropped.voxels_hu.shape == (57, 67, 95)  # slices 5.25 to 61, rows 5 to 71, columns 9 to 103 of 62, 77, 113
