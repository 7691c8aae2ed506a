"""Which run of the machine an archive was last written in: after another one, files may be torn."""

from __future__ import annotations

import os
from pathlib import Path

from voorrang.archive.archive import Archive
from voorrang.archive.durable import sync_folder

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # Linux random(4): another one after each start of the machine


def current_boot() -> str:
    """Return what this run of the machine is called; empty where machines do not say so."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def told_boot(archive: Archive) -> str:
    """Return in which run of the machine what may be torn was last set aside; empty before the first time."""
    try:
        return _told(archive).read_text()
    except FileNotFoundError:
        return ""


def is_settled(archive: Archive, boot: str) -> bool:
    """Tell whether what may be torn was set aside in this run of the machine, or no listener has told of another."""
    return not boot or told_boot(archive) in ("", boot)


def tell_boot(archive: Archive, boot: str) -> None:
    """
    Say that what may be torn was set aside in this run of the machine.

    Raises
    ------
    OSError
        When the disk refuses.
    """
    told = _told(archive)
    told.parent.mkdir(parents=True, exist_ok=True)
    part = archive.incoming / f"{os.getpid()}-boot-id"
    with part.open("w") as file:
        file.write(boot)
        file.flush()
        os.fsync(file.fileno())
    part.replace(told)
    sync_folder(told.parent)


def _told(archive: Archive) -> Path:
    return archive.root / "write-ahead" / "boot-id"
