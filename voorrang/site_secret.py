"""The site's secret: made once beside the database, and held against it at every start."""

from __future__ import annotations

import secrets
from pathlib import Path

from voorrang.archive.durable import sync_folder, write_once
from voorrang.errors import ConfigurationError
from voorrang.identifiers import SiteKeys

MIN_BYTES = 32


def make_secret(path: Path) -> None:
    """Write a new secret, readable by its owner only, durably and as a whole; an existing one stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    if not write_once(path, secrets.token_hex(MIN_BYTES).encode(), part, mode=0o600):
        sync_folder(path.parent)  # somebody was quicker, and may not have come to that yet


def load_site_keys(path: Path) -> SiteKeys:
    """
    Read the secret.

    Raises
    ------
    ConfigurationError
        When it is missing or too short; keys made with another secret would not match what is stored.
    """
    try:
        text = path.read_text().strip()
    except OSError as error:
        raise ConfigurationError(
            f"site secret {path} cannot be read ({error.strerror}): `voorrang migrate` or `voorrang up` makes it once; "
            "restore it from backup if the database already exists"
        ) from error
    if len(text) < MIN_BYTES:
        raise ConfigurationError(f"site secret {path} is shorter than {MIN_BYTES} characters")
    return SiteKeys(text.encode())
