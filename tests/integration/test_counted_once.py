"""Monitoring counts an event once, however often its transaction has to be tried, and never two versions as one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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

LABELS = {"model": MODEL.model_id, "version": "1", "weights": "d" * 12, "operating_point": "0.5"}


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
        labels = {**LABELS, "state": event.data.state.value}
        before = metric("voorrang_findings_scored_total", **labels)
        with pytest.raises(RetryableError):
            handle(event)
        handle(event)
        handle(event)
        assert metric("voorrang_findings_scored_total", **labels) - before == 1
        database.close()


OTHERS: dict[str, dict[str, Any]] = {
    "version": {"model": MODEL.model_copy(update={"version_label": "2"})},
    "weights": {"model": MODEL.model_copy(update={"weights_digest": "e" * 64})},
    "operating_point": {"operating_point": 0.42},
}


@pytest.mark.parametrize("name", OTHERS)
def test_answers_of_another_version_or_operating_point_are_counted_apart(
    name: str, database: Database, tmp_path: Path
) -> None:
    """A share of flagged series over a day on which the model changed would be that of no model."""
    handle = handlers(make_runtime("monitoring", database, tmp_path))["findings-scored"]
    changed = {"version": "2", "weights": "e" * 12, "operating_point": "0.42"}
    series = [LABELS, LABELS | {name: changed[name]}]

    def counts() -> list[float]:
        answers = [metric("voorrang_findings_scored_total", **labels, state="scored") for labels in series]
        return answers + [metric("voorrang_series_flagged_total", **labels) for labels in series]

    before = counts()
    handle(make_event(make_findings_scored()))
    handle(make_event(make_findings_scored(score=0.3)))
    handle(make_event(make_findings_scored(**OTHERS[name])))
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [2, 1, 1, 1]
