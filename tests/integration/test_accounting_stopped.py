"""A count that could not be made is not taken for one: the alert AccountingStopped goes by how often it was made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.listening import make_stack, make_station, own_database
from tests.integration.retention_world import metric
from voorrang.clock import ManualClock
from voorrang.database import Database
from voorrang.errors import RetryableError

pytestmark = pytest.mark.integration


def test_only_a_count_that_was_made_is_counted(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_database(tmp_path) as database:
        station = make_station(database, tmp_path / "data", clock)
        before = metric("voorrang_accountings_total", service="ingest")
        station.account()
        assert metric("voorrang_accountings_total", service="ingest") == before + 1

        station.receive(*make_stack(3))

        def away(*_: object, **__: object) -> None:
            raise RetryableError("database: OperationalError")

        with monkeypatch.context() as patch:
            patch.setattr(Database, "_connect", away)
            with pytest.raises(RetryableError):
                station.account()
        # The gauge still says what it said: nobody can tell from it that nothing is known any more.
        assert metric("voorrang_waiting_instances") == 0
        assert metric("voorrang_accountings_total", service="ingest") == before + 1

        station.account()
        assert metric("voorrang_waiting_instances") == 3
        assert metric("voorrang_accountings_total", service="ingest") == before + 2
