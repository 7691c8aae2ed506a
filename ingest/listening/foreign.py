"""Tells of what others put into the listener's folders: it is left alone, and may be a misunderstanding."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ingest.boots import FILES as BOOT_FILES
from voorrang.archive.own_names import numbered_files, numbered_folders, segment_files
from voorrang.archive.write_ahead_log import CHECKPOINT_FILES
from voorrang.logs import get_logger


def tell_of_foreign(archive_dir: Path) -> int:
    """Write a line for each folder in which something is not ours; never its name, which may be anything."""
    logs, spares = archive_dir / "write-ahead", archive_dir / "spare"
    found = _tell(archive_dir, logs, numbered_folders(logs), BOOT_FILES)
    found += _tell(archive_dir, spares, numbered_folders(spares))
    for folder in numbered_folders(logs):
        found += _tell(archive_dir, folder, segment_files(folder), CHECKPOINT_FILES)
    for folder in numbered_folders(spares):
        found += _tell(archive_dir, folder, numbered_files(folder))
    return found


def _tell(archive_dir: Path, folder: Path, own: Collection[Path], names: Collection[str] = ()) -> int:
    if not folder.is_dir():
        return 0
    count = len({*folder.iterdir()} - {*own} - {folder / name for name in names})
    if count:
        where = str(folder.relative_to(archive_dir))
        get_logger().warning("what is not the listener's is left alone", folder=where, count=count)
    return count
