"""Lets a model read the one series of a folder some times, and prints how long; a process of its own, for its peak."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from time import perf_counter

import torch

from inference.models import load_model
from inference.run_folder import run_folder
from inference.running.blas import use_one_blas_thread
from voorrang.bench.processes import peak_rss_bytes


def main(name: str, folder: Path, rounds: int, threads: int) -> int:
    """Print `load_seconds`, `seconds` and `states` of each round, and `peak_rss_mb`, as JSON; MB are 10^6 bytes."""
    torch.set_num_threads(threads)
    began = perf_counter()
    model = load_model(name)
    use_one_blas_thread()
    load_seconds = round(perf_counter() - began, 2)
    seconds, states = [], []
    for _ in range(rounds):
        began = perf_counter()
        (line,) = run_folder(model, folder)
        seconds.append(round(perf_counter() - began, 2))
        states.append(line["state"])
    peak_mb = round(peak_rss_bytes(os.getpid()) / 1e6, 1)
    told = {"load_seconds": load_seconds, "seconds": seconds, "states": states, "peak_rss_mb": peak_mb}
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
