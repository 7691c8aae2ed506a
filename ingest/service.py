"""Wires ingest: the listener and the process that assembles what it accepted."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from threading import Event as Flag

from ingest import store
from ingest.accounting import Accountant
from ingest.answering import on_findings_scored
from ingest.assembling import Assembler
from ingest.deleting import finish_removals
from ingest.desk import Desk
from ingest.hashing import Hasher
from ingest.intake import IntakeWorker
from ingest.listening.alone import only_listener
from ingest.orders.service import serve_orders
from ingest.recovery import recover
from ingest.retaining import RETAIN_EVERY_SECONDS, retention_of
from ingest.telling import listener_configuration
from ingest.torn import TornFiles, current_boot, is_settled
from voorrang.archive import Archive, ArchiveFullError
from voorrang.database import Database
from voorrang.errors import ConfigurationError, RetryableError
from voorrang.logs import configure_logging, get_logger
from voorrang.migrating import require_current
from voorrang.readiness import tell_ready
from voorrang.runtime import Runtime, start
from voorrang.settings import Settings
from voorrang.stack.local import ingest_children
from voorrang.stack.supervising import Supervisor

ASSEMBLE_EVERY_SECONDS = 0.25
ACCOUNT_EVERY_SECONDS = 5.0
FETCH_WAIT_MS = 500  # it only notes what was answered; to ask often costs a tenth of a processor
DATABASE_SECONDS = 3  # within which a database answers, or is not asked
NICENESS = 10  # whoever sends waits for the listener; for this process nobody does


def serve(settings: Settings) -> int:
    """Run the listener and the assembling process, each its own, until told to stop; return the exit code."""
    configure_logging("ingest", settings.log_level)
    stop = Flag()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    supervisor = Supervisor([ingest_children()], stop)
    if supervisor.start():
        tell_ready()
        supervisor.run()
    return 0


def listen(settings: Settings, *, is_durable: bool = True) -> int:
    """Become the listener: a fresh interpreter in this very process, which has loaded none of what it does not need."""
    told = listener_configuration(settings, is_durable=is_durable)
    if is_durable:
        _set_aside_torn(settings)
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "ingest.listening", told.to_json()])  # noqa: S606 - ourselves


def assemble(settings: Settings) -> int:
    """Give what was accepted its rows, and announce what is complete, until told to stop; return the exit code."""
    runtime = start("ingest", settings, settings.ingest_metrics_port, FETCH_WAIT_MS)
    os.nice(NICENESS)
    desk = Desk(runtime.database, runtime.archive, runtime.keys, runtime.clock, settings, runtime.pathways)
    _finish_removals(desk)
    began_at = runtime.clock.now()
    intake = IntakeWorker(runtime, settings.archive_dir / "ledger")
    accountant = Accountant(runtime, intake, settings.archive_dir)
    hasher = Hasher(runtime, intake.is_quiet)
    runtime.consume({"findings-scored": partial(on_findings_scored, runtime)})
    serve_orders(runtime)
    runtime.work("intake", intake.run)
    runtime.work("hashing", hasher.run)
    runtime.work("recovery", partial(_recover, runtime, intake, accountant, began_at))
    assembling = _Assembling(intake, Assembler(runtime, hasher.finish_series))
    runtime.every(ASSEMBLE_EVERY_SECONDS, "assembling", assembling.step)
    runtime.every(ACCOUNT_EVERY_SECONDS, "accounting", accountant.step)
    runtime.every(RETAIN_EVERY_SECONDS, "retention", retention_of(desk).step)
    return runtime.run()


def _set_aside_torn(settings: Settings) -> None:
    """Set aside what a crash of the machine may have torn, before anybody can send it again."""
    archive = Archive(settings.archive_dir)
    torn = TornFiles(archive, current_boot(), settings.max_associations, partial(_with_a_row, settings))
    if torn.was_set_aside:
        return
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


@dataclass(slots=True)
class _Assembling:
    """Judges series only while the ledger is taken in: with a backlog a series that grows would look quiet."""

    intake: IntakeWorker
    assembler: Assembler

    def step(self) -> None:
        if not self.intake.is_behind:
            self.assembler.step()


def _finish_removals(desk: Desk) -> None:
    """Remove what retention had decided on before a kill, lest recovery takes it for something new."""
    try:
        finish_removals(desk)
    except RetryableError as error:
        get_logger().warning("removals wait", reason=str(error))


def _recover(runtime: Runtime, intake: IntakeWorker, accountant: Accountant, began_at: datetime) -> None:
    # First a moment: a file has its name shortly before the ledger speaks of it, and is then no stray. After a crash of
    # the machine the listener sets aside what may be torn: that is to get no row.
    boot = current_boot()
    while not runtime.stop.wait(1.0) and (intake.has_unread() or not is_settled(runtime.archive, boot)):
        pass
    if recover(runtime, intake, began_at):
        accountant.begin_anew()
