"""PostgreSQL for tests: the scratch server of the benches, without syncs, with a database for each who asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

from voorrang.bench.postgres import running_postgres as running_server
from voorrang.bench.postgres import url_of

_SETTINGS = {
    "fsync": "off",
    "shared_buffers": "16MB",
    "timezone": "Asia/Kathmandu",  # far from UTC, so that a time without a zone shows
}


@dataclass
class PostgresServer:
    """A server that runs."""

    port: int
    _count: int = 0

    def new_database(self, template: str = "template1") -> URL:
        """Make an empty database, or the copy of one that nobody has open, and return its URL."""
        self._count += 1
        name = f"test_{self._count}"
        engine = create_engine(url_of(self.port), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        engine.dispose()
        return make_url(url_of(self.port, name))


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Run a scratch server."""
    # Not below pytest's folders: those are closed to the user that runs the server.
    with running_server(settings=_SETTINGS) as port:
        yield PostgresServer(port)
