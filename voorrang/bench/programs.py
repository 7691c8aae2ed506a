"""Programs of the peers: where they are, that they are what they should be, and their versions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

TIMEOUT_SECONDS = 20


class PeerMissingError(Exception):
    """A peer cannot run here; the message says why. The bench goes on without it and says so."""


@cache
def dcmtk_program(name: str) -> str:
    """
    Return where a program of dcmtk is.

    pynetdicom puts programs of the same names into a virtual environment: those are passed over, and `--version` must
    say dcmtk.

    Raises
    ------
    PeerMissingError
        When there is none.
    """
    found = shutil.which(name, path=os.pathsep.join(_outside_folders()))
    if found is None:
        raise PeerMissingError(f"no {name} of dcmtk (Debian package dcmtk)")
    if "dcmtk" not in said(found, "--version"):
        raise PeerMissingError(f"{found} is not dcmtk's {name}")
    return found


@cache
def program(name: str, package: str) -> str:
    """
    Return where a program is.

    Raises
    ------
    PeerMissingError
        When there is none.
    """
    found = shutil.which(name, path=os.pathsep.join([*_outside_folders(), "/usr/sbin", "/sbin"]))
    if found is None:
        raise PeerMissingError(f"no {name} (Debian package {package})")
    return found


def said(*command: str) -> str:
    """Return the first line that a program prints; empty when it cannot run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].strip("$ ") if lines else ""


def environment(**more: str) -> dict[str, str]:
    """
    Return the environment of every process of a bench: without settings of ours, and without Nagle's delay in dcmtk.

    dcmtk and Orthanc write an answer as two small writes; with Nagle's algorithm each then waits 44 ms for the other
    side, and no comparison says anything.
    """
    outside = {name: value for name, value in os.environ.items() if not name.startswith("VOORRANG_")}
    return outside | {"TCP_NODELAY": "1"} | more


def _outside_folders() -> list[str]:
    ours = {Path(sys.prefix) / "bin", Path(sys.executable).parent, Path(sys.executable).resolve().parent}
    return [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder and Path(folder) not in ours]
