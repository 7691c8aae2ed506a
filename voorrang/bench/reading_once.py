"""Reads the one series of a folder once, and prints how much memory that took; a process of its own, for its peak."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from inference.series_files import find_series
from voorrang.bench.inference_reading import read_volume


def main(folder: Path) -> int:
    """Print `before_mb`, after all imports, and `peak_rss_mb`, as JSON; MB are 10^6 bytes."""
    before_mb = _peak_mb()
    (series,) = find_series(folder)
    read_volume(series)
    sys.stdout.write(json.dumps({"before_mb": before_mb, "peak_rss_mb": _peak_mb()}) + "\n")
    return 0


def _peak_mb() -> float:
    """Return VmHWM, proc(5): the peak of getrusage(2) would be that of the process that started us, if larger."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) * 1024 / 1e6, 1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
