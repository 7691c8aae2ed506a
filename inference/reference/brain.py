"""Where the brain lies in a head CT: the soft tissue that a closed skull encloses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from inference.reference.anatomy import check_head
from inference.reference.morphology import (
    Mask,
    filled,
    grown,
    largest_piece,
    pieces_of_at_least,
    shrunk,
    square,
)
from inference.reference.reduction import cropped, reduced, voxel_ml
from inference.volume import Volume, Voxels

_LARGEST_VOXEL_MM = (3.2, 1.3, 1.3)
_BONE_HU = 160.0  # thin bone in thick slices is mostly partial volume
_BONE_PIECE_ML = 20.0  # smaller pieces are calcifications, teeth or the head rest, never the skull
_SUTURE_MM = 9.0  # half the width of a gap in the skull that is bridged
_NECK_MM = 6.0  # half the width of a passage to orbit or face that is cut
_MIN_TISSUE_HU = -5.0
_MIN_VOXEL_HU = -150.0
_SMOOTHING_MM = 1.5


@dataclass(frozen=True, slots=True)
class Brain:
    """
    A reduced volume, the brain in it, and how far each voxel lies from the skull.

    Parameters
    ----------
    volume
        The volume averaged down to voxels of about 1 mm x 1 mm x 3 mm or more.
    mask
        True in the cranial cavity, shape of `volume.voxels_hu`.
    bone_distance_mm
        Distance to the nearest bone of the skull, mm.
    median_hu
        Of the voxels in the mask.
    """

    volume: Volume
    mask: Mask
    bone_distance_mm: Voxels
    median_hu: float

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel of the reduced volume, ml."""
        return voxel_ml(self.volume)


def find_brain(volume: Volume) -> Brain:
    """
    Find the brain in a volume that should be a head.

    Parameters
    ----------
    volume
        Any volume that claims to be a head CT.

    Returns
    -------
    Brain
        Of the reduced volume.

    Raises
    ------
    OutOfScopeError
        When no closed skull with brain-like content is there (code `anatomy`).
    """
    small = reduced(volume, _LARGEST_VOXEL_MM)
    skull = pieces_of_at_least(small.voxels_hu > _BONE_HU, _BONE_PIECE_ML / voxel_ml(small))
    if skull.any():
        box = ndimage.find_objects(skull.astype(np.uint8))[0]
        small, skull = cropped(small, box), skull[box]
    mask = _enclosed(small, skull)
    check_head(small, mask, voxel_ml(small))
    distance = ndimage.distance_transform_edt(~skull, sampling=small.spacing_mm).astype(np.float32)
    return Brain(small, mask, distance, float(np.median(small.voxels_hu[mask])))


def _enclosed(volume: Volume, skull: Mask) -> Mask:
    """Fill the skull slice by slice, cut the passages to orbit and face, and keep the largest piece."""
    hu, pixel_mm = volume.voxels_hu, volume.spacing_mm[1]
    suture, neck = square(_SUTURE_MM, pixel_mm), square(_NECK_MM, pixel_mm)
    closed = shrunk(grown(skull, suture), suture) | skull
    sigma = (0, _SMOOTHING_MM / pixel_mm, _SMOOTHING_MM / pixel_mm)
    smooth = ndimage.gaussian_filter(np.clip(hu, -200, 200), sigma, truncate=2)
    tissue = filled(closed) & ~skull & (smooth > _MIN_TISSUE_HU) & (hu > _MIN_VOXEL_HU)
    return largest_piece(grown(shrunk(filled(tissue) & ~skull, neck), neck))
