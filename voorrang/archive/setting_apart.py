"""
Takes files out of the archive in two steps: set apart under another name, and dropped when nobody has asked for them.

While a file has its name, the listener may answer Success to an instance that is sent again, since it lies there. Set
apart it has none, so whoever looks afterwards finds none; whoever found it before has written so into the ledger by
then, or looks once more before the answer. What the ledger names is given back.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from voorrang.archive.archive import SUFFIX, Archive, folder_chain
from voorrang.archive.durable import give_name, refusing_when_full, sync_folder
from voorrang.archive.instance_files import InstanceFiles

_FOLDER = "removing"
_NAME = re.compile("[0-9a-f]{32}")


def is_apart(archive: Archive, locator: str) -> bool:
    """Tell whether a file is set apart: it will be given back or dropped."""
    return _apart(archive, locator).exists()


def set_apart(archive: Archive, locator: str) -> None:
    """
    Take a file from its name; nothing is fine.

    Where one is apart already, what has its name now came again and stays, unless a loss of power brought it back.

    Raises
    ------
    OSError
        When the disk does not let us.
    """
    held = _apart(archive, locator)
    held.parent.mkdir(exist_ok=True)
    path = archive.root / locator
    if path.exists() and (not held.exists() or path.stat().st_mtime_ns == held.stat().st_mtime_ns):
        archive.move(locator, held)


def sync_apart(archive: Archive, locators: Sequence[str]) -> None:
    """
    Make it durable that these are apart: until then a loss of power may bring them back as strays.

    Raises
    ------
    OSError
        When the disk does not let us.
    """
    if locators:
        archive.sync_removed(locators)
        if (folder := archive.root / _FOLDER).is_dir():  # not where none had to be set apart
            sync_folder(folder)


def give_back(archive: Archive, locator: str) -> None:
    """
    Give a file that is apart its name again, or one beside it where others have that by now.

    Raises
    ------
    ArchiveFullError
        When the disk refuses.
    """
    held, path = _apart(archive, locator), archive.root / locator
    with refusing_when_full():
        if not held.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if give_name(str(held), str(path)):
            for folder in folder_chain(archive.root, path.parent):
                sync_folder(folder)
        elif path.suffix == SUFFIX:
            InstanceFiles(archive).adopt(*archive.uids(locator), str(held))


def all_apart(archive: Archive) -> set[str]:
    """Return what is apart, as `name_apart` names it."""
    folder = archive.root / _FOLDER
    return {path.name for path in folder.iterdir() if _NAME.fullmatch(path.name)} if folder.is_dir() else set()


def drop(archive: Archive, names: Iterable[str]) -> None:
    """
    Remove what is apart for good.

    Raises
    ------
    OSError
        When the disk does not let it go.
    """
    for name in names:
        archive.remove(f"{_FOLDER}/{name}")


def name_apart(locator: str) -> str:
    """Return the name that a file has while it is apart."""
    return hashlib.sha256(locator.encode()).hexdigest()[:32]


def _apart(archive: Archive, locator: str) -> Path:
    return archive.root / _FOLDER / name_apart(locator)
