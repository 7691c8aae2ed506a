"""Binary morphology with balls, in three dimensions, exactly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]

MAX_RADIUS_VOXELS = 11  # squares of distances stay below 256


def grown_by_ball(mask: Mask, radius_voxels: float) -> Mask:
    """
    Dilate a mask by a ball: every voxel whose centre lies within so many voxels of one of the mask.

    Squared distances are made axis by axis, no further than the radius. On bytes that is several times faster than
    a distance transform of the whole grid, and distances between voxels are exact.

    Parameters
    ----------
    mask
        Cubic voxels; beyond the edge there is nothing.
    radius_voxels
        0 to 11.

    Returns
    -------
    Mask
        Of the same shape.

    References
    ----------
    Saito T, Toriwaki JI. New algorithms for Euclidean distance transformation of an n-dimensional digitized picture
    with applications. Pattern Recognit 1994;27:1551-65.
    """
    if not 0 <= radius_voxels <= MAX_RADIUS_VOXELS:
        raise ValueError(f"a ball of {radius_voxels} voxels: 0 to {MAX_RADIUS_VOXELS} are known")
    too_far = np.uint8(radius_voxels**2 + 1)
    squared = np.where(mask, np.uint8(0), too_far)
    for axis in range(mask.ndim):
        along = np.moveaxis(squared, axis, 0)
        nearest = along.copy()
        for step in range(1, int(radius_voxels) + 1):
            beside = along + np.uint8(step * step)
            np.minimum(nearest[step:], beside[:-step], out=nearest[step:])
            np.minimum(nearest[:-step], beside[step:], out=nearest[:-step])
        squared = np.moveaxis(nearest, 0, axis)
    return np.asarray(squared <= radius_voxels**2, dtype=np.bool_)
