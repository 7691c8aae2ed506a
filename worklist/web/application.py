"""The web application: `/api/worklist`, the page, and the stream of changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.middleware.trustedhost import TrustedHostMiddleware

from voorrang.archive import PictureFolder
from voorrang.errors import RetryableError
from voorrang.settings import Settings
from worklist.listing import PAGE, Lister, Listing
from worklist.reading.acts import Reading
from worklist.reading.refusing import ActRefusedError
from worklist.web.headers import SecurityHeaders
from worklist.web.minutes import add_minutes_route
from worklist.web.orders import add_order_routes
from worklist.web.pictures import picture_routes
from worklist.web.reading import WHY_WRONG, reading_routes, refused

HERE = Path(__file__).parent
LOOK_EVERY_SECONDS = 0.2
HEARTBEAT_SECONDS = 2
LOOPBACK_NAMES = ["127.0.0.1", "localhost", "[::1]"]
MARKS = {"stat": "S", "urgent": "U", "routine": "R"}

Offset = Annotated[int, Query(ge=0, le=1_000_000)]


def application(lister: Lister, settings: Settings, is_stopping: Callable[[], bool], reading: Reading) -> FastAPI:
    """
    Return the application.

    Parameters
    ----------
    lister
        Makes the list.
    settings
        Time zone, and whether only loopback may ask.
    is_stopping
        Ends the open streams when the service stops.
    reading
        What readers do.
    """
    app = FastAPI(title="voorrang worklist", docs_url=None, redoc_url=None)
    templates = Jinja2Templates(HERE / "templates")
    zone = ZoneInfo(settings.time_zone)
    templates.env.filters["clock"] = lambda at: _local(at, zone, "%H:%M:%S")
    templates.env.filters["minute"] = lambda at: _local(at, zone, "%d-%m %H:%M")
    templates.env.filters |= {"person": _person, "day": _day, "wait": _wait}
    templates.env.globals |= {"marks": MARKS, "readers": settings.readers, "why_wrong": WHY_WRONG}
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    if settings.bind_host in {"127.0.0.1", "::1", "localhost"}:
        # A page elsewhere must not reach this one through a name that it points at loopback.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK_NAMES)

    def shown(request: Request, template: str, offset: int, before: Sequence[str] = ()) -> Response:
        """Return a page of the list in a template; `before` are the keys of the rows that it shows so far."""
        listing = lister.listing(PAGE, offset, before)
        values = {"listing": listing, "names": lister.show_names, "offset": offset, "page": PAGE}
        return templates.TemplateResponse(request, template, values)

    app.add_middleware(SecurityHeaders)

    @app.exception_handler(RetryableError)
    def unavailable(_: Request, __: Exception) -> Response:
        """Answer 503 while the database is away."""
        return PlainTextResponse("the database does not answer: ask again\n", 503, {"Retry-After": "2"})

    app.add_exception_handler(ActRefusedError, refused)
    app.include_router(reading_routes(reading, settings.readers))

    app.include_router(picture_routes(lister.database, PictureFolder(settings.pictures_dir)))

    @app.get("/api/worklist", response_model=Listing)
    def worklist(
        limit: Annotated[int, Query(ge=1, le=1000)] = PAGE,
        offset: Offset = 0,
    ) -> Response:
        """Return the list in the order of reading."""
        # As JSON at once: the framework would check again, row by row, what has just been made by the same model.
        return Response(lister.listing(limit, offset).model_dump_json(), media_type="application/json")

    add_order_routes(app, lister.database)
    add_minutes_route(app, lister.database, lister.clock, zone)

    @app.get("/", response_class=HTMLResponse)
    def page(request: Request, offset: Offset = 0) -> Response:
        """Return the page."""
        return shown(request, "page.html", offset)

    @app.get("/rows", response_class=HTMLResponse)
    def rows(request: Request, offset: Offset = 0, voorrang_shown: Annotated[str, Header()] = "") -> Response:
        """Return what of the page changes with the order; the header has the keys of its rows so far."""
        return shown(request, "rows.html", offset, voorrang_shown.split())

    @app.get("/changes")
    async def changes(request: Request) -> EventSourceResponse:
        """Stream a line for each new version of the list."""
        return EventSourceResponse(_changes(request, lister, zone, is_stopping), ping=HEARTBEAT_SECONDS)

    return app


async def _changes(
    request: Request, lister: Lister, zone: ZoneInfo, is_stopping: Callable[[], bool]
) -> AsyncIterator[ServerSentEvent]:
    """Say each new version of the list, and at least every two seconds that we are there."""
    told, quiet_seconds = -1, 0.0
    while not is_stopping() and not await request.is_disconnected():
        try:
            version = await asyncio.to_thread(lister.version)
        except RetryableError:
            return  # the page sees the stream end and says so
        if version != told or quiet_seconds >= HEARTBEAT_SECONDS:
            at = _local(lister.clock.now(), zone, "%H:%M:%S")
            values = {"version": version, "changed": version != told, "at": at}
            yield ServerSentEvent(event="order", data=json.dumps(values))
            told, quiet_seconds = version, 0.0
        await asyncio.sleep(LOOK_EVERY_SECONDS)
        quiet_seconds += LOOK_EVERY_SECONDS


def _person(name: str) -> str:
    """Return a person name (VR PN, PS3.5 6.2.1.1) for people: family name, then the rest; its first group with text."""
    group = next((group for group in name.split("=") if group.strip("^ ")), "")
    family, *others = [part.strip() for part in group.split("^")]
    given = " ".join(part for part in others if part)
    return f"{family}, {given}" if family and given else family or given


def _day(date: str) -> str:
    """Return a date (VR DA, PS3.5 6.2) with its parts apart; anything else as it is."""
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 and date.isdecimal() else date


def _wait(minutes: int) -> str:
    """Return a waiting time that is short to read."""
    hours, rest = divmod(minutes, 60)
    return f"{hours // 24} d {hours % 24} h" if hours >= 24 else f"{hours} h {rest} min" if hours else f"{rest} min"


def _local(at: datetime, zone: ZoneInfo, pattern: str) -> str:
    return at.astimezone(zone).strftime(pattern)
