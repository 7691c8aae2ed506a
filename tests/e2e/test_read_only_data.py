"""Who only reads the archive, or never looks at it, makes no folder there: in compose its data volume is read-only."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.neighbours.embedded import EmbeddedBroker, embedded_missing, running_embedded_broker
from tests.neighbours.starting import free_port, wait_until
from voorrang.site_secret import make_secret
from voorrang.stack.child import Child

pytestmark = pytest.mark.e2e

START_SECONDS = 120.0


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    """An embedded broker for these starts."""
    if reason := embedded_missing():
        pytest.skip(reason)
    with running_embedded_broker() as running:
        yield running


@pytest.mark.parametrize(
    "command",
    [("voorrang", "worklist", "serve"), ("voorrang", "monitoring", "serve"), ("tests.e2e.sleeping_worker",)],
)
def test_a_service_that_does_not_write_the_archive_starts_where_no_folder_can_be_made(
    broker: EmbeddedBroker, migrated_sqlite: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    data, database = tmp_path / "data", tmp_path / "voorrang.sqlite"
    shutil.copyfile(migrated_sqlite, database)
    make_secret(data / "site-secret")
    (data / "archive").write_bytes(b"a file where a folder would be: nothing can be made in it, even by root")
    outside = {name: value for name, value in os.environ.items() if not name.startswith("VOORRANG_")}
    given = {
        "VOORRANG_DATA_DIR": str(data),
        "VOORRANG_DATABASE_URL": f"sqlite:///{database}",
        "VOORRANG_KAFKA_BOOTSTRAP": broker.bootstrap,
    }
    ports = ("WORKLIST_PORT", "WORKLIST_METRICS_PORT", "MONITORING_METRICS_PORT", "INFERENCE_METRICS_PORT")
    given |= {f"VOORRANG_{name}": str(free_port()) for name in ports}
    service = Child(command[-1], [sys.executable, "-m", *command], outside | given)
    service.start()
    try:
        wait_until(lambda: service.check_ready() or service.exit_code() is not None, START_SECONDS, "an end or a start")
        assert service.exit_code() is None
    finally:
        service.ask_to_stop()
        service.wait_stopped(30.0)
