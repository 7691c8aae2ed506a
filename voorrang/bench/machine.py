"""On what a bench ran: without it, no figure says anything."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from voorrang.bench.programs import PeerMissingError, dcmtk_program, program, said

_PACKAGES = ("voorrang", "pynetdicom", "pydicom", "kafka-python", "SQLAlchemy", "numpy", "highdicom", "torch")


def describe_machine(scratch: Path) -> dict[str, Any]:
    """
    Return processor, memory, file system of the scratch folder, kernel, and versions of the peers.

    Parameters
    ----------
    scratch
        Folder that the receivers wrote to.
    """
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000,
        "filesystem": filesystem_of(scratch),
        "kernel": platform.release(),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def filesystem_of(folder: Path) -> str:
    """Return the type of the file system that a folder is on."""
    where, best, found = str(folder.resolve()), "", "unknown"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mount, kind = line.split()[:3]
        inside = where == mount or where.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, found = mount, kind
    return found


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = str(version(package))
    with suppress(PeerMissingError):
        found["dcmtk"] = said(dcmtk_program("storescp"), "--version")
    with suppress(PeerMissingError):
        found["orthanc"] = said(program("Orthanc", "orthanc"), "--version")
    return found
