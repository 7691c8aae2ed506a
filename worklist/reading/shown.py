"""What the list has shown of AI for each item, since when: a label made after a flag is another kind of truth."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, insert, literal, select

from voorrang.clock import utc
from voorrang.database import Connection
from voorrang.events.reading_records import ShownAnswer
from voorrang.outbox import insert_once
from voorrang.register import Activation
from worklist.reading.tables import shown
from worklist.states import ItemState, PathwayView

FLAGGED, NOT_FLAGGED, GONE = "flagged", "not_flagged", "gone"
_KNOWN_SINCE = ""
_MOMENT = timedelta(microseconds=1)
_OF_ITEMS = (
    select(shown)
    .where(shown.c.item_key.in_(bindparam("keys", expanding=True)))
    .order_by(shown.c.item_key, shown.c.since)
)


class _Word(NamedTuple):
    """What a model says, and of which finding: series, revision and run, empty where that was not written down."""

    version: str
    state: str
    series_instance_uid: str = ""
    series_revision: int = 0
    run: int = 0


def record(
    connection: Connection,
    item_key: str,
    views: Iterable[PathwayView],
    activations: Sequence[Activation],
    now: datetime,
) -> None:
    """
    Write down what the list shows of an item from now on, where that differs from before.

    Parameters
    ----------
    connection
        The transaction that ranks the item.
    item_key
        Of the item.
    views
        What is shown of each of its studies and pathways, the loudest first: a flag in one study is shown, whatever
        the same model says of another. A provisional answer is shown as running and so does not count.
    activations
        Say which version of a model answers.
    now
        When the list begins to show it.
    """
    shows = _shows(views, activations)
    before = _latest(connection, item_key)
    newest = max((utc(row.since) for row in before.values()), default=now)
    since = now if newest <= now else newest + _MOMENT  # a clock that was put back does not turn the order round
    if not before:
        _write(connection, item_key, (_KNOWN_SINCE, _KNOWN_SINCE), _Word("", GONE), since)
    for key, row in before.items():
        if key not in shows and key != (_KNOWN_SINCE, _KNOWN_SINCE) and row.state != GONE:
            _write(connection, item_key, key, _Word(row.version, GONE), since)
    for key, word in shows.items():
        row = before.get(key)
        if row is None or not _says(row, word):
            _write(connection, item_key, key, word, since)


def _says(row: Any, word: _Word) -> bool:
    if (row.version, row.state) != (word.version, word.state):
        return False
    # Rows of the version before do not say which finding it was: they stand until something else is said.
    return not row.series_instance_uid or (row.series_instance_uid, row.series_revision, row.run) == word[2:]


def _shows(views: Iterable[PathwayView], activations: Sequence[Activation]) -> dict[tuple[str, str], _Word]:
    """Return what is said by pathway and model, the first word of each."""
    versions = {(a.pathway, a.model.model_id): a.model.version for a in activations}
    shows: dict[tuple[str, str], _Word] = {}
    for view in views:
        if view.model_id and view.state is ItemState.SCORED and not view.provisional:
            key = (view.pathway, view.model_id)
            finding = (view.series_instance_uid, view.series_revision, view.run)
            shows.setdefault(key, _Word(versions.get(key, ""), FLAGGED if view.flagged else NOT_FLAGGED, *finding))
    return shows


def shown_now(connection: Connection, item_key: str) -> tuple[ShownAnswer, ...] | None:
    """Return what the list shows of an item; None when that is not known."""
    return shown_by_item(connection, [item_key])[item_key]


def shown_by_item(connection: Connection, item_keys: Collection[str]) -> dict[str, tuple[ShownAnswer, ...] | None]:
    """Return what the list shows of each of some items, None where that is not known; one query, none for no items."""
    found: dict[str, dict[tuple[str, str], Any]] = {key: {} for key in item_keys}
    for row in connection.execute(_OF_ITEMS, {"keys": list(found)}) if found else ():
        found[row.item_key][(row.pathway, row.model_id)] = row
    return {key: _answers(latest) for key, latest in found.items()}


def _answers(latest: dict[tuple[str, str], Any]) -> tuple[ShownAnswer, ...] | None:
    if (_KNOWN_SINCE, _KNOWN_SINCE) not in latest:
        return None
    return tuple(
        ShownAnswer(
            pathway=pathway,
            model_id=model_id,
            version_label=row.version,
            flagged=row.state == FLAGGED,
            since=utc(row.since),
            series_instance_uid=row.series_instance_uid,
            series_revision=row.series_revision,
            run=row.run,
        )
        for (pathway, model_id), row in sorted(latest.items())
        if model_id and row.state != GONE
    )


def follow(connection: Connection, before: str, after: str) -> None:
    """Give what was shown of an item to the one that its studies moved to."""
    columns = [column for column in shown.c if column.name != "item_key"]
    known = select(shown.c.item_key).where(shown.c.item_key == after).exists()
    source = select(literal(after), *columns).where(shown.c.item_key == before, ~known)
    connection.execute(insert(shown).from_select(["item_key", *(column.name for column in columns)], source))


def _latest(connection: Connection, item_key: str) -> dict[tuple[str, str], Any]:
    return {(row.pathway, row.model_id): row for row in connection.execute(_OF_ITEMS, {"keys": [item_key]})}


def _write(connection: Connection, item_key: str, key: tuple[str, str], word: _Word, now: datetime) -> None:
    pathway, model_id = key
    row = {"item_key": item_key, "pathway": pathway, "model_id": model_id, "since": now}
    if not insert_once(connection, shown, row | word._asdict()):
        where = [shown.c[name] == value for name, value in row.items()]
        connection.execute(shown.update().where(*where).values(**word._asdict()))


def newly_flagged(
    connection: Connection, pathways: Iterable[str], since: datetime
) -> list[tuple[str, str, str, datetime]]:
    """Return item, pathway, model and time of each flag that the list began to show after a time."""
    latest = (
        select(shown.c.item_key, shown.c.pathway, shown.c.model_id, func.max(shown.c.since).label("since"))
        .where(shown.c.state == FLAGGED, shown.c.since > since, shown.c.pathway.in_(list(pathways)))
        .group_by(shown.c.item_key, shown.c.pathway, shown.c.model_id)
    )
    return [(row.item_key, row.pathway, row.model_id, utc(row.since)) for row in connection.execute(latest)]


def flagged_series(connection: Connection, item_key: str, pathway: str, model_id: str) -> str:
    """Return the series of which the list shows a flag of a model now; empty without a flag, or where not known."""
    row = _latest(connection, item_key).get((pathway, model_id))
    return str(row.series_instance_uid) if row is not None and row.state == FLAGGED else ""


def is_flagged(connection: Connection, item_key: str, pathway: str, model_id: str) -> bool:
    """Tell whether the list shows a flag of a model now."""
    row = _latest(connection, item_key).get((pathway, model_id))
    return row is not None and row.state == FLAGGED
