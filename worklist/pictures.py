"""Addresses of key pictures: findings of an item are numbered from 1, those of the pathway that speaks for it first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote


def picture_addresses(item_key: str, pathways: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """
    Return the addresses of the key pictures of each pathway.

    Parameters
    ----------
    item_key
        Of the item.
    pathways
        Its views as stored, with the locators of their pictures.

    Returns
    -------
    list of tuple of str
        Each address names the content too: a browser that shows one never shows it again for another finding.
    """
    addresses, n = [], 0
    for view in pathways:
        mine = []
        for locator in view.get("pictures", ()):
            n += 1
            mine.append(f"/api/worklist/{quote(item_key, safe='')}/findings/{n}/picture?v={version_of(locator)}")
        addresses.append(tuple(mine))
    return addresses


def numbered_picture(pathways: Sequence[Mapping[str, Any]], number: int) -> str | None:
    """Return the locator of the picture of a finding; None when there is none of that number."""
    locators = [locator for view in pathways for locator in view.get("pictures", ())]
    return locators[number - 1] if 1 <= number <= len(locators) else None


def version_of(locator: str) -> str:
    """Return what tells one content from another: a locator names one content for ever."""
    return locator.rsplit("/", 1)[-1].removesuffix(".png")
