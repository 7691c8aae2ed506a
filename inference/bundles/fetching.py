"""A bundle from an address: fetched whole, held against its digest, and only then opened."""

from __future__ import annotations

import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO
from urllib.request import urlopen

from inference.bundles.contract import METADATA
from inference.bundles.digests import sha256_of
from voorrang.errors import ConfigurationError

TIMEOUT_SECONDS = 60
_BLOCK = 1 << 20
_PART = re.compile(r"(configs|models)/[A-Za-z0-9_][A-Za-z0-9_.-]*")


def is_address(text: str) -> bool:
    """Tell whether this is an address to fetch from."""
    return text.startswith(("https://", "http://"))


@contextmanager
def fetched(address: str, sha256: str | None, scratch: Path) -> Iterator[Path]:
    """
    Fetch a zipped bundle and unpack it until the end.

    Parameters
    ----------
    address
        Begins with http or https.
    sha256
        Of the zip file, hex, as its maker tells it: an address alone proves nothing.
    scratch
        Folder to unpack in.

    Yields
    ------
    Path
        The bundle's folder.

    Raises
    ------
    ConfigurationError
        When no digest is given, the address gives nothing or something else, or it is no zipped bundle.
    """
    if sha256 is None:
        raise ConfigurationError(f"{address}: give the digest that the maker tells, --sha256 HEX")
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".fetching-", dir=scratch) as temporary:
        archive = Path(temporary) / "bundle.zip"
        _download(address, archive)
        found = sha256_of(archive)
        if found != sha256.lower():
            text = f"{address}: SHA-256 is {found}, and {sha256} was asked; nothing of it was opened"
            raise ConfigurationError(f"{text}: get the digest or the file of its maker again")
        folder = Path(temporary) / "unpacked"
        _unpack(archive, folder, address)
        yield folder


def _download(address: str, to: Path) -> None:
    try:
        with urlopen(address, timeout=TIMEOUT_SECONDS) as answer, to.open("wb") as file:  # noqa: S310 - http alone
            _copy_with_progress(answer, file, int(answer.headers.get("Content-Length") or 0))
    except (OSError, HTTPException, ValueError) as error:
        raise ConfigurationError(f"{address} cannot be fetched: {error}; check the address and the network") from error


def _copy_with_progress(source: BinaryIO, to: BinaryIO, total: int) -> None:
    done, shown = 0, -1
    while block := source.read(_BLOCK):
        to.write(block)
        done += len(block)
        percent = done * 100 // total if total else 0
        if percent // 10 != shown and sys.stderr.isatty():
            shown = percent // 10
            sys.stderr.write(f"fetched {done >> 20} MB" + (f" of {total >> 20}\n" if total else "\n"))


def _unpack(archive: Path, folder: Path, address: str) -> None:
    """Take configuration and weights out of the zip, by names that lead nowhere else."""
    try:
        with zipfile.ZipFile(archive) as zipped:
            names = zipped.namelist()
            roots = [name.removesuffix(METADATA) for name in names if name.endswith(METADATA)]
            if not roots:
                raise ConfigurationError(f"{address}: no {METADATA} in it; give the address of a MONAI bundle")
            root = min(roots, key=len)
            for name in names:
                part = name.removeprefix(root)
                if name.startswith(root) and _PART.fullmatch(part):
                    (folder / part).parent.mkdir(parents=True, exist_ok=True)
                    with zipped.open(name) as source, (folder / part).open("wb") as to:
                        shutil.copyfileobj(source, to)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:  # damaged, other packing, encrypted
        raise ConfigurationError(f"{address}: no zip file that can be read ({error})") from error
