"""Finds the manifests of a series, for whoever removes it."""

from __future__ import annotations

from voorrang.archive.archive import Archive
from voorrang.identifiers import is_uid


def manifests_of(archive: Archive, study: str, series: str) -> list[str]:
    """Return the locators of the manifests of every revision of a series."""
    if not (is_uid(study) and is_uid(series)):
        return []  # nothing can lie under such a name
    found = sorted((archive.root / "studies").glob(f"*/{study}/{series}/*.json"))
    return [archive.locator(path) for path in found]
