"""
Writes down what was accepted: durably before the answer, and in the ledger for the process that gives it rows.

After a crash of the machine the write-ahead log brings back what the disk had not got yet: files and ledger entries.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from threading import Event as Flag
from threading import Lock
from time import monotonic
from typing import Any

from ingest.ledger import LedgerWriter, encode_entry, segments
from ingest.listening.incoming import Incoming
from voorrang.archive.durable import ArchiveFullError, file_time_ns, refusing_when_full, sync_file_system
from voorrang.archive.instance_files import InstanceFiles, Stored
from voorrang.archive.write_ahead_log import WriteAheadLog
from voorrang.logs import get_logger

MAX_LEDGER_SEGMENTS = 16  # some 400,000 instances that nobody has given a row yet
CHECKPOINT_SECONDS = 10.0
LOOK_EVERY_SECONDS = 1.0


@dataclass(slots=True)
class Journal:
    """
    Ledger and write-ahead log as one; both lie on the disk of the archive.

    Parameters
    ----------
    ledger
        For the process that gives rows.
    log
        None answers before bytes are durable: for benchmarks only.
    files
        Syncs instances.
    """

    ledger: LedgerWriter
    log: WriteAheadLog | None
    files: InstanceFiles
    max_ledger_segments: int = MAX_LEDGER_SEGMENTS
    _has_room: bool = True
    _look_again_at: float = 0.0
    _checkpointed: int = 0
    _disk: int = -1
    _has_failed: bool = False
    _checkpointing: Lock = field(default_factory=Lock)

    def recover(self) -> int:
        """
        Bring back files and entries that a crash took; return how many entries. Called once, before the rest.

        Raises
        ------
        ArchiveFullError
            When the disk refuses.
        """
        with refusing_when_full():
            return self._recover()

    def _recover(self) -> int:
        self.ledger.open()
        if self.log is None:
            return 0
        self._disk = os.open(self.ledger.folder, os.O_RDONLY)  # held from here on, lest an error is told to others only
        restored: list[str] = []
        for record in self.log.records():  # one at a time: all their bytes together are no small memory
            entry = json.loads(record.meta)
            if record.payload:
                self.files.restore(entry["locator"], record.payload)
            restored.append(entry["locator"])
            # A duplicate of an entry that the ledger has already changes nothing for whoever reads it.
            self.ledger.append(record.meta, counts=False)
        self.files.sync(restored)
        self.ledger.sync()
        self.log.open()
        if restored:
            get_logger().warning("recovered from the write-ahead log", count=len(restored))
        return len(restored)

    def has_room(self) -> bool:
        """Tell whether the ledger takes more: not when nobody has read it for long."""
        if monotonic() >= self._look_again_at:
            self.look_again()
        return self._has_room

    def look_again(self) -> None:
        """Look how much of the ledger is there."""
        self._has_room = len(segments(self.ledger.folder)) <= self.max_ledger_segments
        self._look_again_at = monotonic() + LOOK_EVERY_SECONDS

    def record(self, entry: bytes, stored: Stored, incoming: Incoming) -> None:
        """
        Write down an accepted instance; when this returns, it may be answered Success.

        Raises
        ------
        ArchiveFullError
            When that is not possible: it must not be.
        """
        counts = stored.outcome != "duplicate"
        if self.log is None:
            self.ledger.append(entry, counts)
            return
        if not counts:
            self.files.sync([stored.locator])  # whoever sent it first may still wait for the disk
        with_bytes = counts and incoming.is_in_memory
        payload = (incoming.buffer, stored.size_bytes, incoming.digest()) if with_bytes else (None, 0, None)
        serial = self.log.append(entry, incoming.record_head, *payload)
        try:
            self.ledger.append(entry, counts)
        finally:
            self.log.settle(serial)

    def note(self, entry: dict[str, Any]) -> None:
        """Write down something else than an accepted instance."""
        self.ledger.append(encode_entry(entry), counts=False)

    def checkpoint(self) -> None:
        """
        Make durable what the log has carried so far, so that its room may be used again.

        Raises
        ------
        ArchiveFullError
            When the disk refuses: the log keeps what it has. When it did before, too: a sync that follows one that
            failed succeeds, without what the kernel has dropped by then.
        """
        if self.log is None:
            return
        with self._checkpointing:
            if self._has_failed:
                raise ArchiveFullError("what the disk has refused to sync is in the write-ahead log alone")
            reached = self.log.reached()
            since_ns = file_time_ns()  # after that: what was answered later is in the log still
            if reached > self._checkpointed:
                with refusing_when_full():
                    self._sync()
                    self.log.checkpoint(reached, since_ns)
                self._checkpointed = reached

    def _sync(self) -> None:
        try:
            sync_file_system(self._disk)
        except OSError:
            self._has_failed = True
            raise

    def keep_checkpointing(self, stop: Flag) -> None:
        """
        Checkpoint again and again until told to stop, and once more then.

        A sync that fails ends the process: the next one brings back from the log what the disk may have lost.
        """
        if self.log is None:
            return
        due = monotonic() + CHECKPOINT_SECONDS
        while True:
            is_pressed = self.log.pressed.wait(CHECKPOINT_SECONDS)
            self.log.pressed.clear()
            is_last = stop.is_set()
            try:
                if is_pressed or is_last or monotonic() >= due:
                    self.checkpoint()
                    due = monotonic() + CHECKPOINT_SECONDS
            except ArchiveFullError as error:
                get_logger().error("files cannot be synced", reason=str(error))
                if self._has_failed:
                    stop.set()
            if is_last or self._has_failed:
                return

    def wake(self) -> None:
        """Let the thread that checkpoints see that it is to stop."""
        if self.log is not None:
            self.log.pressed.set()

    def close(self) -> None:
        """Close both."""
        if self.log is not None:
            self.log.close()
        if self._disk >= 0:
            os.close(self._disk)
            self._disk = -1
        self.ledger.close()
