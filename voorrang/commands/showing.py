"""How times, and words that came from the network, are shown at a terminal."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from voorrang.errors import ConfigurationError


def site_zone(name: str) -> ZoneInfo:
    """
    Return the time zone of the site.

    Raises
    ------
    ConfigurationError
        When there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigurationError(f"time_zone {name} is not known: set VOORRANG_TIME_ZONE, e.g. Europe/Paris") from error


def site_time(at: datetime, zone: ZoneInfo) -> str:
    """Return a time as the site's clocks show it, to the second."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def printable(text: str) -> str:
    """Return a text without what would move the cursor or colour the screen: it may come from the network."""
    return "".join(character if character.isprintable() else "?" for character in text)
