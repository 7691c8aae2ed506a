"""
Which run of the machine an archive was last written in: after another one, files may be torn.

The listener says twice that it has seen to this run: when what was under way is set aside, and when each process has
brought back what its write-ahead log holds.
"""

from __future__ import annotations

import os
from pathlib import Path

from voorrang.archive.archive import Archive
from voorrang.archive.durable import sync_folder

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # Linux random(4): another one after each start of the machine
FILES = _SET_ASIDE, _RESTORED = "boot-id", "restored-boot-id"


def current_boot() -> str:
    """Return what this run of the machine is called; empty where machines do not say so."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def told_boot(archive: Archive) -> str:
    """Return in which run of the machine what may be torn was last set aside; empty before the first time."""
    return _read(archive, _SET_ASIDE)


def is_settled(archive: Archive, boot: str) -> bool:
    """Tell whether what may be torn was set aside in this run of the machine, or no listener has told of another."""
    return not boot or told_boot(archive) in ("", boot)


def is_restored(archive: Archive, boot: str) -> bool:
    """Tell whether the log was brought back in this run of the machine, or no listener has ever told of a run."""
    return not boot or told_boot(archive) == "" or _read(archive, _RESTORED) == boot


def tell_boot(archive: Archive, boot: str) -> None:
    """
    Say that what may be torn was set aside in this run of the machine.

    Raises
    ------
    OSError
        When the disk refuses.
    """
    _write(archive, _SET_ASIDE, boot)


def tell_restored(archive: Archive, boot: str) -> None:
    """
    Say that what the logs hold is on disk again in this run of the machine; nothing where it was said before.

    Raises
    ------
    OSError
        When the disk refuses.
    """
    if boot and _read(archive, _RESTORED) != boot:
        _write(archive, _RESTORED, boot)


def _read(archive: Archive, what: str) -> str:
    try:
        return (_folder(archive) / what).read_text()
    except FileNotFoundError:
        return ""


def _write(archive: Archive, what: str, boot: str) -> None:
    folder = _folder(archive)
    folder.mkdir(parents=True, exist_ok=True)
    part = archive.incoming / f"{os.getpid()}-{what}"
    with part.open("w") as file:
        file.write(boot)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / what)
    sync_folder(folder)


def _folder(archive: Archive) -> Path:
    return archive.root / "write-ahead"
