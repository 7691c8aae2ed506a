"""Wires ingest."""

from __future__ import annotations

from functools import partial
from queue import Queue

from ingest import store
from ingest.accounting import Accountant
from ingest.answering import on_findings_scored
from ingest.assembling import Assembler
from ingest.intake import IntakeWorker
from ingest.listener import Listener
from ingest.receiving import Intake, Receiver
from ingest.recovery import recover
from voorrang.runtime import start
from voorrang.settings import Settings

INTAKE_SIZE = 5000
ASSEMBLE_EVERY_SECONDS = 0.25
ACCOUNT_EVERY_SECONDS = 5.0


def serve(settings: Settings) -> int:
    """Run ingest until it is told to stop; return the exit code."""
    runtime = start("ingest", settings, settings.ingest_metrics_port)
    queue: Intake = Queue(INTAKE_SIZE)
    intake = IntakeWorker(runtime, queue)
    recover(runtime, intake)
    with runtime.database.read() as connection:
        accountant = Accountant(runtime, intake, store.count_instances(connection))
    receiver = Receiver(runtime.archive, runtime.keys, runtime.clock, settings, queue)
    listener = Listener(settings, receiver)
    listener.open()
    runtime.consume({"findings-scored": partial(on_findings_scored, runtime)})
    runtime.work("intake", intake.run)
    runtime.every(ASSEMBLE_EVERY_SECONDS, "assembling", Assembler(runtime).step)
    runtime.every(ACCOUNT_EVERY_SECONDS, "accounting", accountant.step)
    return runtime.run(on_stop=listener.close)
