"""A service's runtime without a broker: what it announces stays in its outbox."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from voorrang.archive import Archive
from voorrang.bus import LogState, Message, Partition, Place
from voorrang.clock import SystemClock
from voorrang.database import Database
from voorrang.migrating import migrate
from voorrang.pathways.loading import load_pathways
from voorrang.purpose import Purpose
from voorrang.relaying import Relay
from voorrang.runtime import Runtime
from voorrang.settings import Settings
from voorrang.site_secret import load_site_keys, make_secret
from voorrang.topics import Topic


class NoBroker:
    """Stands where a producer and an admin would; nothing is ever asked of it."""

    def send(self, messages: Sequence[Message]) -> list[Place]:
        """Refuse."""
        self._refuse(len(messages))

    def create_topics(self, topics: Sequence[Topic]) -> None:
        """Refuse."""
        self._refuse(len(topics))

    def log_states(self, topics: Sequence[str]) -> dict[Partition, LogState]:
        """Refuse."""
        self._refuse(len(topics))

    def committed(self, group: str) -> dict[Partition, int]:
        """Refuse."""
        self._refuse(len(group))

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def _refuse(self, _: int) -> NoReturn:
        raise RuntimeError("there is no broker here")


def runtime_without_broker(service: str, folder: Path) -> Runtime:
    """
    Make a runtime of which nothing runs by itself.

    Parameters
    ----------
    service
        Which.
    folder
        Its data folder; a database is made in it.
    """
    settings = Settings(data_dir=folder, purpose=Purpose.DEMO, site="bench", disk_reserve_bytes=0)
    database = Database(settings.url())
    migrate(database)
    make_secret(settings.secret_file)
    broker, clock = NoBroker(), SystemClock()
    return Runtime(
        service=service,
        settings=settings,
        database=database,
        keys=load_site_keys(settings.secret_file),
        pathways=load_pathways(None),
        archive=Archive(settings.archive_dir),
        clock=clock,
        admin=broker,
        producer=broker,
        relay=Relay(service, database, broker, broker, clock),
        new_consumer=lambda name: broker._refuse(len(name)),
    )
