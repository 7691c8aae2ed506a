"""PostgreSQL as Debian packages it: a scratch server on loopback with its usual settings, syncing as it ships."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from voorrang.bench.processes import wait_until

START_SECONDS = 30.0
STOP_SECONDS = 20.0
_USER = "voorrang"


def postgres_missing() -> str:
    """Return why PostgreSQL cannot be run here; empty when it can."""
    if _folder() is None:
        return "no initdb and postgres in /usr/lib/postgresql: install Debian's package postgresql"
    if os.geteuid() == 0 and (_somebody() is None or shutil.which("setpriv") is None):
        return "PostgreSQL refuses root, and there is nobody else to run it"
    return ""


@contextmanager
def running_postgres(parent: Path) -> Iterator[str]:
    """
    Run a server whose data lie beside the scratch folder, which the user that runs it may not enter.

    Parameters
    ----------
    parent
        Folder for its own folder.

    Yields
    ------
    str
        URL of its database.
    """
    with tempfile.TemporaryDirectory(prefix="voorrang-bench-pg-", dir=parent, ignore_cleanup_errors=True) as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, str(_somebody()))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        process = _start(Path(folder), port)
        try:
            if not wait_until(lambda: _answers(port), START_SECONDS):
                raise TimeoutError("PostgreSQL does not answer")
            yield f"postgresql+psycopg://{_USER}@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGINT)  # fast shutdown
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    binaries = _folder()
    if binaries is None:
        raise FileNotFoundError(postgres_missing())
    data = str(folder / "data")
    initdb = [str(binaries / "initdb"), "-D", data, "-U", _USER, "-A", "trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(_as_somebody(initdb), check=True, capture_output=True, cwd=folder)  # noqa: S603 - no shell
    settings = ["listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories="]
    command = [str(binaries / "postgres"), "-D", data, *(part for one in settings for part in ("-c", one))]
    with (folder / "postgres.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - no shell
            _as_somebody(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder
        )


def _answers(port: int) -> bool:
    from psycopg import OperationalError, connect

    try:
        connect(host="127.0.0.1", port=port, user=_USER, dbname="postgres").close()
    except OperationalError:
        return False
    return True


def _folder() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in found if (folder / "initdb").is_file()), None)


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
        return list(command)
    somebody = str(_somebody())
    group = pwd.getpwnam(somebody).pw_gid
    return ["setpriv", f"--reuid={somebody}", f"--regid={group}", "--clear-groups", "--pdeathsig=INT", *command]
