"""The listener's process: `python -m ingest.listening CONFIGURATION`; `voorrang ingest listen` starts it so."""

from __future__ import annotations

import mmap
import signal
import sys
from collections.abc import Callable
from threading import Event as Flag
from threading import Thread, stack_size
from typing import NamedTuple

from ingest.boots import current_boot, is_restored, tell_restored
from ingest.ledger import LedgerWriter
from ingest.listening.alone import only_listener
from ingest.listening.configuration import ListenerConfiguration
from ingest.listening.foreign import tell_of_foreign
from ingest.listening.journaling import Journal
from ingest.listening.places import REGION_BYTES, Places
from ingest.listening.receiving import Receiver
from ingest.listening.recent_bytes import TABLE_BYTES, RecentBytes
from ingest.listening.right_of_way import SLOT_BYTES, RightOfWay
from ingest.listening.server import THREAD_STACK_BYTES, Listening, Server, listening_sockets
from ingest.listening.workers import Workers, worker_count
from ingest.tally import Tally, tally_path
from voorrang.archive.archive import Archive
from voorrang.archive.durable import ArchiveFullError
from voorrang.archive.instance_files import InstanceFiles
from voorrang.archive.own_names import numbered_folders
from voorrang.archive.spare_files import SpareFiles
from voorrang.archive.write_ahead_log import BLOCK, MAX_SEGMENTS, WriteAheadLog
from voorrang.clock import SystemClock
from voorrang.errors import ConfigurationError
from voorrang.logs import configure_logging, get_logger
from voorrang.readiness import tell_ready
from voorrang.site_secret import load_site_keys

FILL_EVERY_SECONDS = 0.25


class Shared(NamedTuple):
    """What the processes tell each other, in memory."""

    places: Places
    right_of_way: RightOfWay
    recent_bytes: RecentBytes


def main(told: ListenerConfiguration) -> int:
    """Listen until told to stop; return the exit code."""
    configure_logging("ingest-listener", told.log_level)
    stop = _stop_on_signal()
    archive = Archive(told.archive_dir, told.reserve_bytes)
    archive.prepare()
    load_site_keys(told.secret_file)
    with only_listener(told.archive_dir):
        archive.drop_parts()
        count = worker_count()
        tell_of_foreign(told.archive_dir)
        if told.is_durable:
            _recover_left_over(told, archive, count)
        else:
            _require_nothing_to_recover(archive)
        sockets = listening_sockets(told)
        of_places, of_ways, of_bytes = (mmap.mmap(-1, count * size) for size in (REGION_BYTES, SLOT_BYTES, TABLE_BYTES))

        def work(number: int, on_ready: Callable[[], None]) -> int:
            shared = Shared(Places(of_places, number), RightOfWay(of_ways, number), RecentBytes(of_bytes, number))
            return serve(told, sockets, shared, number, on_ready)

        workers = Workers(count, work, lambda _, pid: archive.drop_parts(f"{pid}-"))
        if workers.start(stop):
            _tell_restored(told, archive)
            workers.let_go_on()
            tell_ready()
            get_logger().info("ready", processes=count)
            workers.keep(stop)
        workers.end()
        get_logger().info("stopped")
        return 0 if stop.is_set() else 1


def serve(
    told: ListenerConfiguration,
    sockets: Listening,
    shared: Shared,
    number: int,
    on_ready: Callable[[], None],
) -> int:
    """Be one of the processes: recover, listen, and end in order."""
    stop = _stop_on_signal()
    stack_size(THREAD_STACK_BYTES)
    archive = Archive(told.archive_dir, told.reserve_bytes)
    journal = open_journal(told, archive, number)
    tally = Tally(tally_path(told.archive_dir, number))
    tally.begin()
    spare = SpareFiles(told.archive_dir / "spare" / str(number))
    receiver = Receiver(told, archive, journal, tally, SystemClock(), load_site_keys(told.secret_file), spare)
    server = Server(told, receiver, *shared, sockets)
    on_ready()  # nobody is heard before every process has recovered: who sends again meets what was answered before
    server.open()
    beside = [
        Thread(target=journal.keep_checkpointing, args=(stop,), name="checkpoint"),
        Thread(target=_keep_filling, args=(spare, stop), name="spare files"),
    ]
    for thread in beside:
        thread.start()
    stop.wait()
    server.close()
    journal.wake()
    for thread in beside:
        thread.join()
    journal.close()
    return 0


def _keep_filling(spare: SpareFiles, stop: Flag) -> None:
    while not stop.wait(FILL_EVERY_SECONDS):
        try:
            spare.fill(stop)
        except OSError as error:  # instances make their files themselves, and are refused when they cannot
            get_logger().debug("no spare files", reason=type(error).__name__)


def open_journal(told: ListenerConfiguration, archive: Archive, number: int = 0) -> Journal:
    """
    Open ledger and write-ahead log of one process, recovered.

    Raises
    ------
    ConfigurationError
        When the disk does not let us.
    """
    folder = told.archive_dir / "write-ahead" / str(number)
    segment_bytes = told.log_bytes // MAX_SEGMENTS // BLOCK * BLOCK
    log = WriteAheadLog(folder, segment_bytes) if told.is_durable else None
    journal = Journal(LedgerWriter(told.archive_dir / "ledger" / str(number)), log, InstanceFiles(archive))
    try:
        journal.recover()
    except ArchiveFullError as error:
        raise ConfigurationError(f"the archive cannot be recovered: {error}; free some room") from error
    return journal


def _recover_left_over(told: ListenerConfiguration, archive: Archive, count: int) -> None:
    """Recover what processes left that are no more: there were more processors, or another machine had this disk."""
    for folder in numbered_folders(told.archive_dir / "write-ahead"):
        if int(folder.name) >= count:
            open_journal(told, archive, int(folder.name)).close()


def _require_nothing_to_recover(archive: Archive) -> None:
    """Let benchmarks begin only where every instance that was answered Success is on disk: they read no log."""
    logs = [WriteAheadLog(folder) for folder in numbered_folders(archive.root / "write-ahead")]
    if is_restored(archive, current_boot()) and not any(next(log.records(), None) for log in logs):
        return
    raise ConfigurationError(
        "--volatile is for benchmarks, and the write-ahead log of this archive holds images that were answered Success "
        "and may not be on its disk: start once without --volatile, or set VOORRANG_DATA_DIR to a folder of its own"
    )


def _tell_restored(told: ListenerConfiguration, archive: Archive) -> None:
    """Tell who assembles that no file is torn any more: every process has recovered."""
    try:
        if told.is_durable:
            tell_restored(archive, current_boot())
    except OSError as error:
        raise ConfigurationError(f"{archive.root}: {error.strerror}; free some room") from error


def _stop_on_signal() -> Flag:
    stop = Flag()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


if __name__ == "__main__":
    try:
        sys.exit(main(ListenerConfiguration.from_json(sys.argv[1])))
    except ConfigurationError as problem:
        sys.stderr.write(f"voorrang: {problem}\n")
        sys.exit(1)
