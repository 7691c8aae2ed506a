"""Models that do what the first voxel of a volume says, in the child that loads them: answer, hang, die, eat memory."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag

import numpy as np
from threadpoolctl import threadpool_info

from inference.model import Model, Opinion
from inference.running.conditions import Conditions
from inference.volume import Volume
from voorrang.errors import ConfigurationError
from voorrang.pathways.criteria import SeriesCriteria

ANSWER, HANG, DIE, DIE_ONCE, EAT, CRASH, RAISE, FORGET = 100, 200, 300, 400, 500, 600, 700, 800
COUNT, LOSE, LOSE_ONCE, CUT_ONCE = 850, 860, 870, 880
SLEEP = 900  # and longer by a millisecond for each HU above
SCOPE = SeriesCriteria(region="head")


@dataclass
class Faulty:
    """Does what the first voxel says; `folder` is where it remembers that it died, and what it read."""

    model_id: str
    folder: Path
    version: str = "1"
    weights_digest: str = "d" * 64
    operating_point: float = 0.5
    scope: SeriesCriteria = SCOPE
    has_lost: bool = False

    def read(self, volume: Volume) -> Opinion:
        """Do it."""
        hu = int(volume.voxels_hu[0, 0, 0])
        with (self.folder / f"{self.model_id}.read").open("a") as said:
            said.write(f"{hu}\n")
        self._use_gpu(hu)
        if hu == HANG:
            Flag().wait()
        elif self._dies(hu):
            os.kill(os.getpid(), signal.SIGKILL)
        elif hu == EAT:
            np.ones(1 << 34, np.float32)
        elif hu == CRASH:
            ctypes.string_at(0)
        elif hu == RAISE:
            raise KeyError("JANSEN^PIET")
        elif hu == COUNT:
            counts = [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]
            return Opinion(max(counts) / 100, ())
        elif hu >= SLEEP:
            Flag().wait((hu - SLEEP) / 1000)
        elif hu == FORGET:
            for file in self.folder.glob("archive/studies/**/*.dcm"):
                file.unlink()
        return Opinion(0.5, ())

    def _use_gpu(self, hu: int) -> None:
        """Say what torch says of every call once a kernel has failed, until the process ends."""
        self.has_lost = self.has_lost or hu == LOSE or (hu == LOSE_ONCE and self._is_first_time())
        if self.has_lost:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def _dies(self, hu: int) -> bool:
        if hu == CUT_ONCE and self._is_first_time():
            os.write(int(sys.argv[1]), struct.pack("!i", 1 << 20) + b"the first bytes of an answer")
            return True
        return hu == DIE or (hu == DIE_ONCE and self._is_first_time())

    def _is_first_time(self) -> bool:
        marker = self.folder / "died-once"
        try:
            marker.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


@dataclass
class Adapting(Faulty):
    """Remembers under which conditions it was told to compute; runs out of memory when it cannot have it all."""

    def run_under(self, conditions: Conditions) -> None:
        """Remember."""
        self.conditions = conditions
        with (self.folder / "conditions").open("a") as said:
            said.write(f"{conditions}\n")

    def read(self, volume: Volume) -> Opinion:
        """Run out of memory where that is asked for and the window is whole."""
        if int(volume.voxels_hu[0, 0, 0]) == EAT and self.conditions.window_share == 1.0:
            raise MemoryError
        return Opinion(0.5, ())


def load(names: Iterable[str], bundles_dir: Path | None) -> dict[str, Model]:
    """Make a model of each name; `weightless` has no weights, `adapting` does as it is told."""
    assert bundles_dir is not None
    if "weightless" in names:
        raise ConfigurationError("weightless has no weights: fetch them")
    if "broken" in names:
        raise ValueError("JANSEN^PIET")
    return {name: (Adapting if name == "adapting" else Faulty)(name, bundles_dir.parent) for name in names}
