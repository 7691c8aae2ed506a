"""A series as MONAI has it, an image with its affine in RAS; and back to patient coordinates, which are LPS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from monai.data.meta_tensor import MetaTensor

from inference.volume import Box, Volume
from voorrang.dicom.headers import Vector

Points = npt.NDArray[np.float64]
Preprocessing = Callable[[dict[str, Any]], dict[str, Any]]

_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # x and y point the other way; PS3.3 C.7.6.2.1.1 is LPS
_OURS = "voorrang_place"  # in the metadata of the image: what has lost it has lost its affine too


class PlaceLostError(ValueError):
    """A transform has thrown away where the image lies: findings would be told at wrong places of the patient."""


@dataclass(frozen=True, slots=True)
class Image:
    """
    What a network takes, and where it lies.

    Parameters
    ----------
    voxels
        Float32 tensor of shape (1, x, y, z), on the CPU.
    to_patient
        Array of shape (4, 4): patient position, mm LPS, from a homogeneous voxel index (x, y, z).
    """

    voxels: torch.Tensor
    to_patient: Points

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along x, y, z."""
        _, x, y, z = self.voxels.shape
        return (x, y, z)

    @property
    def spacing_mm(self) -> Vector:
        """Distance between neighbours along x, y, z, mm."""
        x, y, z = (float(value) for value in np.linalg.norm(self.to_patient[:3, :3], axis=0))
        return (x, y, z)

    def position_mm(self, index: Points) -> Vector:
        """Return the patient position of an index (x, y, z); fractions are allowed."""
        x, y, z = (float(value) for value in (self.to_patient @ [*index, 1.0])[:3])
        return (x, y, z)

    def box_mm(self, low: Points, high: Points) -> Box:
        """Return the two corners of a box of indices."""
        return (self.position_mm(low), self.position_mm(high))

    def index_of(self, position_mm: Vector) -> Points:
        """Return the index (x, y, z) of a patient position."""
        return np.asarray(np.linalg.solve(self.to_patient, [*position_mm, 1.0])[:3], dtype=np.float64)


def prepare(volume: Volume, preprocessing: Preprocessing, key: str) -> Image:
    """
    Preprocess a series as the bundle says.

    Parameters
    ----------
    volume
        HU.
    preprocessing
        Dictionary transforms.
    key
        Of the image in the dictionary.

    Raises
    ------
    PlaceLostError
        When what comes out does not know where it lies.
    """
    image = preprocessing({key: _as_monai(volume)})[key]
    if not isinstance(image, MetaTensor) or _OURS not in image.meta:
        raise PlaceLostError
    to_patient = _TO_RAS @ np.asarray(image.affine, dtype=np.float64)
    return Image(image.as_tensor().to(torch.float32), to_patient)


def _as_monai(volume: Volume) -> MetaTensor:
    columns = (volume.column_step_mm, volume.row_step_mm, volume.slice_step_mm, volume.origin_mm)
    affine = np.eye(4)
    affine[:3] = np.transpose(columns)
    voxels = torch.from_numpy(volume.voxels_hu.transpose(2, 1, 0).copy(order="C"))
    return MetaTensor(voxels[None], affine=torch.from_numpy(_TO_RAS @ affine), meta={"space": "RAS", _OURS: True})
