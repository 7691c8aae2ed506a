"""Schema changes by migration only: each service has its own alembic branch, beside its code."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from voorrang.database import Database
from voorrang.errors import ConfigurationError

BRANCHES = ("voorrang", "ingest", "inference", "worklist", "monitoring")


def migrate(database: Database) -> None:
    """Bring every branch to its head, in one transaction a branch."""
    config = _config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "heads")


def require_current(database: Database) -> None:
    """
    Check that the database is at the heads of this version.

    Raises
    ------
    ConfigurationError
        When it is behind, or ahead because a newer version has opened it.
    """
    script = ScriptDirectory.from_config(_config())
    with database.read() as connection:
        found = set(MigrationContext.configure(connection).get_current_heads())
    if found != set(script.get_heads()):
        raise ConfigurationError("the database is not at this version's schema: run `voorrang migrate`")


def _config() -> Config:
    config = Config()
    here = Path(str(resources.files("voorrang") / "migrations"))
    folders = [Path(str(resources.files(branch) / "migrations" / "versions")) for branch in BRANCHES]
    config.set_main_option("script_location", str(here))
    config.set_main_option("version_locations", "\n".join(str(folder) for folder in folders if folder.is_dir()))
    config.set_main_option("path_separator", "newline")
    return config
