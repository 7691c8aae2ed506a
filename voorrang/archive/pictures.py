"""Key pictures, in a folder of their own beside the archive: whoever writes or shows them needs no access to images."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from pathlib import Path

from voorrang.archive.archive import folder_chain
from voorrang.archive.durable import refusing_when_full, sync_folder, write_once

_SERIES = re.compile(r"pictures/([0-9a-f]{2})/([0-9a-f]{40})")
_PICTURE = re.compile(_SERIES.pattern + r"/([0-9a-f]{40})\.png")


class PictureFolder:
    """
    PNG files under one folder, by series.

    A locator tells nothing of a study, and names one content for ever.

    Parameters
    ----------
    root
        Folder; made when the first picture is stored.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def store(self, study: str, series: str, name: str, png: bytes) -> str:
        """
        Write a picture durably and return its locator; the same bytes under the same name are kept once.

        Parameters
        ----------
        study, series
            Their UIDs, of any form: they are not part of a path.
        name
            Tells apart what belongs to a series.
        png
            The picture.

        Raises
        ------
        ArchiveFullError
            When the disk does not take it.
        """
        folder = self._folder(study, series)
        path = folder / f"{_digest(name.encode() + _digest(png).encode())}.png"
        with refusing_when_full():
            folder.mkdir(parents=True, exist_ok=True)
            write_once(path, png, folder / f"{uuid.uuid4().hex}.part")
            for parent in folder_chain(self.root, folder):
                sync_folder(parent)
        return self._locator(path)

    def path(self, locator: str) -> Path:
        """
        Return where a picture can be opened for reading; nothing but a picture is ever found.

        Raises
        ------
        FileNotFoundError
            When there is none under this locator.
        """
        found = _PICTURE.fullmatch(locator)
        path = self.root.joinpath(found[1], found[2], f"{found[3]}.png") if found else None
        if path is None or not path.is_file():
            raise FileNotFoundError("no such picture")
        return path

    def of_series(self, study: str, series: str) -> str:
        """Return the locator of all that is kept of a series, or ever will be."""
        return self._locator(self._folder(study, series))

    def remove_series(self, locator: str) -> None:
        """Remove all that is kept of a series, what a kill left half-written too; nothing is fine."""
        found = _SERIES.fullmatch(locator)
        if found is None:
            raise ValueError("not the locator of a series' pictures")
        folder = self.root / found[1] / found[2]
        for path in folder.glob("*"):
            path.unlink(missing_ok=True)
        for empty in (folder, folder.parent):
            try:
                empty.rmdir()
            except OSError:  # never made, or another series' pictures are there
                break

    def _folder(self, study: str, series: str) -> Path:
        digest = _digest(f"{study}/{series}".encode())
        return self.root / digest[:2] / digest

    def _locator(self, path: Path) -> str:
        return f"pictures/{path.relative_to(self.root)}".replace(os.sep, "/")


def is_of_pictures(locator: str) -> bool:
    """Tell whether a locator is that of a series' pictures, and not one of the archive."""
    return _SERIES.fullmatch(locator) is not None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:40]
