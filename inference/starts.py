"""
How often reading was begun: what takes the whole worker down with it must end as failed, not come again for ever.

Models run in a child, so hardly anything can do that; the kernel of a container that kills the whole group when memory
runs out can. One start counts for each worker process that began and did not end in order.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, select, update

from inference.tables import start
from voorrang.outbox import insert_once


def begin(connection: Connection, event_id: str, worker: str) -> int:
    """
    Write that a worker begins to read.

    Parameters
    ----------
    connection
        A writing transaction.
    event_id
        The event that asks for it.
    worker
        Which worker process; the same one beginning again is no new start.

    Returns
    -------
    int
        How many workers have begun, this one included.
    """
    if insert_once(connection, start, {"event_id": event_id, "worker": worker, "starts": 1}):
        return 1
    row = connection.execute(select(start).where(start.c.event_id == event_id)).one()
    if row.worker == worker:
        return int(row.starts)
    changed = {"worker": worker, "starts": row.starts + 1}
    connection.execute(update(start).where(start.c.event_id == event_id).values(**changed))
    return int(row.starts) + 1


def take_back(connection: Connection, event_id: str, worker: str) -> None:
    """Write that a worker left off in order, to be stopped: that start does not count."""
    mine = (start.c.event_id == event_id) & (start.c.worker == worker)
    connection.execute(update(start).where(mine).values(starts=start.c.starts - 1))


def forget(connection: Connection, event_id: str) -> None:
    """Forget the starts of an event that is answered."""
    connection.execute(delete(start).where(start.c.event_id == event_id))
