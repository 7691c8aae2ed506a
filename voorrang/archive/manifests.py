"""Manifests of series: read if they are what they are named for, and found for whoever removes them."""

from __future__ import annotations

from pathlib import PurePosixPath

from voorrang.archive.archive import Archive, manifest_name
from voorrang.identifiers import is_uid


class DamagedManifestError(Exception):
    """What lies under the name of a manifest is not what was stored under it: it is not to be believed."""


def read_manifest(archive: Archive, locator: str) -> bytes:
    """
    Return the bytes of a manifest.

    Raises
    ------
    DamagedManifestError
        When they are not those that it is named for.
    FileNotFoundError
        When it is gone.
    OSError
        When the disk does not give it.
    """
    content = archive.read(locator)
    if manifest_name(content) != PurePosixPath(locator).name:
        raise DamagedManifestError
    return content


def series_of(locator: str) -> str | None:
    """Return the series that a manifest is of; None when this is the locator of something else."""
    path = PurePosixPath(locator)
    return path.parent.name if path.parts[0] == "studies" and path.suffix == ".json" else None


def manifests_of(archive: Archive, study: str, series: str) -> list[str]:
    """Return the locators of the manifests of every revision of a series."""
    if not (is_uid(study) and is_uid(series)):
        return []  # nothing can lie under such a name
    found = sorted((archive.root / "studies").glob(f"*/{study}/{series}/*.json"))
    return [archive.locator(path) for path in found]
