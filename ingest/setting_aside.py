"""Sets aside what may be torn, before the listener listens; the database says what has a row, if it answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ingest import store
from ingest.listening.alone import only_listener
from ingest.torn import TornFiles
from voorrang.archive import Archive, ArchiveFullError
from voorrang.database import Database
from voorrang.errors import ConfigurationError, RetryableError
from voorrang.logs import configure_logging, get_logger
from voorrang.migrating import require_current
from voorrang.settings import Settings

DATABASE_SECONDS = 3  # within which a database answers, or is not asked


def set_aside_torn(settings: Settings, boot: str) -> None:
    """Set aside what a crash of the machine may have torn, before anybody can send it again."""
    archive = Archive(settings.archive_dir)
    archive.prepare()
    torn = TornFiles(archive, boot, settings.max_associations, partial(_with_a_row, settings))
    configure_logging("ingest-listener", settings.log_level)
    with only_listener(settings.archive_dir):
        try:
            torn.set_aside()
        except ArchiveFullError as error:  # what is sent again becomes a conflict, and nothing is lost
            get_logger().error("what may be torn stays where it is until the next start", reason=str(error))


def _with_a_row(settings: Settings, locators: Sequence[str]) -> set[str]:
    """Return which locators have a row; none while no database answers, which must not keep the listener waiting."""
    url = settings.url()
    if url.get_backend_name() == "postgresql":
        url = url.update_query_dict({"connect_timeout": str(DATABASE_SECONDS)})
    database = Database(url)
    try:
        require_current(database)
        with database.read() as connection:
            return store.known_locators(connection, locators)
    except (RetryableError, ConfigurationError) as error:
        get_logger().warning("no database tells what has a row", reason=str(error))
        return set()
    finally:
        database.close()
