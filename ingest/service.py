"""Wires ingest: the listener and the process that assembles what it accepted."""

from __future__ import annotations

import gc
import signal
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from threading import Event as Flag

from ingest.accounting import Accountant
from ingest.answering import on_findings_scored
from ingest.assembling import Assembler
from ingest.boots import current_boot, is_restored, is_settled
from ingest.desk import Desk
from ingest.hashing import Hasher
from ingest.intake import IntakeWorker
from ingest.orders.service import serve_orders
from ingest.recovery import recover
from ingest.removing import finish_removals
from ingest.retaining import RETAIN_EVERY_SECONDS, retention_of
from ingest.standing_back import stand_back
from voorrang.errors import RetryableError
from voorrang.logs import configure_logging, get_logger
from voorrang.metrics import TASK_ROUNDS
from voorrang.readiness import tell_ready
from voorrang.runtime import Runtime, start
from voorrang.settings import Settings
from voorrang.stack.local import ingest_children
from voorrang.stack.supervising import Supervisor

ACCOUNTING = "accounting"
ASSEMBLE_EVERY_SECONDS = 0.25
ACCOUNT_EVERY_SECONDS = 5.0
RESTORED_EVERY_SECONDS = 0.25
FETCH_WAIT_MS = 500  # it only notes what was answered; to ask often costs a tenth of a processor


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


def assemble(settings: Settings) -> int:
    """Give what was accepted its rows, and announce what is complete, until told to stop; return the exit code."""
    runtime = start("ingest", settings, settings.ingest_metrics_port, FETCH_WAIT_MS)
    runtime.archive.prepare()
    stand_back()
    desk = Desk(runtime.database, runtime.archive, runtime.keys, runtime.clock, settings, runtime.pathways)
    began_at = runtime.clock.now()
    intake = IntakeWorker(runtime, settings.archive_dir / "ledger")
    accountant = Accountant(runtime, intake, settings.archive_dir)
    hasher = Hasher(runtime, intake.is_quiet)
    runtime.consume({"findings-scored": partial(on_findings_scored, runtime)})
    serve_orders(runtime)
    TASK_ROUNDS.labels(runtime.service, ACCOUNTING)  # an alert sees that nothing is counted while ingest waits here
    _await_restored(runtime)
    _finish_removals(desk)
    runtime.work("intake", intake.run)
    runtime.work("hashing", hasher.run)
    runtime.work("recovery", partial(_recover, runtime, intake, accountant, began_at))
    assembling = _Assembling(intake, Assembler(runtime, hasher.finish_series))
    runtime.every(ASSEMBLE_EVERY_SECONDS, "assembling", assembling.step)
    runtime.every(ACCOUNT_EVERY_SECONDS, ACCOUNTING, accountant.step)
    runtime.every(RETAIN_EVERY_SECONDS, "retention", retention_of(desk).step)
    gc.collect()
    gc.freeze()  # what was loaded until here stays: to look through it took 0.1 s of a processor now and then
    return runtime.run()


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


def _await_restored(runtime: Runtime) -> None:
    """Wait for the listener after a crash of the machine: identities, hashes and rows are made of what files hold."""
    boot = current_boot()
    if not is_restored(runtime.archive, boot):
        get_logger().warning("waits until the listener has brought back what a crash of the machine took")
    while not is_restored(runtime.archive, boot) and not runtime.stop.wait(RESTORED_EVERY_SECONDS):
        pass


def _recover(runtime: Runtime, intake: IntakeWorker, accountant: Accountant, began_at: datetime) -> None:
    # First a moment: a file has its name shortly before the ledger speaks of it, and is then no stray. After a crash of
    # the machine the listener sets aside what may be torn and nobody was answered for: that is to get no row.
    boot = current_boot()
    while not runtime.stop.wait(1.0):
        try:
            if intake.has_unread() or not is_settled(runtime.archive, boot):
                continue
            if recover(runtime, intake, began_at):
                accountant.begin_anew()
            return
        except RetryableError as error:
            accountant.begin_anew()  # some may have got their rows
            get_logger().warning("recovery waits", reason=str(error))
