"""What cropping to the lungs saves: voxels in the windows of the published nodule detector, without and with it."""

from __future__ import annotations

import math
from pathlib import Path
from time import perf_counter

import numpy as np

from inference.bundles.cropping import crop_to_lungs, require_lungs
from inference.volume import Volume
from voorrang.bench.measured import Measured
from voorrang.bench.report import Say

Shape = tuple[int, int, int]

# MONAI's lung_nodule_ct_detection: `infer_patch_size`, overlap of its sliding window, spacing of its preprocessing, and
# the multiples that its network takes; axes x, y, z.
WINDOW: Shape = (512, 512, 192)
OVERLAP = 0.25
SPACING_MM = (0.703125, 0.703125, 1.25)
DIVISIBLE: Shape = (16, 16, 8)

# As chest-c3n-00247 of CPTAC-LSCC: 99 slices of 3 mm, pixels of 0.564 mm; its lungs reach from the first slice to the
# last and are 246 mm wide and 198 mm deep, measured with `find_lungs`.
_SHAPE, _STEPS_MM = (99, 512, 512), (3.0, 0.564453125, 0.564453125)
_BODY_MM, _LUNGS_MM = (284.0, 270.0), (246.0, 198.0)
_NOTE = (
    "voxels in all windows of the published settings (512x512x192, overlap 0.25, 0.703x0.703x1.25 mm; a smaller image "
    "is padded to one window) over voxels after cropping to the lungs with 12 mm of margin (one window of its own "
    "size, padded to multiples of 16, 16 and 8, where it has no more voxels than a window); the network is "
    "convolutional, so its FLOP are proportional to voxels; on a phantom with size, spacing and extent of the "
    "lungs of chest-c3n-00247"
)


def measure_crop(_: Path, say: Say) -> Measured:
    """Count windows and voxels, and time the search for the lungs."""
    volume = chest_phantom()
    began = perf_counter()
    cropped = crop_to_lungs(volume, require_lungs(volume))
    seconds = perf_counter() - began
    whole, part = image_shape(volume), image_shape(cropped)
    published, ours = published_voxels(whole), cropped_voxels(part)
    row = {
        "image": "x".join(map(str, whole)),
        "cropped": "x".join(map(str, part)),
        "published_voxels": published,
        "cropped_voxels": ours,
        "crop_seconds": round(seconds, 3),
    }
    say(f"{row['image']} is cropped to {row['cropped']}: {published:,} voxels become {ours:,}")
    return Measured({"lung_crop_flop_ratio": round(published / ours, 2)}, [row], notes={"crop": _NOTE})


def chest_phantom() -> Volume:
    """Return a body with two lungs in it, HU; an ellipse each, the same in every slice."""
    _, n_rows, n_columns = _SHAPE
    y = (np.arange(n_rows, dtype=np.float32)[:, None] - (n_rows - 1) / 2) * _STEPS_MM[1]
    x = (np.arange(n_columns, dtype=np.float32)[None, :] - (n_columns - 1) / 2) * _STEPS_MM[2]
    hu = np.where((2 * x / _BODY_MM[0]) ** 2 + (2 * y / _BODY_MM[1]) ** 2 < 1, 40.0, -1000.0)
    width, depth = _LUNGS_MM
    for side in (-1, 1):  # each has 0.45 of the width; the mediastinum is between them
        is_lung = ((x - side * 0.275 * width) / (0.225 * width)) ** 2 + (2 * y / depth) ** 2 < 1
        hu[is_lung & (hu > -1000.0)] = -860.0
    voxels = np.repeat(hu[None].astype(np.float32), _SHAPE[0], axis=0)
    steps = ((0.0, 0.0, _STEPS_MM[0]), (0.0, _STEPS_MM[1], 0.0), (_STEPS_MM[2], 0.0, 0.0))
    return Volume(voxels, (float(x[0, 0]), float(y[0, 0]), 0.0), *steps)


def image_shape(volume: Volume) -> Shape:
    """Return how many voxels along x, y, z a volume has at the detector's spacing."""
    sides = zip(volume.voxels_hu.shape[::-1], volume.spacing_mm[::-1], SPACING_MM, strict=True)
    x, y, z = (round(n * own / wanted) for n, own, wanted in sides)
    return (x, y, z)


def published_voxels(image: Shape) -> int:
    """Return the voxels of all windows that MONAI's sliding window cuts an image into."""
    return math.prod(_n_windows(max(size, window), window) * window for size, window in zip(image, WINDOW, strict=True))


def _n_windows(size: int, window: int) -> int:
    """Along one axis: a step is the part of a window that does not overlap, the last window ends at the edge."""
    step = int(window * (1 - OVERLAP))
    return 1 + math.ceil((size - window) / step)


def cropped_voxels(image: Shape) -> int:
    """Return the voxels that our detector computes: the image at once where it is no more than a window."""
    if math.prod(image) > math.prod(WINDOW):
        return published_voxels(image)
    return math.prod(math.ceil(size / multiple) * multiple for size, multiple in zip(image, DIVISIBLE, strict=True))
