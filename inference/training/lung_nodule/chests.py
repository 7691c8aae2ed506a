"""The chests that nodules are put into: two real scans with what is known of them, and phantoms of the demo."""

from __future__ import annotations

from pathlib import Path

from inference.assembly import assemble
from inference.series_files import find_series
from inference.training.lung_nodule.placing import Chest, Known
from inference.volume import Volume
from voorrang.demo.phantoms.canvas import Phantom
from voorrang.demo.phantoms.chest import Nodule, make_chest
from voorrang.dicom.geometry import series_geometry

THIN, THICK = "chest-c3n-00247", "chest-a0002"
KNOWN = {
    THIN: (Known((-81.2, -191.2, -192.0), 30.0),),  # a mass of about 25 mm, by the description of the data
    THICK: (Known((-60.2, -101.2, 192.0), 55.0),),  # an adenocarcinoma of 40 to 75 mm, by the boxes of the data set
}

DEMO_NODULES = (Nodule((-78.0, -12.0, 140.0), 15.0), Nodule((80.0, 30.0, 60.0), 10.0, is_attached=True))


def read_chest(data: Path, name: str) -> Chest:
    """
    Read a real scan, with the gate of the models passed by.

    Parameters
    ----------
    data
        Folder of the scans.
    name
        `THIN` or `THICK`.
    """
    (series,) = find_series(data / name)
    volume = assemble(series.headers, series_geometry(series.headers), series.open_instance)
    return Chest.of(name, volume, KNOWN[name])


def phantom_chest(seed: int) -> Chest:
    """Return the phantom of a seed, as the volume that its series makes, without nodules."""
    return Chest.of(f"phantom-{seed}", volume_of(make_chest(seed)))


def volume_of(phantom: Phantom) -> Volume:
    """Return a phantom as the volume that its series makes."""
    z, y, x = phantom.grid.spacing_mm
    voxels = phantom.voxels_hu.astype("float32")
    return Volume(voxels, phantom.grid.origin_mm, (0.0, 0.0, z), (0.0, y, 0.0), (x, 0.0, 0.0))


def demo_chest(seed: int) -> Volume:
    """Return the phantom of a seed with the two nodules that the demo has."""
    return volume_of(make_chest(seed, DEMO_NODULES))
