"""What many tests stand on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy.engine import URL
from threadpoolctl import threadpool_limits

from tests.builders import START
from tests.fakes import InMemoryBroker
from voorrang.clock import ManualClock
from voorrang.database import Database
from voorrang.migrating import migrate

# Tests run beside tests: two threads of numpy's BLAS, or of torch, wait spinning for a core that another has.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of what they start
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # of torch, which is not loaded yet
threadpool_limits(limits=1, user_api="blas")

# How long an example takes says what else this machine does, not whether it holds.
settings.register_profile("voorrang", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("voorrang")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what tests whole stacks come first: it mostly waits, and must not be what is left at the end."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at the start of a day."""
    return ManualClock(START)


@pytest.fixture
def broker() -> InMemoryBroker:
    """An empty broker in memory."""
    return InMemoryBroker()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file: copy it, never open it."""
    path = tmp_path_factory.mktemp("migrated") / "empty.sqlite"
    database = Database(URL.create("sqlite", database=str(path)))
    migrate(database)
    database.close()  # the last connection takes the log in and removes it
    return path


@pytest.fixture
def database(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Database]:
    """A migrated database of one's own."""
    path = tmp_path / "voorrang.sqlite"
    shutil.copyfile(migrated_sqlite, path)
    opened = Database(URL.create("sqlite", database=str(path)))
    yield opened
    opened.close()
