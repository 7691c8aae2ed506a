"""The route of the proof of minutes."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Query

from voorrang.clock import Clock
from voorrang.database import Database
from worklist.minutes.report import USUAL_DAYS, Minutes, Report


def add_minutes_route(app: FastAPI, database: Database, clock: Clock, zone: ZoneInfo) -> None:
    """Add the route to an application."""
    minutes = Minutes(database, clock, zone)

    @app.get("/api/worklist/minutes")
    def saved_and_lost(days: Annotated[int, Query(ge=1, le=92)] = USUAL_DAYS) -> Report:
        """Return what the order of the list saved, and what it cost the others, in so many days until now."""
        return minutes.report(days=days)
