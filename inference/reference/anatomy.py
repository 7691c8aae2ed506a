"""Is this a head? What a skull and its content must look like before the reference model reads them."""

from __future__ import annotations

import numpy as np

from inference.reference.morphology import Mask, grown, shrunk, square
from inference.scope import OutOfScopeError, ScopeCode, ScopeReason
from inference.volume import Volume, Voxels

_SIZE_ML = (500.0, 2200.0)  # the lower end allows for a volume that lacks the vertex or the base
_MEDIAN_HU = (15.0, 60.0)
_CONTENT_HU = (-20.0, 110.0)
_MIN_CONTENT_SHARE = 0.85
_DENSE_BONE_HU = 350.0
_DENSE_BONE_WITHIN_MM = 6.0
_MIN_SHELL_SHARE = 0.6
_SLICE_WITH_HEAD_SHARE = 0.5
_MAX_OPEN_SHARE = 0.1


def check_head(volume: Volume, brain: Mask, voxel_ml: float) -> None:
    """
    Refuse a volume whose closed cavity is not that of a skull with a brain in it.

    Parameters
    ----------
    volume
        The volume, HU.
    brain
        True in what bone encloses, shape of `volume.voxels_hu`.
    voxel_ml
        Volume of one voxel, ml.

    Raises
    ------
    OutOfScopeError
        With the code `anatomy`. The checks: 500 to 2200 ml (adult cranial capacity is about 1100 to 1800 ml);
        median 15 to 60 HU, which water, fat and lung are not; content that is nearly all soft tissue; dense
        bone around it; no opening above its widest slice, since an opened brain is found only in part.
    """
    _check_size(float(np.count_nonzero(brain)) * voxel_ml)
    _check_content(volume.voxels_hu[brain])
    _check_shell(volume.voxels_hu, brain, volume.spacing_mm[1])
    _check_closed(volume, brain)


def _check_size(size_ml: float) -> None:
    low, high = _SIZE_ML
    if not low <= size_ml <= high:
        _refuse(f"bone encloses {size_ml:.0f} ml; a skull holds {low:.0f} to {high:.0f} ml")


def _check_content(content_hu: Voxels) -> None:
    low, high = _MEDIAN_HU
    median = float(np.median(content_hu))
    if not low <= median <= high:
        _refuse(f"what bone encloses has a median of {median:.0f} HU; brain has {low:.0f} to {high:.0f} HU")
    share = float(np.mean((content_hu > _CONTENT_HU[0]) & (content_hu < _CONTENT_HU[1])))
    if share < _MIN_CONTENT_SHARE:
        _refuse(f"{share:.0%} of what bone encloses is soft tissue; {_MIN_CONTENT_SHARE:.0%} is asked")


def _check_shell(hu: Voxels, brain: Mask, pixel_mm: float) -> None:
    edge = brain & ~shrunk(brain, 3)
    near_bone = grown(hu > _DENSE_BONE_HU, square(_DENSE_BONE_WITHIN_MM, pixel_mm))
    share = float(np.mean(near_bone[edge]))
    if share < _MIN_SHELL_SHARE:
        _refuse(f"{share:.0%} of the edge of the brain lies at dense bone; {_MIN_SHELL_SHARE:.0%} is asked")


def _check_closed(volume: Volume, brain: Mask) -> None:
    """Above the widest slice, a slice with much soft tissue and no brain has lost its brain to an opening."""
    is_upwards = volume.slice_step_mm[2] >= 0
    hu, mask = (a if is_upwards else a[::-1] for a in (volume.voxels_hu, brain))
    brain_area = np.count_nonzero(mask, axis=(1, 2))
    tissue_area = np.count_nonzero((hu > 0) & (hu < 80), axis=(1, 2))
    above = slice(int(brain_area.argmax()), None)
    has_head = tissue_area[above] > _SLICE_WITH_HEAD_SHARE * brain_area.max()
    is_open = has_head & (brain_area[above] == 0)
    n_open = np.count_nonzero(is_open)
    if n_open > _MAX_OPEN_SHARE * len(hu):
        _refuse(f"the skull is open in {n_open} of {len(hu)} slices: the brain is not found there")


def _refuse(text: str) -> None:
    raise OutOfScopeError(ScopeReason(ScopeCode.ANATOMY, text))
