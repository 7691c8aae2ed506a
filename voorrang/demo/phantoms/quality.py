"""What the physicist scans every morning: a water cylinder with inserts, which no model may read."""

from __future__ import annotations

import math

import numpy as np

from voorrang.demo.phantoms.canvas import Canvas, Grid, Phantom, cover_of

GRID = Grid.centred((28, 256, 256), (5.0, 0.9, 0.9), first_slice_mm=-67.5)
NOISE_HU = 4.0
RADIUS_MM = 100.0

# nominal CT numbers of usual insert materials: air, polyethylene, acrylic, Teflon
INSERTS_HU = {"air": -1000.0, "polyethylene": -95.0, "acrylic": 120.0, "teflon": 950.0}
_INSERT_RADIUS_MM = 12.5
_INSERT_AT_MM = 60.0
_SHELL_MM = 8.0


def make_water_phantom(seed: int) -> Phantom:
    """
    Make a water cylinder in an acrylic shell with four inserts, on the axis of the scanner.

    Parameters
    ----------
    seed
        Of the noise.

    Returns
    -------
    Phantom
        28 slices of 256 x 256, 5 mm x 0.9 mm x 0.9 mm; nothing in its truth.
    """
    canvas = Canvas(GRID)
    x, y, _ = canvas.coordinates()
    depth = RADIUS_MM - np.hypot(x, y)
    canvas.blend(cover_of(depth), INSERTS_HU["acrylic"])
    canvas.blend(cover_of(depth - _SHELL_MM), 0.0)
    for number, hu in enumerate(INSERTS_HU.values()):
        across, down = insert_position_mm(number)
        canvas.blend(cover_of(_INSERT_RADIUS_MM - np.hypot(x - across, y - down)), hu)
    return canvas.finish(np.random.default_rng(seed), NOISE_HU)


def insert_position_mm(number: int) -> tuple[float, float]:
    """Return x and y (mm, LPS) of the axis of an insert, numbered in the order of `INSERTS_HU`."""
    angle = math.radians(45 + 90 * number)
    return (_INSERT_AT_MM * math.cos(angle), _INSERT_AT_MM * math.sin(angle))
