"""Where operators' acts are done: a command's hold on database, archive and settings, without any service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from voorrang.archive import Archive
from voorrang.clock import Clock, SystemClock
from voorrang.database import Database
from voorrang.identifiers import SiteKeys
from voorrang.migrating import require_current
from voorrang.pathways.loading import load_pathways
from voorrang.pathways.pathway import Pathway
from voorrang.settings import Settings
from voorrang.site_secret import load_site_keys


@dataclass(frozen=True, slots=True)
class Desk:
    """What an act works with; no broker: the relay of the running service publishes what is in the outbox."""

    database: Database
    archive: Archive
    keys: SiteKeys
    clock: Clock
    settings: Settings
    pathways: Mapping[str, Pathway]


@contextmanager
def open_desk(settings: Settings) -> Iterator[Desk]:
    """
    Open what acts work with, and let go of it at the end.

    Raises
    ------
    ConfigurationError
        When the database is not at this version's schema, the secret or a pathway cannot be read, or the archive cannot
        be written.
    """
    pathways = load_pathways(settings.pathways_dir)
    keys = load_site_keys(settings.secret_file)
    database = Database(settings.url())
    try:
        require_current(database)
        archive = Archive(settings.archive_dir, settings.disk_reserve_bytes)
        archive.prepare()
        yield Desk(database, archive, keys, SystemClock(), settings, pathways)
    finally:
        database.close()
