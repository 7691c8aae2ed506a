"""The listener's process: `python -m ingest.listening CONFIGURATION`; `voorrang ingest listen` starts it so."""

from __future__ import annotations

import fcntl
import signal
import sys
from threading import Event as Flag
from threading import Thread, stack_size

from ingest.ledger import LedgerWriter
from ingest.listening.configuration import ListenerConfiguration
from ingest.listening.journaling import Journal
from ingest.listening.receiving import Receiver
from ingest.listening.server import THREAD_STACK_BYTES, Server
from ingest.tally import Tally
from voorrang.archive.archive import Archive
from voorrang.archive.durable import ArchiveFullError
from voorrang.archive.instance_files import InstanceFiles
from voorrang.archive.write_ahead_log import WriteAheadLog
from voorrang.clock import SystemClock
from voorrang.errors import ConfigurationError
from voorrang.logs import configure_logging, get_logger
from voorrang.readiness import tell_ready
from voorrang.site_secret import load_site_keys


def main(told: ListenerConfiguration) -> int:
    """Listen until told to stop; return the exit code."""
    configure_logging("ingest-listener", told.log_level)
    stop = Flag()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stack_size(THREAD_STACK_BYTES)
    archive = Archive(told.archive_dir, told.reserve_bytes)
    with (told.archive_dir / "listener.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError("another listener writes this archive: stop it first") from error
        archive.drop_parts()
        return listen(told, archive, stop)


def listen(told: ListenerConfiguration, archive: Archive, stop: Flag) -> int:
    """Recover, listen, and end in order."""
    journal = open_journal(told, archive)
    tally = Tally(told.archive_dir / "listener.tally")
    tally.begin()
    receiver = Receiver(told, archive, journal, tally, SystemClock(), load_site_keys(told.secret_file))
    server = Server(told, receiver)
    server.open()
    checkpointing = Thread(target=journal.keep_checkpointing, args=(stop,), name="checkpoint")
    checkpointing.start()
    tell_ready()
    get_logger().info("ready")
    stop.wait()
    server.close()
    checkpointing.join()
    journal.close()
    get_logger().info("stopped")
    return 0


def open_journal(told: ListenerConfiguration, archive: Archive) -> Journal:
    """
    Open ledger and write-ahead log, recovered.

    Raises
    ------
    ConfigurationError
        When the disk does not let us.
    """
    log = WriteAheadLog(told.archive_dir / "write-ahead") if told.is_durable else None
    journal = Journal(LedgerWriter(told.archive_dir / "ledger"), log, InstanceFiles(archive))
    try:
        journal.recover()
    except ArchiveFullError as error:
        raise ConfigurationError(f"the archive cannot be recovered: {error}; free some room") from error
    return journal


if __name__ == "__main__":
    try:
        sys.exit(main(ListenerConfiguration.from_json(sys.argv[1])))
    except ConfigurationError as problem:
        sys.stderr.write(f"voorrang: {problem}\n")
        sys.exit(1)
