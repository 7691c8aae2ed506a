"""Authorities, and the keys and certificates that they sign, made with the program `openssl`."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

DAYS = "2"
TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class KeyPair:
    """PEM files of a certificate and its key."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Authority:
    """Somebody who signs, and the folder of everything that was signed."""

    folder: Path
    own: KeyPair

    def sign(self, name: str) -> KeyPair:
        """Make a key and a certificate for it."""
        pair = _paths(self.folder, name)
        request = self.folder / f"{name}.csr"
        _openssl("req", *_NEW_KEY, "-keyout", pair.key, "-out", request, "-subj", f"/CN={name}")
        by = ("-CA", self.own.certificate, "-CAkey", self.own.key, "-CAcreateserial")
        _openssl("x509", "-req", "-in", request, *by, "-days", DAYS, "-out", pair.certificate)
        return pair


_NEW_KEY = ("-newkey", "rsa:2048", "-nodes")


def make_authority(folder: Path) -> Authority:
    """Make an authority that signs itself; the test is skipped where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine")
    folder.mkdir()
    own = _paths(folder, "authority")
    files = ("-keyout", own.key, "-out", own.certificate)
    _openssl("req", "-x509", *_NEW_KEY, *files, "-days", DAYS, "-subj", f"/CN=Authority {folder.name}")
    return Authority(folder, own)


def _paths(folder: Path, name: str) -> KeyPair:
    return KeyPair(folder / f"{name}.pem", folder / f"{name}.key")


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
    )
    assert done.returncode == 0, done.stderr
