"""A third party's detector on some of the cases that the network is judged on: both, and the difference."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inference.bundles.model import BundleModel
from inference.bundles.store import gathered
from inference.training.froc import MOST_MARKS, Placed
from inference.training.lung_nodule.judging import Read, kept_marks, volume_of_case
from inference.training.lung_nodule.summing_up import of_group
from inference.volume import Volume


def against(vendor: Path, configs: Path, reads: Sequence[Read], data: Path, keep: Path) -> dict[str, Any]:
    """
    Let a bundle read cases that were read already, and compare.

    Parameters
    ----------
    vendor, configs
        The maker's folder, and our configuration over it.
    reads
        Cases, read by the network.
    data
        Folder of the real scans.
    keep
        Folder for its marks.

    Returns
    -------
    dict
        As `of_group`, with the third party in the place of the reference CAD.
    """
    with (
        tempfile.TemporaryDirectory() as scratch,
        gathered(vendor, configs, Path(scratch)) as bundle,
    ):
        model = BundleModel(bundle)

        def marks(volume: Volume) -> tuple[tuple[Placed, ...]]:
            found = model.read(volume).findings
            return (tuple(Placed(f.position_mm, f.score) for f in found if f.position_mm is not None)[:MOST_MARKS],)

        theirs = []
        for r in reads:
            path = keep / f"rival-{r.case.source}-{r.case.number}.json"
            (by_them,) = kept_marks(path, marks, volume_of_case(data, r.case))
            theirs.append(Read(r.case, r.own, by_them))
    return of_group(theirs)
