"""dcmtk's own senders (Debian package dcmtk): a second opinion on what we take from the network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

TIMEOUT_SECONDS = 60


def dcmtk_program(name: str) -> Path:
    """
    Return where a program of dcmtk is; the test is skipped where there is none.

    pynetdicom puts programs of the same names into the virtual environment: those are passed over, and `--version`
    must say dcmtk.
    """
    ours = {Path(sys.prefix) / "bin", Path(sys.executable).parent, Path(sys.executable).resolve().parent}
    folders = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder and Path(folder) not in ours]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        pytest.skip(f"no {name} of dcmtk on this machine (Debian package dcmtk)")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS)
    assert "dcmtk" in said.stdout, f"{found} is not dcmtk's: {said.stdout[:200]}"
    return Path(found)


def run_dcmtk(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program of dcmtk to its end, with both outputs in `stdout`."""
    command: Sequence[str] = [str(dcmtk_program(name)), *map(str, arguments)]
    return subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )


def counted_by_dcmsend(output: str) -> tuple[int, int]:
    """Return how many instances dcmsend says that it sent, and how many were answered with Success."""
    sent = re.search(r"- sent to the peer\s*:\s*(\d+)", output)
    success = re.search(r"with status SUCCESS\s*:\s*(\d+)", output)
    assert sent, f"dcmsend gave no summary: {output[-400:]}"
    assert success, f"dcmsend gave no summary: {output[-400:]}"
    return int(sent[1]), int(success[1])


def counted_by_storescu(output: str) -> int:
    """Return how many answers storescu (`-v`) reports as Success."""
    return len(re.findall(r"Received Store Response \(Success\)", output))
