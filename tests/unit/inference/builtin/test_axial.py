from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.builtin.axial import as_seen, in_slabs
from inference.volume import Volume


def make_volume(n: int = 4, slice_mm: float = 5.0) -> Volume:
    voxels = np.arange(n * 5 * 6, dtype=np.float32).reshape(n, 5, 6)
    return Volume(voxels, (-10.0, -20.0, 7.0), (0.0, 0.5, slice_mm), (0.0, 0.8, -0.1), (0.7, 0.0, 0.0))


@given(st.tuples(st.booleans(), st.booleans(), st.booleans()), st.booleans())
def test_every_voxel_keeps_its_place_in_the_patient(flips: tuple[bool, bool, bool], is_swapped: bool) -> None:
    upright = make_volume()
    steps = [upright.slice_step_mm, upright.row_step_mm, upright.column_step_mm]
    voxels, origin = upright.voxels_hu, np.array(upright.origin_mm)
    for axis, flip in enumerate(flips):
        if flip:
            origin = origin + (voxels.shape[axis] - 1) * np.array(steps[axis])
            x, y, z = steps[axis]
            steps[axis], voxels = (-x, -y, -z), np.flip(voxels, axis)
    if is_swapped:
        voxels, steps = voxels.swapaxes(1, 2), [steps[0], steps[2], steps[1]]
    x, y, z = (float(v) for v in origin)
    seen = as_seen(Volume(voxels, (x, y, z), steps[0], steps[1], steps[2]))
    assert np.array_equal(seen.voxels_hu, upright.voxels_hu)
    assert seen.to_patient_mm((1, 2, 3)) == pytest.approx(upright.to_patient_mm((1, 2, 3)))


def test_thin_slices_are_averaged_to_five_millimetres_after_the_window() -> None:
    volume = make_volume(n=5, slice_mm=2.5)
    volume.voxels_hu[0] = 0.0
    volume.voxels_hu[1] = 1000.0
    slabs = in_slabs(volume)
    assert slabs.per_slab == 2
    assert len(slabs.window_hu) == 3
    assert (slabs.window_hu[0] == 50.0).all()
    assert slabs.position_mm(0, 0, 0) == pytest.approx(volume.to_patient_mm((0.5, 0, 0)))


def test_thick_slices_stay_as_they_are() -> None:
    slabs = in_slabs(make_volume(slice_mm=8.0))
    assert slabs.per_slab == 1
    assert slabs.position_mm(2, 1, 3) == pytest.approx(make_volume(slice_mm=8.0).to_patient_mm((2, 1, 3)))


def test_a_box_reaches_from_the_first_slice_of_a_slab_to_its_last_and_is_no_lower_at_the_end() -> None:
    volume = Volume(np.zeros((5, 8, 8), np.float32), (0.0, 0.0, 0.0), (0.0, 0.0, 2.5), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
    slabs = in_slabs(volume)
    assert slabs.box_mm(1, [(2.0, 3.0), (4.0, 6.0)]) == ((2.5, 1.5, 3.75), (6.5, 4.5, 8.75))
    assert slabs.box_mm(2, [(0.0, 0.0)]) == ((-0.5, -0.5, 8.75), (0.5, 0.5, 11.25))
