"""`voorrang doctor`: checks what must hold, and says what to do where it does not."""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from voorrang.database import Database
from voorrang.errors import ConfigurationError, RetryableError
from voorrang.migrating import require_current
from voorrang.observing import READY_PATH
from voorrang.pathways.loading import load_pathways
from voorrang.settings import Settings, load_settings
from voorrang.site_secret import load_site_keys
from voorrang.stack.local import VERBS, look_for_room
from voorrang.tables import outbox

CLOCK_TOLERANCE = timedelta(minutes=5)
ANSWER_SECONDS = 2.0
CONNECT_SECONDS = 3  # to a database
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here
FIRST_PROCESS = Path("/proc/1/cmdline")  # Linux; in a container of ours the service that it was started for


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, and what came of it."""

    name: str
    holds: bool
    text: str


def add_parser(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser("doctor", help="check settings, disk, database, broker, ports, models, clock")
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Check everything; exit 1 when something does not hold."""
    try:
        settings = load_settings()
    except ConfigurationError as error:
        sys.stdout.write(f"FAILS settings: {error}\n")
        return 1
    failed = 0
    for check in checks(settings):
        failed += not check.holds
        sys.stdout.write(f"{'ok   ' if check.holds else 'FAILS'} {check.name}: {check.text}\n")
    return 1 if failed else 0


def checks(settings: Settings) -> Iterator[Check]:
    """Look at one thing after the other."""
    yield Check("settings", True, f"purpose {settings.purpose.value}, site {settings.site}")
    tests: dict[str, Callable[[Settings], str]] = {
        "disk": _disk,
        "pathways": _pathways,
        "models": _models,
        "database": _database,
        "secret": _secret,
        "clock": _clock,
        "broker": _broker,
    }
    failed = set()
    for name, test in tests.items():
        if name == "clock" and "database" in failed:
            yield Check(name, True, "not looked at: what was written earlier is in the database")
            continue
        try:
            yield Check(name, True, test(settings))
        except (ConfigurationError, RetryableError) as error:
            failed.add(name)
            yield Check(name, False, str(error))
        except ModuleNotFoundError as error:
            yield Check(name, True, f"not looked at: {error.name} is not installed in this image")
    yield from service_checks(settings)


def _disk(settings: Settings) -> str:
    look_for_room(settings)
    folder = settings.data_dir.resolve()
    return f"room above the reserve for {folder}" + ("" if folder.is_dir() else ", which is not there yet")


def _pathways(settings: Settings) -> str:
    return ", ".join(load_pathways(settings.pathways_dir))


def _models(settings: Settings) -> str:
    from inference.service import load_models

    models = load_models(load_pathways(settings.pathways_dir), settings.bundles_dir)
    return ", ".join(f"{name} {model.version}" for name, model in models.items())


def _database(settings: Settings) -> str:
    with _opened(settings) as database:
        require_current(database)
        with database.read() as connection:
            waiting = select(func.count()).select_from(outbox).where(outbox.c.published_at.is_(None))
            return f"at this version's schema, {connection.execute(waiting).scalar_one()} events wait for the broker"


@contextmanager
def _opened(settings: Settings) -> Iterator[Database]:
    """Open the database that is there; what its driver says is told in one line, with where it was looked for."""
    url = settings.url()
    place = url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite":
        place = str(Path(url.database or "").resolve())
        if not Path(place).is_file():
            raise ConfigurationError(f"{place} is not there: `voorrang migrate` or `voorrang up` makes it")
    else:
        url = url.update_query_dict({"connect_timeout": str(CONNECT_SECONDS)})
    database = Database(url)
    try:
        yield database
    except (RetryableError, DBAPIError) as error:
        cause = error if isinstance(error, DBAPIError) else error.__cause__
        why = str(getattr(cause, "orig", error)).partition("\n")[0]
        raise ConfigurationError(f"{place}: {why}; start it, or set VOORRANG_DATABASE_URL") from error
    finally:
        database.close()


def _secret(settings: Settings) -> str:
    load_site_keys(settings.secret_file)
    if settings.secret_file.stat().st_mode & 0o077:
        raise ConfigurationError(f"{settings.secret_file} can be read by others: chmod 600 it")
    return "there, readable by its owner only"


def _clock(settings: Settings) -> str:
    with _opened(settings) as database, database.read() as connection:
        newest = connection.execute(select(func.max(outbox.c.created_at))).scalar_one()
    now = datetime.now(UTC)
    if newest is not None and newest.replace(tzinfo=UTC) > now + CLOCK_TOLERANCE:
        raise ConfigurationError("the clock is behind what was written earlier: check NTP before you start")
    return f"{now:%Y-%m-%d %H:%M:%S} UTC"


def _broker(settings: Settings) -> str:
    from voorrang.kafka_bus import KafkaAddress, KafkaBrokerAdmin  # slow to import, and needed here alone

    host, _, port = settings.bootstrap.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except (OSError, ValueError) as error:
        hint = "`voorrang up` starts the embedded one" if not settings.kafka_bootstrap else "start it"
        raise ConfigurationError(f"nothing answers at {settings.bootstrap}: {hint}") from error
    admin = KafkaBrokerAdmin(KafkaAddress(settings.bootstrap))
    topics = admin.log_ids({"series-completed-urgent", "findings-scored"})
    admin.close()
    return f"answers at {settings.bootstrap}" + ("" if len(topics) == 2 else "; topics are made at the first start")


def service_checks(settings: Settings) -> Iterator[Check]:
    """Ask each service whether it is ready, where it listens; in a container of ours there is but one."""
    here = _services_here()
    for service in VERBS:
        if service in here:
            yield _service(settings, service)
        else:
            yield Check(service, True, "not looked at: it does not run in this container")


def _services_here() -> Collection[str]:
    try:
        words = [Path(word).name for word in FIRST_PROCESS.read_text(errors="replace").split("\0")]
    except OSError:
        return VERBS
    if "voorrang" not in words[:-1]:
        return VERBS
    command = words[words.index("voorrang") + 1]
    return VERBS if command == "up" else VERBS.keys() & {command}


def _service(settings: Settings, service: str) -> Check:
    port = getattr(settings, f"{service}_metrics_port")
    connection = HTTPConnection(WILDCARDS.get(settings.bind_host, settings.bind_host), port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", READY_PATH)
        status = connection.getresponse().status
    except TimeoutError:
        hangs = f"hangs: no answer on port {port} within {ANSWER_SECONDS:g} s; see its log and restart it"
        return Check(service, False, hangs)
    except HTTPException:
        return Check(service, False, f"another program answers on port {port}: end it, or set another port")
    except OSError:
        return Check(service, False, f"does not run on port {port}: `voorrang up` starts it")
    finally:
        connection.close()
    return Check(
        service, status == 200, f"ready (port {port})" if status == 200 else "runs but is not ready: see its log"
    )
