"""`voorrang bench` knows its names."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from voorrang.__main__ import EXIT_USAGE, main


@pytest.mark.parametrize("arguments", [["bench"], ["bench", "speed"], ["bench", "ingest", "--rounds", "-1"]])
def test_an_unknown_name_or_number_is_a_mistake_of_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == EXIT_USAGE


def test_what_is_logged_meanwhile_is_not_on_stdout() -> None:
    program = """
from voorrang.__main__ import main
from voorrang.bench import inference
from voorrang.bench.report import Report
from voorrang.logs import get_logger

def measure(*_):
    get_logger().warning("probing")
    return Report({"figure": 1.0}, [], {})

inference.run_inference_bench = measure
main(["bench", "inference", "--json"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["figures"] == {"figure": 1.0}
    assert "probing" in done.stderr
