"""`python -m inference.training.asymmetry`: measure the asymmetry score again, or the numbers that its rules hold."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from inference.builtin.cards import FIGURES, FOLDER
from inference.running.blas import use_one_blas_thread
from inference.training.asymmetry.card import tables
from inference.training.asymmetry.evaluating import evaluate, seen_again
from inference.training.asymmetry.usual import usual
from inference.training.cards import write_between_marks


def main(arguments: list[str] | None = None) -> int:
    """
    Run one of the two.

    Returns
    -------
    int
        0; 1 when `evaluate` without `--write` no longer finds the scores that the card has.
    """
    parser = argparse.ArgumentParser(prog="python -m inference.training.asymmetry", description=__doc__)
    parser.add_argument("what", choices=["evaluate", "usual"])
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of CT-ICH: brain/ and hemorrhage_diagnosis.csv"
    )
    parser.add_argument("--scan", type=Path, help="evaluate: folder of one more head, DICOM, read past the gate")
    parser.add_argument("--write", action="store_true", help="evaluate: put the figures beside the model")
    asked = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    use_one_blas_thread()
    if asked.what == "usual":
        sys.stdout.write(json.dumps(usual(asked.data), indent=2) + "\n")
        return 0
    found = evaluate(asked.data, asked.scan)
    figures = FOLDER / "asymmetry" / FIGURES
    if asked.write:
        figures.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        write_between_marks(figures.parent.parent, tables(found))
    is_same = seen_again(found["scores"], found["rules_digest"], json.loads(figures.read_text(encoding="utf-8")))
    sys.stdout.write(json.dumps({**found, "as_on_the_card": is_same}, indent=2) + "\n")
    return 0 if is_same else 1


if __name__ == "__main__":
    sys.exit(main())
