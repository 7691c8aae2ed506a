"""How times, and words that came from the network, are shown at a terminal."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo


def site_time(at: datetime, zone: ZoneInfo) -> str:
    """Return a time as the site's clocks show it, to the second."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def printable(text: str) -> str:
    """Return a text without what would move the cursor or colour the screen: it may come from the network."""
    return "".join(character if character.isprintable() else "?" for character in text)
