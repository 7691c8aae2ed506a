"""`python -m inference.training.lung_nodule`: train and measure the model again, or evaluate the weights that ship."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from inference.builtin.cards import FOLDER
from inference.running.blas import use_one_blas_thread
from inference.training.lung_nodule.evaluating import evaluate, seen_again
from inference.training.lung_nodule.fitting import Recipe
from inference.training.lung_nodule.training import train

OWN_BUNDLE = FOLDER / "lung-nodule"
_THREADS = 1  # the card says with how many


def main(arguments: list[str] | None = None) -> int:
    """
    Run one of the two.

    Returns
    -------
    int
        0; 1 when the shipped weights no longer give the figures that their card has.
    """
    parser = argparse.ArgumentParser(prog="python -m inference.training.lung_nodule", description=__doc__)
    parser.add_argument("what", choices=["train", "evaluate"])
    parser.add_argument("--data", type=Path, help="folder of both scans; evaluate without it reads phantoms only")
    parser.add_argument("--work", type=Path, help="train: folder of what is kept; an interrupted run goes on there")
    parser.add_argument(
        "--bundle", type=Path, default=OWN_BUNDLE, help="where the weights are or go; the package's own"
    )
    parser.add_argument(
        "--vendor",
        type=Path,
        nargs=2,
        metavar=("FOLDER", "CONFIGS"),
        help="train: a third party's bundle to compare with",
    )
    parser.add_argument(
        "--draw",
        type=int,
        default=0,
        help="train: 0 is what ships; another number takes other seeds, to see what they do",
    )
    asked = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    torch.set_num_threads(_THREADS)
    use_one_blas_thread()
    if asked.what == "train":
        if asked.work is None or asked.data is None:
            parser.error("train needs --data and --work")
        if asked.draw and asked.bundle == OWN_BUNDLE:
            parser.error("another draw does not ship: it needs a --bundle of its own, a copy of the package's")
        vendor = (asked.vendor[0], asked.vendor[1]) if asked.vendor else None
        found = train(asked.data, asked.work, asked.bundle, Recipe(draw=asked.draw), vendor)
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return 0
    seen = evaluate(asked.data, asked.bundle)
    is_same = seen_again(seen, asked.bundle)
    sys.stdout.write(json.dumps({**asdict(seen), "as_on_the_card": is_same}, indent=2) + "\n")
    return 0 if is_same else 1


if __name__ == "__main__":
    sys.exit(main())
