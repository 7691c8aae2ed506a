"""A listener on a free port with everything of ingest behind it, and instances to send to it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pydicom.config
import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, _config
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import Verification
from sqlalchemy import select
from sqlalchemy.engine import URL
from sqlalchemy.sql import Select

from ingest import intake_store, store
from ingest.accounting import Accountant
from ingest.admission import Request, StoreStatus
from ingest.assembling import Assembler
from ingest.hashing import Hasher
from ingest.intake import IntakeWorker
from ingest.ledger import LedgerWriter, read_entries
from ingest.listening.configuration import ListenerConfiguration
from ingest.listening.journaling import Journal
from ingest.listening.receiving import Receiver
from ingest.listening.server import Server
from ingest.taking import ReceivedInstance, RefusedInstance, Taken, taken
from ingest.tally import Tally, tally_path
from ingest.telling import listener_configuration
from tests.builders import make_runtime
from tests.fakes import InMemoryBroker
from tests.integration.closing import AbandonedJournal
from tests.neighbours.starting import free_port
from voorrang.archive.instance_files import InstanceFiles
from voorrang.archive.write_ahead_log import WriteAheadLog
from voorrang.clock import ManualClock
from voorrang.database import Database
from voorrang.dicom.requesting import associate
from voorrang.events.envelope import Event, decode
from voorrang.migrating import migrate
from voorrang.runtime import Runtime
from voorrang.tables import outbox

ROOT = Path(__file__).parents[2]
AE_TITLE = "VOORRANG"
CT = str(CTImageStorage)
EXPLICIT_LITTLE = str(ExplicitVRLittleEndian)
CT_CONTEXT = (CT, EXPLICIT_LITTLE)
STUDY = "1.2.826.0.1.3680043.8.498.71"


def real_data(name: str) -> Path:
    """Return a folder of the real data; the test is skipped where it is not."""
    folder = Path(os.environ.get("VOORRANG_TEST_DATA", ROOT.parent / "shared" / "data")) / name
    if not folder.is_dir():
        pytest.skip(f"no {name} in ../shared/data; VOORRANG_TEST_DATA names another place")
    return folder


@dataclass(slots=True)
class Station:
    """Ingest on an in-memory broker, with a clock that is moved by hand; the listener runs when it was opened."""

    runtime: Runtime
    broker: InMemoryBroker
    clock: ManualClock
    journal: Journal
    receiver: Receiver
    intake: IntakeWorker
    assembler: Assembler
    accountant: Accountant

    @property
    def port(self) -> int:
        """Where the listener answers."""
        return self.runtime.settings.dicom_port

    def receive(self, *instances: Dataset, called: str = AE_TITLE, calling: str = "SCANNER") -> list[StoreStatus]:
        """Give instances to the receiver as the listener does, without a network."""
        return [
            self.receiver.receive(
                Request(str(ds.SOPClassUID), str(ds.SOPInstanceUID), calling, called), EXPLICIT_LITTLE, encoded(ds)
            )
            for ds in instances
        ]

    def take_in(self) -> None:
        """Take in what the ledger holds."""
        while self.intake.step():
            pass

    def account(self) -> None:
        """Set the gauges."""
        self.accountant.step()

    def stored(self) -> list[str]:
        """Return the locators of every instance on disk."""
        return list(self.runtime.archive.instances())

    def refused(self) -> list[RefusedInstance]:
        """Return the refusals that wait for their rows, leaving the ledger as it is."""
        return [one for one in self.unread() if isinstance(one, RefusedInstance)]

    def received(self) -> list[ReceivedInstance]:
        """Return the instances that wait for their rows, leaving the ledger as it is."""
        return [one for one in self.unread() if isinstance(one, ReceivedInstance)]

    def unread(self) -> list[Taken]:
        """Return what intake has not taken in."""
        with self.runtime.database.read() as connection:
            position, _ = intake_store.read_position(connection, "0")
        entries, _ = read_entries(self.intake.folder / "0", position, 1_000_000)
        return [one for one in map(taken, entries) if one is not None]

    def rows(self, query: Select[Any]) -> list[Any]:
        """Run a query."""
        with self.runtime.database.read() as connection:
            return list(connection.execute(query))

    def events(self, event_type: str) -> list[Event[Any]]:
        """Return the events of a type in the order in which they were written."""
        found = [decode(row.payload) for row in self.rows(select(outbox.c.payload).order_by(outbox.c.id))]
        return [event for event in found if event.type == event_type]

    def study(self, study_instance_uid: str = STUDY) -> store.StudyRow:
        """Return the row of a study."""
        with self.runtime.database.read() as connection:
            return store.study_row(connection, study_instance_uid)


@cache
def _empty_database() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "empty.sqlite"
        database = Database(URL.create("sqlite", database=str(path)))
        migrate(database)
        database.close()  # the last one to close leaves one file, without a log beside it
        return path.read_bytes()


@contextmanager
def own_database(folder: Path) -> Iterator[Database]:
    """Give a migrated database of one's own."""
    path = folder / "voorrang.sqlite"
    path.write_bytes(_empty_database())
    database = Database(URL.create("sqlite", database=str(path)))
    try:
        yield database
    finally:
        database.close()


def make_station(database: Database, data_dir: Path, clock: ManualClock, **settings: Any) -> Station:
    """Wire ingest as its service does; nothing of it runs by itself."""
    broker = InMemoryBroker()
    settings = {"dicom_port": free_port(), **settings}
    runtime = make_runtime("ingest", database, data_dir, broker=broker, clock=clock, **settings)
    told = listener_configuration(runtime.settings)
    receiver = make_receiver(told, runtime, clock, log=None)
    intake = IntakeWorker(runtime, runtime.archive.root / "ledger")
    accountant = Accountant(runtime, intake, runtime.archive.root)
    accountant.step()
    assembler = Assembler(runtime, Hasher(runtime).finish_series)
    return Station(runtime, broker, clock, receiver.journal, receiver, intake, assembler, accountant)


def make_receiver(
    told: ListenerConfiguration, runtime: Runtime, clock: ManualClock, log: WriteAheadLog | None
) -> Receiver:
    """Wire what the listener's process wires; without a write-ahead log answers come before bytes are durable."""
    archive = runtime.archive
    journal = AbandonedJournal(LedgerWriter(archive.root / "ledger" / "0"), log, InstanceFiles(archive))
    journal.recover()
    return Receiver(told, archive, journal, Tally(tally_path(archive.root, 0)), clock, runtime.keys)


@contextmanager
def listening(station: Station) -> Iterator[Station]:
    """Run a station's listener; what it sets in the libraries for its process is put back afterwards."""
    mode, validator = pydicom.config.settings.reading_validation_mode, _config.VALIDATORS["UI"]
    server = Server(station.receiver.configuration, station.receiver)
    try:
        server.open()
        yield station
    finally:
        server.close()
        pydicom.config.settings.reading_validation_mode = mode
        _config.VALIDATORS["UI"] = validator


def make_ct(number: int = 1, **elements: Any) -> Dataset:
    """Make one slice of a head CT, 10 mm apart from the next, with pixels of its own."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = CT
    ds.StudyInstanceUID = STUDY
    ds.SeriesInstanceUID = f"{STUDY}.1"
    ds.SOPInstanceUID = f"{elements.get('SeriesInstanceUID', f'{STUDY}.1')}.{number}"
    ds.StudyDate = "20261122"
    ds.Modality = "CT"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.BodyPartExamined = "HEAD"
    ds.PatientName = "Test^Patient"
    ds.PatientID = "T-1"
    ds.PatientBirthDate = "19600101"
    ds.PatientSex = "F"
    ds.AccessionNumber = "A-1"
    ds.InstanceNumber = number
    ds.ImagePositionPatient = [0, 0, 10 * number]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.SliceThickness = 10
    ds.PixelSpacing = [0.5, 0.5]
    ds.FrameOfReferenceUID = f"{STUDY}.9"
    ds.Rows = ds.Columns = 4
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit = 15
    ds.SamplesPerPixel = 1
    ds.PixelRepresentation = 0
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.PixelData = number.to_bytes(2, "little") * 16
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return with_meta(ds)


def with_meta(ds: Dataset, transfer_syntax: str = EXPLICIT_LITTLE) -> Dataset:
    """Give a data set the meta information that pynetdicom sends by."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    return ds


def make_stack(n: int = 12, first: int = 1, **elements: Any) -> list[Dataset]:
    """Make slices of one series."""
    return [make_ct(number, **elements) for number in range(first, first + n)]


def encoded(ds: Dataset) -> bytes:
    """Return a data set as Explicit VR Little Endian bytes."""
    found: bytes | None = encode(ds, False, True)
    assert found is not None
    return found


def data_set_of(part10: bytes) -> bytes:
    """Return the bytes after the file meta group of a file."""
    return part10[144 + int.from_bytes(part10[140:144], "little") :]


def send(
    port: int,
    instances: Iterable[Dataset | Path],
    contexts: Sequence[tuple[str, str]] = (CT_CONTEXT,),
    called: str = AE_TITLE,
    calling: str = "SCANNER",
) -> list[int | None]:
    """Send by pynetdicom on one association; return each status, None where there was no answer."""
    ae = AE(ae_title=calling)
    chunked, _config.STORE_SEND_CHUNKED_DATASET = _config.STORE_SEND_CHUNKED_DATASET, True  # a file's bytes as they are
    for sop_class, syntax in contexts:
        ae.add_requested_context(sop_class, syntax)
    association = associate(ae, "127.0.0.1", port, called)
    assert association.is_established
    try:
        return [association.send_c_store(one).get("Status") for one in instances]
    finally:
        _config.STORE_SEND_CHUNKED_DATASET = chunked
        association.release()


def echo(port: int, called: str = AE_TITLE) -> int | None:
    """Send a C-ECHO by pynetdicom and return its status."""
    ae = AE(ae_title="ECHOSCU")
    ae.add_requested_context(Verification)
    association = associate(ae, "127.0.0.1", port, called)
    assert association.is_established
    try:
        status: int | None = association.send_c_echo().get("Status")
        return status
    finally:
        association.release()


def contexts_of(files: Iterable[Path]) -> list[tuple[str, str]]:
    """Return what has to be negotiated for files."""
    heads = [dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"]) for path in files]
    return sorted({(str(ds.SOPClassUID), str(ds.file_meta.TransferSyntaxUID)) for ds in heads})
