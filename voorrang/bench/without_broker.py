"""A service's runtime without a broker: what it announces stays in its outbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from voorrang.archive import Archive
from voorrang.bus import LogState, Message, Partition, Place
from voorrang.clock import SystemClock
from voorrang.database import Database
from voorrang.migrating import migrate
from voorrang.pathways.loading import load_pathways
from voorrang.relaying import Relay
from voorrang.runtime import Runtime
from voorrang.settings import Settings
from voorrang.site_secret import load_site_keys, make_secret
from voorrang.topics import Topic

_NO_BROKER = "there is no broker here"


class NoBroker:
    """Stands where a producer and an admin would; nothing is ever asked of it."""

    def send(self, _: Sequence[Message]) -> list[Place]:
        """Refuse."""
        raise RuntimeError(_NO_BROKER)

    def create_topics(self, _: Sequence[Topic]) -> None:
        """Refuse."""
        raise RuntimeError(_NO_BROKER)

    def log_states(self, _: Sequence[str]) -> dict[Partition, LogState]:
        """Refuse."""
        raise RuntimeError(_NO_BROKER)

    def committed(self, _: str) -> dict[Partition, int]:
        """Refuse."""
        raise RuntimeError(_NO_BROKER)

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def consumer(self, _: str) -> NoReturn:
        """Refuse."""
        raise RuntimeError(_NO_BROKER)


def runtime_without_broker(service: str, settings: Settings) -> Runtime:
    """
    Make a runtime of which nothing runs by itself.

    Parameters
    ----------
    service
        Which.
    settings
        Its own; the tables are made in an empty database, and a site secret in the data folder.
    """
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
        archive=Archive(settings.archive_dir, settings.disk_reserve_bytes),
        clock=clock,
        admin=broker,
        producer=broker,
        relay=Relay(service, database, broker, broker, clock),
        new_consumer=broker.consumer,
    )
