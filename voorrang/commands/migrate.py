"""`voorrang migrate`: makes the site's secret once and brings the database to this version's schema."""

from __future__ import annotations

import argparse
from typing import Any

from voorrang.database import Database
from voorrang.migrating import migrate
from voorrang.runtime import hold_site, site_is_known
from voorrang.settings import Settings, load_settings
from voorrang.site_secret import load_site_keys, make_secret


def add_parser(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser("migrate", help="prepare the data folder and bring the database up to date")
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Prepare what every service needs before it starts."""
    prepare(load_settings())
    return 0


def prepare(settings: Settings) -> None:
    """
    Migrate the database; make the secret when the database is new.

    Raises
    ------
    ConfigurationError
        When the database belongs to another secret or purpose.
    """
    database = Database(settings.url())
    migrate(database)
    with database.read() as connection:
        is_new = not site_is_known(connection)
    if is_new:
        make_secret(settings.secret_file)
    with database.write() as connection:
        hold_site(connection, load_site_keys(settings.secret_file), settings)
    database.close()
