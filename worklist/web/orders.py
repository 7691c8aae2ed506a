"""Routes about orders and reports: what matches nothing yet, and what has left the list."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query

from voorrang.database import Database
from worklist.orders.waiting import SettledRow, Unmatched, settled_rows, unmatched


def add_order_routes(app: FastAPI, database: Database) -> None:
    """Add the routes to an application."""

    @app.get("/api/unmatched")
    def waiting() -> list[Unmatched]:
        """Return the orders without images, the reports without either, and what only a person can match."""
        with database.read() as connection:
            return unmatched(connection)

    @app.get("/api/settled")
    def settled(limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[SettledRow]:
        """Return what was reported or withdrawn last, the newest first."""
        with database.read() as connection:
            return settled_rows(connection, limit)
