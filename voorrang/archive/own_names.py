"""
What is ours in a folder of the archive, told by its name and its kind.

What others put there, a note, a copy, an editor's file, a `lost+found`, is neither used nor removed.
"""

from __future__ import annotations

import re
from pathlib import Path

_NUMBER = re.compile(r"0|[1-9][0-9]*")
_SEGMENT = re.compile(r"segment-[0-9]{3,}")


def numbered_folders(folder: Path) -> list[Path]:
    """Return the folders whose name is a number, lowest first; none where there is no such folder."""
    return sorted((one for one in _matching(folder, _NUMBER) if one.is_dir()), key=_number)


def numbered_files(folder: Path) -> list[Path]:
    """Return the files whose name is a number, lowest first."""
    return sorted((one for one in _matching(folder, _NUMBER) if _is_file(one)), key=_number)


def segment_files(folder: Path) -> list[Path]:
    """Return the segments of a write-ahead log, by name."""
    return sorted(one for one in _matching(folder, _SEGMENT) if _is_file(one))


def _matching(folder: Path, name: re.Pattern[str]) -> list[Path]:
    try:
        return [one for one in folder.iterdir() if name.fullmatch(one.name)]
    except FileNotFoundError:
        return []


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _number(path: Path) -> int:
    return int(path.name)
