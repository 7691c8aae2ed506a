"""Monitoring counts an event once, however often its transaction has to be tried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.engine import URL

from monitoring.counting import handlers
from tests.builders import MODEL, make_event, make_findings_scored, make_runtime
from tests.integration.listening import own_database
from tests.integration.retention_world import metric
from voorrang.database import Database
from voorrang.errors import RetryableError

pytestmark = pytest.mark.integration


class Contended(Database):
    """A database where another transaction gets in between of the first, as on PostgreSQL."""

    is_contended = True

    @contextmanager
    def write(self, *, is_durable: bool = True) -> Iterator[Connection]:
        """Roll the first back at its end."""
        with super().write(is_durable=is_durable) as connection:
            yield connection
            if self.is_contended:
                self.is_contended = False
                raise RetryableError("database: SerializationFailure")


def test_an_event_whose_transaction_is_tried_again_counts_once(tmp_path: Path) -> None:
    with own_database(tmp_path):
        database = Contended(URL.create("sqlite", database=str(tmp_path / "voorrang.sqlite")))
        handle = handlers(make_runtime("monitoring", database, tmp_path))["findings-scored"]
        event = make_event(make_findings_scored())
        labels = {"model": MODEL.model_id, "state": event.data.state.value}
        before = metric("voorrang_findings_scored_total", **labels)
        with pytest.raises(RetryableError):
            handle(event)
        handle(event)
        handle(event)
        assert metric("voorrang_findings_scored_total", **labels) - before == 1
        database.close()
