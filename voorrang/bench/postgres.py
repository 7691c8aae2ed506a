"""PostgreSQL as Debian packages it: a scratch server on loopback, run by somebody who is not root, which it refuses."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from voorrang.bench.processes import wait_until

START_SECONDS = 30.0
STOP_SECONDS = 20.0
USER = "voorrang"
_SETTINGS = {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}


def postgres_missing() -> str:
    """Return why PostgreSQL cannot be run here; empty when it can."""
    if _folder() is None:
        return "no initdb and postgres: install Debian's package postgresql"
    if os.geteuid() == 0 and (_somebody() is None or shutil.which("setpriv") is None):
        return "PostgreSQL refuses root, and there is nobody else to run it"
    return ""


@contextmanager
def running_postgres(parent: Path | None = None, settings: Mapping[str, str] | None = None) -> Iterator[int]:
    """
    Run a server; `postgres_missing` says whether it can be.

    Parameters
    ----------
    parent
        Folder for its own folder, which the user that runs it may enter; None: where scratch files usually lie.
    settings
        Beside its usual ones, with which it syncs as it ships.

    Yields
    ------
    int
        Its port on loopback.
    """
    with tempfile.TemporaryDirectory(prefix="voorrang-postgres-", dir=parent, ignore_cleanup_errors=True) as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, str(_somebody()))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        process = _start(Path(folder), {**_SETTINGS, "port": str(port), **(settings or {})})
        try:
            if not wait_until(lambda: _answers(port), START_SECONDS):
                raise TimeoutError("PostgreSQL does not answer")
            yield port
        finally:
            process.send_signal(signal.SIGINT)  # fast shutdown
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(folder: Path, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    binaries = _folder()
    if binaries is None:
        raise FileNotFoundError(postgres_missing())
    data = str(folder / "data")
    initdb = [str(binaries / "initdb"), "-D", data, "-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(_as_somebody(initdb), check=True, capture_output=True, cwd=folder)  # noqa: S603 - no shell
    told = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [str(binaries / "postgres"), "-D", data, *told]
    with (folder / "postgres.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - no shell
            _as_somebody(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,  # Ctrl-C is ours to pass on
        )


def url_of(port: int, name: str = "postgres") -> str:
    """Return the URL of a database of a server."""
    return f"postgresql+psycopg://{USER}@127.0.0.1:{port}/{name}"


def _answers(port: int) -> bool:
    from psycopg import OperationalError, connect

    try:
        connect(host="127.0.0.1", port=port, user=USER, dbname="postgres").close()
    except OperationalError:
        return False
    return True


def _folder() -> Path | None:
    found = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/local/bin")]
    return next((one for one in found if (one / "initdb").is_file() and (one / "postgres").is_file()), None)


def _somebody() -> str | None:
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    return None


def _as_somebody(command: Sequence[str]) -> list[str]:
    if os.geteuid() != 0:
        with_us = ["setpriv", "--pdeathsig=INT"] if shutil.which("setpriv") else []
        return [*with_us, *command]
    somebody = str(_somebody())
    group = pwd.getpwnam(somebody).pw_gid
    return ["setpriv", f"--reuid={somebody}", f"--regid={group}", "--clear-groups", "--pdeathsig=INT", *command]
