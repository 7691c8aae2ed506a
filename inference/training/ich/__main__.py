"""`python -m inference.training.ich`: train and measure the model again, or evaluate the weights that ship."""

from __future__ import annotations

import argparse
import ctypes
import json
import logging
import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch

from inference.builtin.cards import FOLDER
from inference.running.blas import use_one_blas_thread
from inference.training.ich.evaluating import evaluate, seen_again
from inference.training.ich.training import train

_THREADS = 1  # the card says with how many
_MALLOPT = {-4: 0, -1: 2_000_000_000, -2: 100_000_000}  # glibc: M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD

_log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """
    Run one of the two.

    Returns
    -------
    int
        0; 1 when the shipped weights no longer give the figures that their card has.
    """
    parser = argparse.ArgumentParser(prog="python -m inference.training.ich", description=__doc__)
    parser.add_argument("what", choices=["train", "evaluate"])
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of CT-ICH: brain/ and hemorrhage_diagnosis.csv"
    )
    parser.add_argument(
        "--work", type=Path, help="train: folder of caches and fold weights; an interrupted run goes on there"
    )
    parser.add_argument(
        "--bundle", type=Path, default=FOLDER / "ich", help="where the weights are or go; the package's own"
    )
    asked = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    torch.set_num_threads(_THREADS)
    use_one_blas_thread()
    _keep_memory()
    started = time.monotonic()
    if asked.what == "train":
        if asked.work is None:
            parser.error("train needs --work")
        sys.stdout.write(json.dumps(train(asked.data, asked.work, asked.bundle), indent=2) + "\n")
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        _log.info(json.dumps({"seconds": round(time.monotonic() - started), "peak_mb": peak_mb}))
        return 0
    found = evaluate(asked.data, asked.bundle)
    is_same = seen_again(found, asked.bundle)
    sys.stdout.write(json.dumps({**asdict(found), "as_on_the_card": is_same}, indent=2) + "\n")
    return 0 if is_same else 1


def _keep_memory() -> None:
    """Let malloc keep pages: half of the time of the first blocks went into giving them back and asking again."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # none but glibc has it
    if mallopt is not None:
        for option, value in _MALLOPT.items():
            mallopt(option, value)


if __name__ == "__main__":
    sys.exit(main())
