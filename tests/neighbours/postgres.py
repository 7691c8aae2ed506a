"""PostgreSQL: a scratch server on loopback, run by somebody who is not root, since PostgreSQL refuses root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from tests.neighbours.starting import end_with_parent, free_port, wait_until

START_SECONDS = 30.0
STOP_SECONDS = 10.0
USER = "voorrang"


def _folder() -> Path | None:
    for folder in (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/local/bin")):
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    return None


def _other_user() -> str | None:
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    return None


def postgres_missing() -> str:
    """Return why PostgreSQL cannot be run here; empty when it can."""
    if _folder() is None:
        return "no initdb and postgres"
    if os.geteuid() == 0 and (_other_user() is None or shutil.which("setpriv") is None):
        return "PostgreSQL refuses root, and there is nobody else to run it"
    return ""


@dataclass
class PostgresServer:
    """A server whose data lies in a scratch folder."""

    folder: Path
    port: int
    _count: int = 0

    @cached_property
    def _binaries(self) -> Path:
        found = _folder()
        assert found is not None, postgres_missing()
        return found

    def new_database(self, template: str = "template1") -> URL:
        """Make an empty database, or the copy of one that nobody has open, and return its URL."""
        self._count += 1
        name = f"test_{self._count}"
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        engine.dispose()
        return self.url(name)

    def url(self, name: str) -> URL:
        """Return the URL of a database."""
        return URL.create("postgresql+psycopg", username=USER, host="127.0.0.1", port=self.port, database=name)

    def answers(self) -> bool:
        """Tell whether it takes connections; it listens a little earlier."""
        engine = create_engine(self.url("postgres"))
        try:
            engine.connect().close()
        except OperationalError:
            return False
        finally:
            engine.dispose()
        return True

    def start(self) -> subprocess.Popen[bytes]:
        """Make the data folder and start the server."""
        data = self.folder / "data"
        initdb = [str(self._binaries / "initdb"), "-D", str(data), "-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8"]
        subprocess.run(self._as_somebody(initdb), check=True, capture_output=True, timeout=60, cwd=self.folder)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "16MB",
            "timezone": "Asia/Kathmandu",  # far from UTC, so that a time without a zone shows
        }
        command = [str(self._binaries / "postgres"), "-D", str(data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with (self.folder / "postgres.log").open("ab") as log:
            return subprocess.Popen(
                self._as_somebody(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )

    @staticmethod
    def _as_somebody(command: Sequence[str]) -> list[str]:
        if os.geteuid() != 0:
            return list(command)
        somebody = str(_other_user())
        group = pwd.getpwnam(somebody).pw_gid
        return ["setpriv", f"--reuid={somebody}", f"--regid={group}", "--clear-groups", "--pdeathsig=INT", *command]


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Run a scratch server; `postgres_missing` says whether it can be."""
    # Not below pytest's folders: those are closed to the user that runs the server.
    with tempfile.TemporaryDirectory(prefix="voorrang-postgres-", ignore_cleanup_errors=True) as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, str(_other_user()))
        server = PostgresServer(Path(folder), free_port())
        process = server.start()
        try:
            wait_until(server.answers, START_SECONDS, "PostgreSQL")
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # fast shutdown
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
