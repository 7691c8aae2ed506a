from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom.presentation import AllStoragePresentationContexts

from ingest.admission import StoreStatus
from ingest.listening.server import Server
from ingest.tally import Count
from tests.integration.listening import (
    CT,
    CT_CONTEXT,
    EXPLICIT_LITTLE,
    STUDY,
    Station,
    contexts_of,
    data_set_of,
    echo,
    encoded,
    listening,
    make_ct,
    make_stack,
    make_station,
    own_database,
    real_data,
    send,
)
from tests.neighbours.dcmtk import counted_by_dcmsend, counted_by_storescu, run_dcmtk
from tests.neighbours.raw_scu import AssociationLostError, RawSCU
from tests.neighbours.starting import wait_until
from voorrang.clock import ManualClock
from voorrang.database import Database
from voorrang.errors import ConfigurationError
from voorrang.purpose import Purpose
from voorrang.settings import Settings

pytestmark = pytest.mark.integration

INSTANCE = f"{STUDY}.1.1"
MR = "1.2.840.10008.5.1.4.1.1.4"
HUGE = 10**18
NO_UIDS = (
    "1." + "2" * 64,
    "../../../../etc/passwd",
    "1.2/../../3",
    "..",
    "a",
    "1..2",
    "1.2.\xe9",
    "1.2 3",
    "-",
    "1" * 500,
)
MAX_CONTEXTS = 127  # the raw sender proposes Verification beside them
REAL = [("chest-c3n-00247", 99), ("chest-a0002/series", 30), ("head-ge-infarct", 28)]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with own_database(tmp_path) as opened:
        yield opened


@pytest.fixture
def station(database: Database, tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    made = make_station(database, tmp_path / "data", clock)
    with listening(made) as open_station:
        yield open_station


def dicom_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix != ".xml" and path.name not in {"LICENSE", "README"})


def require_stored_as_sent(station: Station, files: list[Path]) -> None:
    """Check that the archive holds exactly these files, data set by data set."""
    stored = {str(ds.SOPInstanceUID): ds for ds in (read_stored(station, locator) for locator in station.stored())}
    assert len(stored) == len(files)
    for path in files:
        sent = dcmread(path)
        found = stored[str(sent.SOPInstanceUID)]
        assert found.PixelData == sent.PixelData
        assert found == sent


def read_stored(station: Station, locator: str):  # type: ignore[no-untyped-def]
    return dcmread(station.runtime.archive.path(locator))


def test_an_echo_is_answered(station: Station) -> None:
    assert echo(station.port) == StoreStatus.SUCCESS


@pytest.mark.parametrize(("name", "count"), REAL)
def test_a_real_study_is_stored_whole(station: Station, name: str, count: int) -> None:
    files = dicom_files(real_data(name))
    assert len(files) == count
    statuses = send(station.port, files, contexts_of(files))
    assert statuses == [StoreStatus.SUCCESS] * count
    require_stored_as_sent(station, files)


def test_echoscu_of_dcmtk_is_answered(station: Station) -> None:
    done = run_dcmtk("echoscu", "-v", "-aec", "VOORRANG", "127.0.0.1", str(station.port))
    assert done.returncode == 0, done.stdout
    assert "Received Echo Response (Success)" in done.stdout


def test_storescu_of_dcmtk_counts_what_the_archive_holds(station: Station) -> None:
    folder = real_data("head-ge-infarct")
    files = dicom_files(folder)
    done = run_dcmtk("storescu", "-v", "-aec", "VOORRANG", "127.0.0.1", str(station.port), *files)
    assert done.returncode == 0, done.stdout[-1000:]
    assert counted_by_storescu(done.stdout) == len(station.stored()) == len(files)
    require_stored_as_sent(station, files)


def test_dcmsend_of_dcmtk_counts_what_the_archive_holds(station: Station) -> None:
    files = dicom_files(real_data("chest-a0002/series"))
    done = run_dcmtk("dcmsend", "-v", "-aec", "VOORRANG", "127.0.0.1", str(station.port), *files)
    assert done.returncode == 0, done.stdout[-1000:]
    assert "Converting transfer syntax" not in done.stdout  # what the file is in was on offer
    assert counted_by_dcmsend(done.stdout) == (len(files), len(files))
    assert len(station.stored()) == len(files)
    require_stored_as_sent(station, files)


def test_dcmtk_and_pynetdicom_sending_one_study_make_one_study(station: Station) -> None:
    files = dicom_files(real_data("head-ge-infarct"))[:5]
    done = run_dcmtk("storescu", "-aec", "VOORRANG", "127.0.0.1", str(station.port), *files)
    assert done.returncode == 0, done.stdout[-1000:]
    assert send(station.port, files, contexts_of(files)) == [StoreStatus.SUCCESS] * 5
    assert len(station.stored()) == 5


def test_the_bytes_are_kept_as_they_came(station: Station) -> None:
    ds = make_ct()
    assert send(station.port, [ds]) == [StoreStatus.SUCCESS]
    part10 = station.runtime.archive.read(station.stored()[0])
    assert data_set_of(part10) == encoded(ds)


def test_the_file_says_who_sent_it_to_whom(station: Station) -> None:
    send(station.port, [make_ct()], calling="SCANNER7")
    meta = read_stored(station, station.stored()[0]).file_meta
    assert meta.SendingApplicationEntityTitle == "SCANNER7"
    assert meta.ReceivingApplicationEntityTitle == "VOORRANG"
    assert meta.TransferSyntaxUID == EXPLICIT_LITTLE
    assert meta.MediaStorageSOPInstanceUID == INSTANCE


@pytest.mark.parametrize("called", ["SOMEBODY", "voorrang", "VOORRANG-QA"])
def test_an_unknown_called_ae_title_is_rejected_and_nothing_is_stored(
    station: Station, tmp_path: Path, called: str
) -> None:
    with pytest.raises(AssociationLostError), RawSCU(station.port, [CT_CONTEXT], called=called) as scu:
        scu.store(CT_CONTEXT, CT, INSTANCE, encoded(make_ct()))
    assert station.stored() == []
    assert [path for path in (tmp_path / "data" / "archive" / "studies").rglob("*")] == []
    rejected = station.receiver.tally
    wait_until(lambda: rejected.read(Count.ASSOCIATIONS_REJECTED) == 1, 20, "the rejection was not counted")


def test_each_called_ae_title_gives_its_purpose(database: Database, tmp_path: Path, clock: ManualClock) -> None:
    titles = {"VOORRANG": Purpose.CLINICAL, "VOORRANG-QA": Purpose.QA}
    made = make_station(database, tmp_path / "data", clock, ae_titles=titles)
    with listening(made) as station:
        assert send(station.port, [make_ct(1)], called="VOORRANG-QA", calling="VOORRANG") == [StoreStatus.SUCCESS]
        assert send(station.port, [make_ct(2)], called="VOORRANG", calling="VOORRANG-QA") == [StoreStatus.SUCCESS]
    assert [one.purpose for one in station.received()] == [Purpose.QA, Purpose.CLINICAL]


def test_another_instance_than_announced_does_not_match(station: Station) -> None:
    mr_context = (MR, EXPLICIT_LITTLE)
    with RawSCU(station.port, [CT_CONTEXT, mr_context]) as scu:
        data_set, mismatch = encoded(make_ct()), StoreStatus.DATA_SET_DOES_NOT_MATCH
        assert scu.store(CT_CONTEXT, CT, f"{STUDY}.1.2", data_set) == mismatch
        assert scu.store(CT_CONTEXT, CT, f"0{INSTANCE}", data_set) == mismatch
        assert scu.store(mr_context, MR, INSTANCE, data_set) == mismatch
        assert station.stored() == []
        assert scu.store(CT_CONTEXT, CT, INSTANCE, data_set) == StoreStatus.SUCCESS
    assert [one.reason for one in station.refused()] == [
        "sop_instance_uid_differs",
        "sop_instance_uid_differs",
        "sop_class_uid_differs",
    ]


def test_a_sop_instance_uid_that_is_none_is_refused_and_the_association_goes_on(station: Station) -> None:
    ds = make_ct()
    with RawSCU(station.port, [CT_CONTEXT]) as scu:
        for uid in NO_UIDS:
            assert scu.store(CT_CONTEXT, CT, uid, encoded(ds)) == StoreStatus.INVALID_OBJECT_INSTANCE
        assert station.stored() == []
        assert [one.reason for one in station.refused()] == ["bad_sop_instance_uid"] * len(NO_UIDS)
        assert scu.store(CT_CONTEXT, CT, INSTANCE, encoded(ds)) == StoreStatus.SUCCESS
    assert len(station.stored()) == 1


def test_a_study_or_series_uid_that_is_none_is_refused_and_its_bytes_are_kept(station: Station) -> None:
    sent = [
        encoded(make_ct()).replace(*replacement(keyword, uid))
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID")
        for uid in ("../../etc/passwd", "1.2/3", "", "1." + "2" * 64)
    ]
    with RawSCU(station.port, [CT_CONTEXT]) as scu:
        for data_set in sent:
            assert scu.store(CT_CONTEXT, CT, INSTANCE, data_set) == StoreStatus.CANNOT_UNDERSTAND
        assert scu.echo() == StoreStatus.SUCCESS
    assert station.stored() == []
    assert kept_bytes(station) == sent


def kept_bytes(station: Station) -> list[bytes]:
    """Return the data sets that were refused, from quarantine, in the order in which they came."""
    return [data_set_of(station.runtime.archive.read(one.locator or "")) for one in station.refused()]


def replacement(keyword: str, uid: str) -> tuple[bytes, bytes]:
    """Return the bytes of a UID element and those of another value: no library would write it."""
    number = {"StudyInstanceUID": b"\x20\x00\x0d\x00UI", "SeriesInstanceUID": b"\x20\x00\x0e\x00UI"}[keyword]
    old, new = (STUDY if keyword == "StudyInstanceUID" else f"{STUDY}.1"), uid
    return tuple(number + _counted(value) for value in (old, new))  # type: ignore[return-value]


def _counted(value: str) -> bytes:
    padded = value.encode() + b"\0" * (len(value) % 2)
    return len(padded).to_bytes(2, "little") + padded


def test_bytes_that_are_no_data_set_cannot_be_understood_and_are_kept(station: Station) -> None:
    cut = encoded(make_ct())[:40]
    sent = [b"", b"\0", b"not a data set", b"\xff" * 1000, bytes(64), b"\x10\x00\x20\x00LO\xff\xff", cut]
    with RawSCU(station.port, [CT_CONTEXT]) as scu:
        for data_set in sent:
            assert scu.store(CT_CONTEXT, CT, INSTANCE, data_set) == StoreStatus.CANNOT_UNDERSTAND
        assert scu.echo() == StoreStatus.SUCCESS
    assert kept_bytes(station) == sent
    assert station.stored() == []


def test_a_store_without_a_data_set_gets_a_coded_answer_or_an_end_and_the_next_is_served(station: Station) -> None:
    try:
        with RawSCU(station.port, [CT_CONTEXT]) as scu:
            assert scu.store(CT_CONTEXT, CT, INSTANCE, None) == StoreStatus.CANNOT_UNDERSTAND
    except AssociationLostError:
        pass
    assert echo(station.port) == StoreStatus.SUCCESS
    assert station.stored() == []


def test_a_full_disk_is_out_of_resources_and_recovers(station: Station) -> None:
    slices = make_stack(3)
    with RawSCU(station.port, [CT_CONTEXT]) as scu:
        station.runtime.archive.reserve_bytes = HUGE
        for ds in slices:
            assert scu.store(CT_CONTEXT, CT, ds.SOPInstanceUID, encoded(ds)) == StoreStatus.OUT_OF_RESOURCES
        assert station.stored() == []
        assert {one.reason for one in station.refused()} == {"disk_full"}
        station.runtime.archive.reserve_bytes = 0
        for ds in slices:
            assert scu.store(CT_CONTEXT, CT, ds.SOPInstanceUID, encoded(ds)) == StoreStatus.SUCCESS
    assert len(station.stored()) == 3


def test_a_full_disk_still_refuses_what_is_no_image(station: Station) -> None:
    station.runtime.archive.reserve_bytes = HUGE
    with RawSCU(station.port, [CT_CONTEXT]) as scu:
        assert scu.store(CT_CONTEXT, CT, INSTANCE, b"not a data set") == StoreStatus.CANNOT_UNDERSTAND
        assert scu.echo() == StoreStatus.SUCCESS
    assert [one.locator for one in station.refused()] == [None]


def test_a_full_intake_is_out_of_resources_and_stores_nothing(station: Station) -> None:
    journal = station.receiver.journal
    journal.max_ledger_segments = 0  # nobody has read it for long
    assert send(station.port, make_stack(2)) == [StoreStatus.OUT_OF_RESOURCES] * 2
    assert station.stored() == []
    assert [one.reason for one in station.refused()] == ["intake_full"] * 2
    journal.max_ledger_segments = 1
    journal.look_again()
    assert send(station.port, make_stack(1, first=2)) == [StoreStatus.SUCCESS]


def test_every_storage_class_is_accepted(station: Station) -> None:
    classes = sorted({str(context.abstract_syntax) for context in AllStoragePresentationContexts})
    assert len(classes) > 100
    for start in range(0, len(classes), MAX_CONTEXTS):
        wanted = [(sop_class, EXPLICIT_LITTLE) for sop_class in classes[start : start + MAX_CONTEXTS]]
        with RawSCU(station.port, wanted) as scu:
            assert set(wanted) <= scu.accepted


def test_a_taken_port_is_told_in_one_line_with_the_setting_to_change(station: Station) -> None:
    server = Server(station.receiver.configuration, station.receiver)
    with pytest.raises(ConfigurationError) as caught:
        server.open()
    server.close()
    assert str(station.port) in str(caught.value)
    assert "set VOORRANG_DICOM_PORT" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert echo(station.port) == StoreStatus.SUCCESS


def test_a_closed_listener_gives_its_port_back(database: Database, tmp_path: Path, clock: ManualClock) -> None:
    made = make_station(database, tmp_path / "data", clock)
    for _ in range(2):
        with listening(made) as station:
            assert echo(station.port) == StoreStatus.SUCCESS
        assert not listens(made.runtime.settings)


def listens(settings: Settings) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", settings.dicom_port)) == 0


@pytest.mark.parametrize("how", ["abort", "vanish"])
def test_a_sender_that_ends_mid_instance_leaves_nothing_and_the_next_is_served(station: Station, how: str) -> None:
    ds = make_ct()
    scu = RawSCU(station.port, [CT_CONTEXT]).__enter__()
    assert scu.store(CT_CONTEXT, CT, INSTANCE, encoded(ds)) == StoreStatus.SUCCESS
    other = make_ct(2)
    scu.store_half(CT_CONTEXT, CT, str(other.SOPInstanceUID), encoded(other)[:100])
    getattr(scu, how)()
    assert send(station.port, [make_ct(3)]) == [StoreStatus.SUCCESS]
    uids = {str(read_stored(station, locator).SOPInstanceUID) for locator in station.stored()}
    assert uids == {INSTANCE, f"{STUDY}.1.3"}


def test_a_sender_of_noise_is_hung_up_on_and_the_next_is_served(station: Station) -> None:
    with socket.create_connection(("127.0.0.1", station.port), 10) as noise:
        noise.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        noise.shutdown(socket.SHUT_WR)
        wait_until(lambda: noise.recv(4096) == b"", 20, "the listener did not hang up")
    assert echo(station.port) == StoreStatus.SUCCESS


def test_many_senders_at_once_are_all_served(station: Station) -> None:
    open_ones = [RawSCU(station.port, [CT_CONTEXT], calling=f"SCU{i}").__enter__() for i in range(12)]
    for number, scu in enumerate(open_ones, start=1):
        ds = make_ct(number)
        assert scu.store(CT_CONTEXT, CT, ds.SOPInstanceUID, encoded(ds)) == StoreStatus.SUCCESS
    for scu in open_ones:
        scu.__exit__(None, None, None)
    assert len(station.stored()) == 12
