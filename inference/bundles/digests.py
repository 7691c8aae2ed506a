"""Digests of a bundle: of each file, and of everything that decides what the model says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

_BLOCK = 1 << 20


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def file_digests(folder: Path, files: list[str]) -> dict[str, str]:
    """Return the SHA-256 of each file, by its path relative to the bundle."""
    return {name: sha256_of(folder / name) for name in sorted(files)}


def weights_digest(digests: Mapping[str, str]) -> str:
    """
    Return the digest that stands in findings and in the register.

    It covers the configuration too: another window, threshold or spacing gives other findings from the same weights.

    Parameters
    ----------
    digests
        SHA-256 of each file that the model is made of, by relative path.
    """
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
