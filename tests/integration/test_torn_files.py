"""What was coming in when the machine went down is set aside: nothing that was answered, and nothing that is known."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset
from sqlalchemy import select

from ingest import quarantine, store
from ingest.admission import Request
from ingest.boots import current_boot, is_settled
from ingest.listening import journaling
from ingest.part10 import before_data_set
from ingest.tables import conflict, refusal
from ingest.torn import MACHINE_WENT_DOWN, TornFiles
from tests.integration.crashing import SEGMENT, Machine
from tests.integration.desks import BY, desk_of, station_with_commands
from tests.integration.listening import EXPLICIT_LITTLE, make_ct
from tests.integration.listening import encoded as data_set_of
from voorrang.archive import Archive, ArchiveFullError
from voorrang.archive.durable import sync_file_system
from voorrang.clock import ManualClock
from voorrang.errors import ConfigurationError
from voorrang.purpose import Purpose

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not current_boot(), reason="this machine does not say when it started"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

BEFORE, NOW, MOST = "the run before", "this run", 3


@pytest.fixture
def machine(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    with station_with_commands(tmp_path, clock, monkeypatch) as station:
        made = Machine(station, tmp_path / "synced", SEGMENT)
        torn_files(made, boot=BEFORE).set_aside()
        yield made


def torn_files(machine: Machine, boot: str = NOW) -> TornFiles:
    """Return what may be torn, seen in a run of the machine."""

    def known(locators: Sequence[str]) -> Collection[str]:
        with machine.station.runtime.database.read() as connection:
            return store.known_locators(connection, locators)

    return TornFiles(machine.archive, boot, MOST, known)


def file_of(ds: Dataset) -> bytes:
    """Return an instance as a file of ours."""
    request = Request(str(ds.SOPClassUID), str(ds.SOPInstanceUID), "CT-7", "VOORRANG")
    return before_data_set(request, EXPLICIT_LITTLE, Purpose.CLINICAL) + data_set_of(ds)


def tear(machine: Machine, ds: Dataset, content: bytes | None = None) -> str:
    """Leave a part of an instance under its name, as a crash does before anybody was answered; return its locator."""
    whole = file_of(ds)
    path = Path(
        machine.archive.instance_path(*map(str, (ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)))
    )
    path.write_bytes(whole[: len(whole) - 20] if content is None else content)
    return machine.archive.locator(path)


def crash(machine: Machine) -> None:
    """Go down; what is on the disk stays as it is."""
    machine.receiver.journal.close()


def kept(machine: Machine) -> list[bytes]:
    """Return what is in quarantine."""
    folder = machine.archive.root / "quarantine"
    return [path.read_bytes() for path in sorted(folder.glob("*")) if path.suffix != ".reason"]


def blank_within_its_group_2() -> bytes:
    """Return a file whose first blocks came to the disk up to a VR that no reader of DICOM knows then."""
    whole = file_of(make_ct(1))
    at = whole.index(b"\x02\x00\x17\x00AE") + 5  # (0002,0017) Sending Application Entity Title
    return whole[:at] + bytes(len(whole) - at)


CONTENTS = [None, file_of(make_ct(1)), b"\0" * 700, b"x", blank_within_its_group_2()]


@pytest.mark.parametrize("content", CONTENTS, ids=["cut off", "whole", "blank", "a byte", "blank from its group 2 on"])
def test_what_was_under_way_is_in_quarantine_and_what_is_sent_again_is_no_conflict(
    machine: Machine, content: bytes | None
) -> None:
    machine.receive(make_ct(2), make_ct(3))
    torn = machine.archive.read(tear(machine, make_ct(1), content))
    crash(machine)
    assert torn_files(machine).set_aside() == 1
    assert kept(machine) == [torn]
    machine.start()
    machine.receive(make_ct(1))
    machine.has_rows(make_ct(1), make_ct(2), make_ct(3))
    machine.holds(make_ct(1), make_ct(2), make_ct(3))
    assert machine.station.rows(select(conflict)) == []
    (row,) = machine.station.rows(select(refusal))
    assert (row.reason, row.status, machine.archive.read(row.locator)) == (MACHINE_WENT_DOWN, 0, torn)
    assert row.sender == ("CT-7" if b"CT-7" in torn else "")


def test_a_copy_of_the_log_that_somebody_made_keeps_nobody_from_looking(machine: Machine) -> None:
    machine.receive(make_ct(2))
    tear(machine, make_ct(1))
    crash(machine)
    copy = machine.write_ahead.with_name("0 copy")
    copy.mkdir()
    shutil.copy(machine.write_ahead / "segment-000", copy)  # without the checkpoint it cannot be read
    (copy.with_name("1.bak")).mkdir()
    (copy.with_name("1.bak") / "checkpoint.json").touch()  # the youngest file of all
    assert torn_files(machine).set_aside() == 1


def test_left_alone_it_would_be_a_conflict(machine: Machine) -> None:
    tear(machine, make_ct(1))
    crash(machine)
    machine.start()
    machine.receive(make_ct(1))
    machine.station.take_in()
    assert len(machine.station.rows(select(conflict))) == 1


@pytest.mark.parametrize("checkpointed", [True, False], ids=["before the checkpoint", "in the log"])
@pytest.mark.parametrize("taken_in", [True, False], ids=["with rows", "without rows"])
@pytest.mark.parametrize("ledger_is_there", [True, False], ids=["in the ledger", "without the ledger"])
def test_what_was_answered_stays_whatever_else_is_left(
    machine: Machine, checkpointed: bool, taken_in: bool, ledger_is_there: bool
) -> None:
    sent = [make_ct(1), make_ct(2), make_ct(1, PixelData=b"\1" * 32)]  # the last is a conflict
    machine.receive(*sent)
    if checkpointed:
        machine.checkpoint()
    if taken_in:
        machine.station.take_in()
    crash(machine)
    if not ledger_is_there:
        shutil.rmtree(machine.ledger)
    assert torn_files(machine).set_aside() == 0
    machine.holds(*sent)


@pytest.mark.parametrize("where", ["ledger", "database"])
def test_either_of_ledger_and_database_speaks_for_a_file_that_the_log_does_not_name(
    machine: Machine, where: str
) -> None:
    machine.receive(make_ct(1))
    if where == "database":
        machine.station.take_in()
    crash(machine)
    for segment in machine.write_ahead.glob("segment-*"):
        segment.unlink()
    if where == "database":
        shutil.rmtree(machine.ledger)
    assert torn_files(machine).set_aside() == 0
    machine.holds(make_ct(1))


def test_what_is_older_than_the_last_checkpoint_is_durable_and_stays(machine: Machine) -> None:
    path = machine.archive.path(tear(machine, make_ct(1)))
    checkpoint = (machine.write_ahead / "checkpoint.json").stat().st_mtime_ns
    os.utime(path, ns=(checkpoint - 1, checkpoint - 1))
    crash(machine)
    assert torn_files(machine).set_aside() == 0
    assert path.is_file()


def test_what_came_in_while_the_disk_was_synced_may_be_torn(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.receive(make_ct(2))

    def sync(descriptor: int) -> None:
        sync_file_system(descriptor)
        os.utime(machine.archive.path(tear(machine, make_ct(1))), ns=(time.time_ns(), time.time_ns()))

    monkeypatch.setattr(journaling, "sync_file_system", sync)
    machine.receiver.journal.checkpoint()
    crash(machine)
    assert torn_files(machine).set_aside() == 1
    machine.holds(make_ct(2))


def test_more_than_can_have_been_under_way_stay(machine: Machine) -> None:
    for number in range(MOST + 1):
        tear(machine, make_ct(number + 1))
    crash(machine)
    assert torn_files(machine).set_aside() == 0
    assert len(list(machine.archive.instances())) == MOST + 1


def test_it_is_looked_for_once_in_a_run_of_the_machine(machine: Machine) -> None:
    torn = torn_files(machine)
    assert not torn.was_set_aside
    assert torn.set_aside() == 0
    assert torn.was_set_aside
    tear(machine, make_ct(1))  # whoever wrote this is killed, and the page cache has it whole
    assert torn.set_aside() == 0
    assert len(list(machine.archive.instances())) == 1


@pytest.mark.parametrize("boot", ["", NOW])
def test_an_archive_that_no_run_was_told_of_stays_as_it_is(tmp_path: Path, boot: str) -> None:
    archive = Archive(tmp_path)
    archive.prepare()
    path = Path(archive.instance_path("1.2.3", "1.2.3.4", "1.2.3.4.5"))
    path.write_bytes(b"x")
    assert TornFiles(archive, boot, MOST, lambda _: set()).set_aside() == 0
    assert path.is_file()
    assert is_settled(archive, boot)


def test_rows_for_strays_wait_until_it_was_looked_for(machine: Machine) -> None:
    assert is_settled(machine.archive, BEFORE)
    assert not is_settled(machine.archive, NOW)
    torn_files(machine).set_aside()
    assert is_settled(machine.archive, NOW)
    assert is_settled(machine.archive, "")


class FullArchive(Archive):
    """An archive whose disk takes nothing."""

    def quarantine_part(self, part: Path, reason: str) -> str:
        """Refuse."""
        raise ArchiveFullError("the disk refused")


def test_on_a_full_disk_it_is_tried_again_at_the_next_start(machine: Machine) -> None:
    tear(machine, make_ct(1))
    crash(machine)
    torn = torn_files(machine)
    with pytest.raises(ArchiveFullError):
        replace(torn, archive=FullArchive(machine.archive.root)).set_aside()
    assert not torn.was_set_aside
    assert torn.set_aside() == 1


def test_what_may_be_torn_is_never_replayed_and_can_be_discarded(machine: Machine) -> None:
    tear(machine, make_ct(1))
    crash(machine)
    torn_files(machine).set_aside()
    machine.station.take_in()
    desk = desk_of(machine.station)
    (one,) = quarantine.kept(desk)
    assert quarantine.replayable(desk) == []
    with pytest.raises(ConfigurationError, match="may be torn"):
        quarantine.replay(desk, one.row.id, BY)
    quarantine.discard(desk, one.row.id, BY)
    assert kept(machine) == []
