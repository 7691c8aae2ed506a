"""A machine that crashes: what was not synced is gone, and the write-ahead log is there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import Dataset
from sqlalchemy import select

from ingest.admission import StoreStatus
from ingest.ledger import LedgerWriter
from ingest.listening.receiving import Receiver
from ingest.tables import instance
from ingest.tally import Tally, tally_path
from ingest.telling import listener_configuration
from tests.integration.closing import AbandonedJournal
from tests.integration.listening import Station, data_set_of, encoded
from voorrang.archive import Archive
from voorrang.archive.instance_files import InstanceFiles
from voorrang.archive.write_ahead_log import BLOCK, WriteAheadLog

SEGMENT = 32 * BLOCK
MAX_SEGMENTS = 12
NUMBER = "0"


class SyncedFiles(InstanceFiles):
    """Files of which a copy is kept as they were when they were last synced."""

    def __init__(self, archive: Archive, synced: Path) -> None:
        super().__init__(archive)
        self._root = archive.root
        self._synced = synced

    def sync(self, locators: Iterable[str]) -> None:
        """Sync, and keep what is durable from here on."""
        synced = list(locators)
        super().sync(synced)
        for locator in synced:
            keep(self._root / locator, self._synced / locator)


class SyncedLedger(LedgerWriter):
    """A ledger of which a copy is kept as it was when it was last synced."""

    def __init__(self, folder: Path, synced: Path) -> None:
        super().__init__(folder)
        self._synced = synced
        self.before_append: Callable[[], None] = lambda: None

    def append(self, entry: bytes, counts: bool) -> None:
        """Let something else happen first."""
        self.before_append()
        super().append(entry, counts)

    def sync(self) -> None:
        """Sync, and keep what is durable from here on."""
        super().sync()
        for path in self.folder.iterdir():
            keep(path, self._synced / path.name)


@dataclass
class Machine:
    """A listener that answers durably, on a machine that may crash."""

    station: Station
    synced: Path
    segment_bytes: int
    answered: list[Dataset] = field(default_factory=list)
    receiver: Receiver = field(init=False)

    def __post_init__(self) -> None:
        """Start the listener."""
        self.start()

    @property
    def archive(self) -> Archive:
        """What it writes."""
        return self.station.runtime.archive

    @property
    def ledger(self) -> Path:
        """The folder of its ledger."""
        return self.archive.root / "ledger" / NUMBER

    @property
    def write_ahead(self) -> Path:
        """The folder of its log."""
        return self.archive.root / "write-ahead" / NUMBER

    def start(self) -> int:
        """Start a listener as its process does, and return how many entries it recovered."""
        files = SyncedFiles(self.archive, self.synced)
        log = WriteAheadLog(self.write_ahead, self.segment_bytes, MAX_SEGMENTS)
        journal = AbandonedJournal(SyncedLedger(self.ledger, self.synced / "ledger" / NUMBER), log, files)
        recovered = journal.recover()
        tally = Tally(tally_path(self.archive.root, 0))
        tally.begin()
        told = listener_configuration(self.station.runtime.settings)
        runtime = self.station.runtime
        self.receiver = Receiver(told, self.archive, journal, tally, self.station.clock, runtime.keys)
        self.receiver.files = files
        self.station.receiver = self.receiver
        return recovered

    def receive(self, *instances: Dataset) -> None:
        """Receive instances, each answered Success."""
        assert self.station.receive(*instances) == [StoreStatus.SUCCESS] * len(instances)
        self.answered += instances

    def checkpoint(self) -> None:
        """Checkpoint; what is there when that begins is durable when it ends."""
        for name in ("studies", "ledger"):
            for path in (self.archive.root / name).rglob("*"):
                if path.is_file():
                    keep(path, self.synced / path.relative_to(self.archive.root))
        self.receiver.journal.checkpoint()

    def power_off(self) -> None:
        """Go down: what was never synced is not there any more, but for the names of the segments of the ledger."""
        self.receiver.journal.close()
        segments = [path.name for path in self.ledger.iterdir()]
        for name in ("studies", "ledger", "incoming"):
            shutil.rmtree(self.archive.root / name, ignore_errors=True)
            if (self.synced / name).is_dir():
                shutil.copytree(self.synced / name, self.archive.root / name)
        self.ledger.mkdir(parents=True, exist_ok=True)
        for name in segments:
            (self.ledger / name).touch()
        fresh = Archive(self.archive.root)  # a process that has made no folders yet
        self.station.runtime.archive = fresh
        fresh.incoming.mkdir(exist_ok=True)

    def rows(self) -> list[str]:
        """Return the UIDs of the instances that have a row, once all is taken in."""
        self.station.take_in()
        return sorted(row.sop_instance_uid for row in self.station.rows(select(instance.c.sop_instance_uid)))

    def holds(self, *instances: Dataset) -> None:
        """Hold that these instances are on disk, byte by byte, each under its name, and nothing else."""
        found = {data_set_of(self.archive.read(locator)) for locator in self.archive.instances()}
        assert found == {encoded(one) for one in instances}
        assert len(list(self.archive.instances())) == len(found)

    def has_rows(self, *instances: Dataset) -> None:
        """Hold that each of these instances has a row, and no other."""
        assert self.rows() == sorted(str(one.SOPInstanceUID) for one in instances)


def keep(source: Path, copy: Path) -> None:
    if source.is_file():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
