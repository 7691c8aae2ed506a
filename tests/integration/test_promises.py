"""An instance is answered once the log has it; its file, which has the name already, and its entry follow."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event as Flag
from threading import Thread

import pytest

from ingest.admission import StoreStatus
from ingest.ledger import LedgerWriter
from ingest.listening.association import Association
from ingest.listening.pacing import Pacer
from ingest.recovery import recover
from ingest.tally import Count
from tests import pdus
from tests.integration.crashing import SEGMENT, Machine
from tests.integration.filling import files_at_most
from tests.integration.knocking import TIMEOUT_SECONDS, read_pdu
from tests.integration.listening import Station, encoded, make_ct, make_stack, make_station, own_database
from tests.integration.promising import CONTENT, UIDS, answer_only, outcomes, promised, served, waited_for
from voorrang.archive import Archive, ArchiveFullError
from voorrang.archive.instance_files import InstanceFiles
from voorrang.archive.promised_files import PromisedFile, lock
from voorrang.archive.write_ahead_log import BLOCK
from voorrang.clock import ManualClock

pytestmark = pytest.mark.integration

ROW = bytes(range(256)) * 400


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

    def test_who_waited_for_one_looks_at_the_next(
        self, files: InstanceFiles, archive: Archive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, has_begun = promised(files), Flag()

        def lock_the_next(descriptor: int) -> None:
            if not has_begun.is_set():  # meanwhile the first gives its name up and another takes it
                has_begun.set()
                first.withdraw()
                second = promised(files)
                second.fill(CONTENT)
                second.close()
            lock(descriptor)

        monkeypatch.setattr("voorrang.archive.instance_files.lock", lock_the_next)
        assert files.store(*UIDS, CONTENT).outcome == "duplicate"
        assert len(list(archive.instances())) == 1

    def test_a_part_that_somebody_removed_is_said(self, files: InstanceFiles) -> None:
        promised(files).close()
        part, descriptor = files.open_part()
        os.close(descriptor)
        Path(part).unlink()
        with pytest.raises(ArchiveFullError, match="No such file"):
            files.name(*UIDS, part, len(CONTENT))

    def test_withdrawn_where_nothing_can_be_removed_it_is_in_nobodys_way(
        self, files: InstanceFiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = promised(files)

        def refuse(path: str) -> None:
            raise OSError(30, "Read-only file system")

        with monkeypatch.context() as patch:
            patch.setattr(os, "unlink", refuse)
            file.withdraw()
        assert files.store(*UIDS, CONTENT).outcome == "new"


class TestKilledWhileItWrites:
    """One process of the listener is killed; another is sent the same before its successor has read the log."""

    @pytest.fixture
    def machine(self, station: Station, tmp_path: Path) -> Machine:
        return Machine(station, tmp_path / "synced", SEGMENT, boot="this run")

    def kill(self, machine: Machine, written_bytes: int) -> None:
        incoming = answer_only(machine, make_ct(1, PixelData=ROW))
        assert incoming.promise is not None
        file = incoming.promise.file
        os.pwrite(file.descriptor, incoming.content()[:written_bytes], 0)
        file.close()
        machine.receiver.journal.close()

    def beside(self, machine: Machine) -> Machine:
        return Machine(machine.station, machine.synced, SEGMENT, boot="this run", number=1)

    @pytest.mark.parametrize("written_bytes", [0, 30_000])
    def test_the_same_bytes_are_there_once(self, machine: Machine, written_bytes: int) -> None:
        self.kill(machine, written_bytes)
        self.beside(machine).receive(make_ct(1, PixelData=ROW))
        machine.start()
        machine.holds(make_ct(1, PixelData=ROW))

    @pytest.mark.parametrize("written_bytes", [0, 30_000])
    def test_other_bytes_are_kept_beside(self, machine: Machine, written_bytes: int) -> None:
        other = make_ct(1, PixelData=ROW[::-1])
        self.kill(machine, written_bytes)
        self.beside(machine).receive(other)
        machine.start()
        machine.holds(make_ct(1, PixelData=ROW), other)
        assert outcomes(machine) == ["conflict"]

    def test_a_part_of_it_gets_no_row(self, machine: Machine) -> None:
        self.kill(machine, 30_000)
        assert recover(machine.station.runtime, machine.station.intake) == 0
        machine.start()
        machine.holds(make_ct(1, PixelData=ROW))
        machine.has_rows(make_ct(1, PixelData=ROW))


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

    def test_one_that_is_refused_for_long_holds_up_no_other(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = answer_only(machine, make_ct(1)), answer_only(machine, make_ct(2))
        assert first.promise is not None
        bad, fill = first.promise.file, PromisedFile.fill

        def refuse(file: PromisedFile, content: memoryview) -> None:
            raise ArchiveFullError("the disk refused")

        monkeypatch.setattr(PromisedFile, "fill", refuse)
        for incoming in (first, second):
            machine.receiver.keep(incoming)
        monkeypatch.setattr(
            PromisedFile, "fill", lambda file, content: refuse(file, content) if file is bad else fill(file, content)
        )
        machine.receiver.owed.step()
        assert len(machine.receiver.owed) == 1
        assert machine.receiver.tally.read(Count.OWED) == 1

    def test_a_fault_of_ours_loses_nothing_either(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        incoming = answer_only(machine, make_ct(1))

        def fail(ledger: LedgerWriter, entry: bytes, counts: bool) -> None:
            raise RuntimeError

        stop = Flag()
        with monkeypatch.context() as patch:
            patch.setattr(type(machine.receiver.journal.ledger), "append", fail)
            patch.setattr("ingest.listening.owed.AGAIN_SECONDS", 0)
            machine.receiver.keep(incoming)
            asking = Thread(target=machine.receiver.owed.run, args=(stop,))
            asking.start()
            machine.receiver.owed.step()
        stop.set()
        asking.join()
        machine.receiver.owed.step()
        assert outcomes(machine) == ["new"]
        assert machine.receiver.tally.read(Count.OWED) == 0


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

    def test_who_is_held_back_is_promised_nothing_yet(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        log = machine.receiver.journal.log
        assert log is not None
        reached = []
        monkeypatch.setattr(Pacer, "wait", lambda pacer, title: reached.append((log.reached(), outcomes(machine))))
        with served(machine) as (peer, ended):
            peer.sendall(pdus.store_message(str(make_ct(1).SOPInstanceUID), encoded(make_ct(1))))
            assert read_pdu(peer)[0] == pdus.DATA
            peer.sendall(pdus.pdu(pdus.RELEASE, bytes(4)))
            ended.result(TIMEOUT_SECONDS)
        assert reached == [(0, [])]
        assert machine.station.stored() != []

    def test_who_does_not_hear_its_answer_holds_up_nothing(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[list[str]] = []
        answer = Association._answer
        monkeypatch.setattr(Association, "_hears", lambda association: False)

        def see_and_answer(*given: object) -> None:
            seen.append(outcomes(machine))
            answer(*given)  # type: ignore[arg-type]

        monkeypatch.setattr(Association, "_answer", see_and_answer)
        with served(machine) as (peer, ended):
            peer.sendall(pdus.store_message(str(make_ct(1).SOPInstanceUID), encoded(make_ct(1))))
            assert read_pdu(peer)[0] == pdus.DATA
            peer.sendall(pdus.pdu(pdus.RELEASE, bytes(4)))
            ended.result(TIMEOUT_SECONDS)
        assert seen == [["new"]]

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
