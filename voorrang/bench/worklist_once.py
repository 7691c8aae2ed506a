"""Measures the worklist on one database, in a process of its own, and prints figures and rows as JSON."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from threading import Thread
from time import perf_counter
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from sqlalchemy import select

from voorrang.bench.processes import peak_rss_bytes
from voorrang.bench.worklist_filled import FLAGGED, Filled, filled_worklist, kind_of, make_answer, make_study, uid_of
from worklist.listing import PAGE, Lister
from worklist.place_store import OFF_THE_LIST, ORDER
from worklist.reading.acts import Reading
from worklist.tables import item
from worklist.web.application import application
from worklist.web.listening import listen

WARM_UP = 30
LIST_PATH, PLAIN_PATH = "/api/worklist", "/plain"
_MOVED = 20  # items that are flagged and no longer flagged, in turn: with those that stay flagged, all on one page


def main(url: str, items: int, events: int) -> int:
    """Print `figures` and `rows`."""
    with filled_worklist(url, items) as filled, _served(filled) as client:
        rows = [*_read(client, events), *_rank(filled, client, items, events), _drain(filled, items, events)]
    figures = _figures(rows) | {"peak_rss_mb": round(peak_rss_bytes(_own_pid()) / 1e6, 1)}
    database = url.split(":")[0]
    sys.stdout.write(json.dumps({"figures": figures, "rows": [{"database": database, **row} for row in rows]}) + "\n")
    return 0


class Client:
    """One connection that stays open, as a browser's."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def get(self, path: str) -> bytes:
        """Return the body of an answer."""
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: status {answer.status}")
        return body


def _read(client: Client, times: int) -> Iterator[dict[str, Any]]:
    """Read the first page and, in turn, the same rows by one query."""
    for number in range(-WARM_UP, times):
        for what, path in (("list", LIST_PATH), ("plain", PLAIN_PATH)):
            milliseconds = _ms(lambda path=path: client.get(path))  # type: ignore[misc]
            if number >= 0:
                yield {"what": what, "number": number, "ms": milliseconds}


def _rank(filled: Filled, client: Client, items: int, events: int) -> Iterator[dict[str, Any]]:
    """Hand events over, one at a time, and read the list until it shows what each changed."""
    moved = [number for number in range(FLAGGED + 1, items + 1) if kind_of(number) == 2][:_MOVED]
    told = json.loads(client.get(LIST_PATH))
    new = items
    for number in range(-WARM_UP, events):
        now = filled.runtime.clock.now()
        if number % 5 == 4:
            new += 1
            record: Any = make_study(new, now, is_wanted=True)
            expected = ("total", told["total"] + 1)
        else:
            of, turn = moved[number % _MOVED], (number + WARM_UP) // _MOVED
            record = make_answer(of, now, 0.9 if turn % 2 == 0 else 0.1, turn + 2)
            expected = (uid_of(of), turn % 2 == 0)
        began = perf_counter()
        filled.tell(record)
        committed = perf_counter()
        body = client.get(LIST_PATH)
        ended = perf_counter()
        told = json.loads(body)
        if not _shows(told, expected):
            raise RuntimeError("the list does not show what has been committed")
        if number >= 0:
            yield {
                "what": "rank",
                "number": number,
                "ms": round(1000 * (ended - began), 3),
                "committed_ms": round(1000 * (committed - began), 3),
            }


def _shows(listing: dict[str, Any], expected: tuple[str, Any]) -> bool:
    name, value = expected
    if name == "total":
        return bool(listing["total"] == value)
    flagged = [row["item_key"] for row in listing["items"] if row["tier"] == "urgent"]
    return (name in flagged) is value


def _drain(filled: Filled, items: int, events: int) -> dict[str, Any]:
    """Hand events over without anybody reading."""
    waiting = [number for number in range(FLAGGED + 1, items + 1) if kind_of(number) == 3][:events]
    records = [make_answer(number, filled.runtime.clock.now(), 0.1, 1) for number in waiting]
    began = perf_counter()
    for record in records:
        filled.tell(record)
    seconds = perf_counter() - began
    return {"what": "events", "number": len(records), "ms": round(1000 * seconds, 3)}


def _figures(rows: list[dict[str, Any]]) -> dict[str, float]:
    took = {what: [row["ms"] for row in rows if row["what"] == what] for what in ("list", "plain", "rank")}
    (drained,) = (row for row in rows if row["what"] == "events")
    return {
        "rank_p99_ms_10k": p99(took["rank"]),
        "rank_median_ms_10k": round(median(took["rank"]), 2),
        "list_p99_ms_10k": p99(took["list"]),
        "list_median_ms_10k": round(median(took["list"]), 2),
        "plain_median_ms_10k": round(median(took["plain"]), 2),
        "list_to_plain_query_10k": round(median(took["list"]) / median(took["plain"]), 2),
        "events_per_s": round(1000 * drained["number"] / drained["ms"], 1),
    }


def p99(values: list[float]) -> float:
    """Return the smallest value that 99 of 100 do not exceed (nearest rank)."""
    return round(sorted(values)[-(-99 * len(values) // 100) - 1], 2)


@contextmanager
def _served(filled: Filled) -> Iterator[Client]:
    """Serve the list, and the same rows by one query, in a thread of this process."""
    runtime = filled.runtime
    lister = Lister(runtime.database, runtime.pathways, runtime.clock, True, runtime.settings.calibrations_dir)
    app = application(lister, runtime.settings, lambda: False, Reading(runtime))
    _add_plain(app, filled)
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off"))
    thread = Thread(target=lambda: server.run(sockets=[listening]))
    thread.start()
    client = Client(listening.getsockname()[1])
    try:
        yield client
    finally:
        client.close()
        server.should_exit = True
        thread.join()
        listening.close()


def _add_plain(app: FastAPI, filled: Filled) -> None:
    query = select(item).where(item.c.listed_as < OFF_THE_LIST).order_by(*ORDER).limit(PAGE)

    @app.get(PLAIN_PATH)
    def plain() -> JSONResponse:
        """Return the rows of the first page as they lie in the table."""
        with filled.runtime.database.read() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        for row in rows:
            row |= {name: row[name].isoformat() for name in ("arrived_at", "ranked_at", "due_at") if row[name]}
        return JSONResponse(rows)


def _ms(act: Callable[[], object]) -> float:
    began = perf_counter()
    act()
    return round(1000 * (perf_counter() - began), 3)


def _own_pid() -> int:
    return int(Path("/proc/self").readlink().name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
