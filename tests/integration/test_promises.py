"""An instance is answered once the log has it; its file, which has the name already, and its entry follow."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag
from time import sleep

import pytest
from pydicom import Dataset

from ingest.admission import Request, StoreStatus
from ingest.ledger import Position, read_entries
from ingest.listening.association import Association
from ingest.listening.incoming import Incoming
from ingest.listening.negotiation import Negotiator
from ingest.listening.pacing import Pacer
from ingest.recovery import recover
from ingest.tally import Count
from tests import pdus
from tests.integration.crashing import SEGMENT, Machine
from tests.integration.filling import files_at_most
from tests.integration.knocking import TIMEOUT_SECONDS, read_pdu
from tests.integration.listening import (
    CT,
    EXPLICIT_LITTLE,
    Station,
    encoded,
    make_ct,
    make_stack,
    make_station,
    own_database,
)
from voorrang.archive import Archive, ArchiveFullError, promised_files
from voorrang.archive.instance_files import InstanceFiles
from voorrang.archive.promised_files import PromisedFile, lock
from voorrang.archive.write_ahead_log import BLOCK
from voorrang.clock import ManualClock

pytestmark = pytest.mark.integration

UIDS = ("1.2.3", "1.2.3.1", "1.2.3.1.1")
CONTENT = memoryview(bytes(128) + b"DICM" + b"the bytes of an instance")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


@pytest.fixture
def files(archive: Archive) -> InstanceFiles:
    return InstanceFiles(archive)


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    with own_database(tmp_path) as database:
        yield make_station(database, tmp_path / "data", clock)


@pytest.fixture
def machine(station: Station, tmp_path: Path) -> Machine:
    return Machine(station, tmp_path / "synced", SEGMENT)


def promised(files: InstanceFiles) -> PromisedFile:
    made = files.promise(*UIDS, len(CONTENT))
    assert made is not None
    return made[1]


def answer_only(machine: Machine, ds: Dataset) -> Incoming:
    """Receive an instance as far as its answer; what follows it does not happen."""
    incoming = machine.receiver.incoming()
    request = Request(CT, str(ds.SOPInstanceUID), "SCANNER", "VOORRANG")
    machine.receiver.begin(incoming, request, EXPLICIT_LITTLE)
    content = encoded(ds)
    incoming.room(len(content))[:] = content
    incoming.filled(len(content))
    assert machine.receiver.finish(incoming, request, EXPLICIT_LITTLE) == StoreStatus.SUCCESS
    return incoming


def outcomes(machine: Machine) -> list[str]:
    entries, _ = read_entries(machine.ledger, Position(), 100)
    return [entry["outcome"] for entry in entries if entry["kind"] == "instance"]


class TestName:
    def test_it_has_its_name_before_its_bytes(self, files: InstanceFiles, archive: Archive) -> None:
        file = promised(files)
        (locator,) = archive.instances()
        assert archive.read(locator) == b""
        file.fill(CONTENT)
        file.close()
        assert archive.read(locator) == CONTENT
        assert list(archive.incoming.iterdir()) == []

    def test_nobody_else_is_promised_a_name_that_is_taken(self, files: InstanceFiles, archive: Archive) -> None:
        file = promised(files)
        assert files.promise(*UIDS, len(CONTENT)) is None
        assert list(archive.incoming.iterdir()) == []
        file.close()

    def test_filled_twice_it_holds_what_it_is_to_hold(self, files: InstanceFiles, archive: Archive) -> None:
        file = promised(files)
        with files_at_most(40), pytest.raises(ArchiveFullError, match="disk refused"):
            file.fill(CONTENT)
        file.fill(CONTENT)
        file.close()
        assert [archive.read(locator) for locator in archive.instances()] == [CONTENT]

    @pytest.mark.parametrize(("sent", "outcome"), [(CONTENT, "duplicate"), (memoryview(b"other"), "conflict")])
    def test_who_sends_the_same_waits_until_it_is_whole(
        self, files: InstanceFiles, archive: Archive, sent: memoryview, outcome: str
    ) -> None:
        file = promised(files)
        with ThreadPoolExecutor(1) as other, waited_for() as is_waited_for:
            stored = other.submit(files.store, *UIDS, sent)
            assert is_waited_for.wait(TIMEOUT_SECONDS)
            file.fill(CONTENT)
            file.close()
            assert stored.result(TIMEOUT_SECONDS).outcome == outcome
        assert archive.read(archive.locator(file.path)) == CONTENT

    @pytest.mark.parametrize("end", [PromisedFile.withdraw, PromisedFile.close])
    def test_a_name_that_is_given_up_goes_to_who_waits_for_it(
        self, files: InstanceFiles, archive: Archive, end: Callable[[PromisedFile], None]
    ) -> None:
        file = promised(files)
        with ThreadPoolExecutor(1) as other, waited_for() as is_waited_for:
            stored = other.submit(files.store, *UIDS, CONTENT)
            assert is_waited_for.wait(TIMEOUT_SECONDS)
            end(file)
            assert stored.result(TIMEOUT_SECONDS).outcome == "new"
        assert [archive.read(locator) for locator in archive.instances()] == [CONTENT]

    def test_who_waits_in_vain_is_refused(self, files: InstanceFiles, monkeypatch: pytest.MonkeyPatch) -> None:
        file = promised(files)
        monkeypatch.setattr(lock, "__defaults__", (0.0,))
        with pytest.raises(ArchiveFullError, match="still to be written"):
            files.store(*UIDS, CONTENT)
        file.close()


class TestCrash:
    def test_what_was_answered_and_not_written_comes_back(self, machine: Machine) -> None:
        instances = make_stack(3)
        for ds in instances:
            answer_only(machine, ds)
        assert outcomes(machine) == []
        machine.power_off()
        assert machine.start() == 3
        machine.holds(*instances)
        machine.has_rows(*instances)

    def test_a_process_that_is_killed_leaves_an_empty_file_that_gets_its_bytes(self, machine: Machine) -> None:
        answer_only(machine, make_ct(1))
        machine.receiver.journal.close()
        assert machine.start() == 1
        machine.holds(make_ct(1))
        machine.has_rows(make_ct(1))

    def test_no_checkpoint_covers_it(self, machine: Machine) -> None:
        incoming = answer_only(machine, make_ct(1))
        machine.receive(make_ct(2))
        log = machine.receiver.journal.log
        assert log is not None
        assert log.reached() == 0
        machine.receiver.keep(incoming)
        assert log.reached() == 2

    def test_its_empty_file_gets_no_row_by_itself(self, machine: Machine) -> None:
        answer_only(machine, make_ct(1))
        assert recover(machine.station.runtime, machine.station.intake) == 0


class TestDiskThatRefuses:
    def test_log_that_refuses_leaves_no_name_behind(self, machine: Machine) -> None:
        machine.receive(make_ct(1))
        with files_at_most(2 * BLOCK):  # its second record would lie beyond
            assert machine.station.receive(make_ct(2)) == [StoreStatus.OUT_OF_RESOURCES]
        machine.holds(make_ct(1))
        machine.receive(make_ct(2))

    def test_nobody_is_promised_anything_while_something_is_owed(self, machine: Machine) -> None:
        first, second = (make_ct(number, PixelData=bytes(50_000)) for number in (1, 2))
        incoming = answer_only(machine, first)
        with files_at_most(20_000):
            machine.receiver.keep(incoming)
            machine.receiver.owed.step()
            assert len(machine.receiver.owed) == 1
            assert machine.station.receive(second) == [StoreStatus.OUT_OF_RESOURCES]
        assert machine.receiver.tally.read(Count.NEW) == 0
        incoming.drop()
        machine.receiver.owed.step()
        assert len(machine.receiver.owed) == 0
        assert machine.receiver.tally.read(Count.NEW) == 1
        machine.receive(second)
        machine.holds(first, second)
        machine.has_rows(first, second)


class TestAssociation:
    def test_the_answer_does_not_wait_for_the_file(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        may_go_on, fill = Flag(), PromisedFile.fill
        monkeypatch.setattr(
            PromisedFile, "fill", lambda file, content: may_go_on.wait(TIMEOUT_SECONDS) and fill(file, content)
        )
        with served(machine) as (peer, ended):
            peer.sendall(pdus.store_message(str(make_ct(1).SOPInstanceUID), encoded(make_ct(1))))
            assert read_pdu(peer)[0] == pdus.DATA
            assert outcomes(machine) == []
            may_go_on.set()
            peer.sendall(pdus.pdu(pdus.RELEASE, bytes(4)))
            assert read_pdu(peer)[0] == pdus.RELEASED
            assert outcomes(machine) == ["new"]
            ended.result(TIMEOUT_SECONDS)
        machine.holds(make_ct(1))

    def test_a_sender_that_goes_before_its_answer_takes_nothing_away(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        finish = machine.receiver.finish
        with served(machine) as (peer, ended):

            def finish_alone(*given: object) -> StoreStatus:
                peer.close()
                return finish(*given)  # type: ignore[arg-type]

            monkeypatch.setattr(machine.receiver, "finish", finish_alone)
            peer.sendall(pdus.store_message(str(make_ct(1).SOPInstanceUID), encoded(make_ct(1))))
            ended.result(TIMEOUT_SECONDS)
        machine.holds(make_ct(1))
        machine.has_rows(make_ct(1))

    def test_one_whose_file_the_disk_refuses_holds_up_nobody(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(file: PromisedFile, content: memoryview) -> None:
            raise ArchiveFullError("the disk refused")

        with served(machine) as (peer, ended):
            with monkeypatch.context() as patch:
                patch.setattr(PromisedFile, "fill", refuse)
                for _ in range(2):
                    peer.sendall(pdus.store_message(str(make_ct(1).SOPInstanceUID), encoded(make_ct(1))))
                    assert read_pdu(peer)[0] == pdus.DATA
                peer.sendall(pdus.echo_message())
                assert read_pdu(peer)[0] == pdus.DATA
            machine.receiver.owed.step()
            peer.sendall(pdus.pdu(pdus.RELEASE, bytes(4)))
            ended.result(TIMEOUT_SECONDS)
        machine.holds(make_ct(1))
        machine.has_rows(make_ct(1))


@contextmanager
def served(machine: Machine) -> Iterator[tuple[socket.socket, Future[None]]]:
    """Serve one association in a thread; give the peer's end of it, agreed on, and what tells that it has ended."""
    ours, theirs = socket.socketpair()
    receiver = machine.receiver
    pacer = Pacer(receiver.configuration, lambda _: None)
    association = Association(ours, "a peer", receiver, Negotiator(), pacer, lambda _: None, lambda: False)
    with ours, theirs, ThreadPoolExecutor(1) as thread:
        ended = thread.submit(association.run)
        theirs.settimeout(TIMEOUT_SECONDS)
        theirs.sendall(pdus.associate_request())
        assert read_pdu(theirs)[0] == pdus.ACCEPTED
        yield theirs, ended


@contextmanager
def waited_for() -> Iterator[Flag]:
    """Give what is set when somebody finds a file locked."""
    found = Flag()

    def look_again(seconds: float) -> None:
        found.set()
        sleep(seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(promised_files, "sleep", look_again)
        yield found
