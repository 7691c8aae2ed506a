from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from ingest.admission import Request, StoreStatus
from ingest.listening.incoming import FIRST_BYTES, MAX_IN_MEMORY_BYTES, STREAM_BYTES, Incoming
from ingest.received import HEAD_BYTES
from tests.integration.filling import files_at_most
from tests.integration.listening import (
    CT,
    EXPLICIT_LITTLE,
    Station,
    data_set_of,
    encoded,
    make_ct,
    make_station,
    own_database,
)
from voorrang.archive import Archive, ArchiveFullError
from voorrang.archive.instance_files import InstanceFiles
from voorrang.archive.write_ahead_log import BLOCK
from voorrang.clock import ManualClock

BEFORE = b"before the data set"
RANDOM = random.Random(4).randbytes(3 * MAX_IN_MEMORY_BYTES)
LARGE = MAX_IN_MEMORY_BYTES + 300_000
HUGE = 10**18


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


@pytest.fixture
def incoming(archive: Archive) -> Incoming:
    return Incoming(archive, InstanceFiles(archive))


def pour(incoming: Incoming, content: bytes, pieces: Iterable[int] = ()) -> bytes:
    """Pour a data set in, in pieces of these sizes and then in large ones; return all that it is."""
    incoming.begin(BEFORE)
    asked, rest = iter(pieces), memoryview(content)
    while rest:
        size = min(next(asked, 128 << 10), len(rest))
        room = incoming.room(size)
        assert 1 <= len(room) <= size
        room[:] = rest[: len(room)]
        incoming.filled(len(room))
        rest = rest[len(room) :]
    return BEFORE + content


def parts(archive: Archive) -> list[Path]:
    return list(archive.incoming.iterdir())


def part_of(incoming: Incoming) -> bytes:
    assert incoming.part is not None
    return Path(incoming.part).read_bytes()


@settings(max_examples=40, deadline=None)
@given(
    size=st.one_of(st.integers(0, 3000), st.integers(0, MAX_IN_MEMORY_BYTES), st.integers(0, 2 * MAX_IN_MEMORY_BYTES)),
    pieces=st.lists(st.integers(1, 300_000), max_size=30),
)
@example(size=FIRST_BYTES - BLOCK - len(BEFORE), pieces=[])
@example(size=FIRST_BYTES - BLOCK - len(BEFORE) + 1, pieces=[])
@example(size=MAX_IN_MEMORY_BYTES - len(BEFORE), pieces=[])
@example(size=MAX_IN_MEMORY_BYTES - len(BEFORE) + 1, pieces=[])
@example(size=STREAM_BYTES - len(BEFORE), pieces=[1])
def test_whatever_size_it_has_and_whatever_pieces_it_comes_in_all_of_it_is_there(size: int, pieces: list[int]) -> None:
    with TemporaryDirectory() as folder:
        archive = Archive(Path(folder))
        incoming = Incoming(archive, InstanceFiles(archive))
        whole = pour(incoming, RANDOM[:size], pieces)
        incoming.end()
        assert incoming.size_bytes == len(whole)
        if incoming.part is not None:
            assert part_of(incoming) == whole
        if incoming.is_in_memory:
            assert incoming.content() == whole
            assert incoming.head() == whole
        else:
            assert size > MAX_IN_MEMORY_BYTES - BLOCK
            assert incoming.head() == whole[:HEAD_BYTES]
        incoming.drop()
        assert parts(archive) == []


@pytest.mark.parametrize("size", [0, 1, BLOCK, FIRST_BYTES - BLOCK, FIRST_BYTES, 3 * FIRST_BYTES])
def test_what_is_in_memory_can_be_written_by_whole_blocks(incoming: Incoming, size: int) -> None:
    whole = pour(incoming, RANDOM[:size])
    assert incoming.is_in_memory
    assert incoming.buffer[: len(whole)] == whole
    assert len(incoming.buffer) >= (len(whole) + BLOCK - 1) // BLOCK * BLOCK


def test_what_is_small_makes_no_part_file(incoming: Incoming, archive: Archive) -> None:
    pour(incoming, RANDOM[: STREAM_BYTES - len(BEFORE) - 1])
    incoming.end()
    assert incoming.part is None
    assert parts(archive) == []


def test_the_part_file_is_written_while_the_rest_still_comes(incoming: Incoming) -> None:
    whole = pour(incoming, RANDOM[: 3 * STREAM_BYTES], [STREAM_BYTES, 10])
    so_far = part_of(incoming)
    assert STREAM_BYTES <= len(so_far) <= len(whole)
    assert whole.startswith(so_far)
    incoming.end()
    assert part_of(incoming) == whole


def test_a_head_is_new_once(incoming: Incoming) -> None:
    seen = []
    incoming.begin(BEFORE)
    for _ in range(60):
        incoming.filled(len(incoming.room(STREAM_BYTES)))
        seen.append(incoming.has_new_head)
        incoming.has_new_head = False
    assert seen.count(True) == 1
    assert seen.index(True) < 3


def test_memory_is_bounded_whatever_comes(incoming: Incoming) -> None:
    pour(incoming, RANDOM)
    assert len(incoming.buffer) <= MAX_IN_MEMORY_BYTES + BLOCK


@pytest.mark.parametrize("first", [10, 2 * STREAM_BYTES, LARGE])
def test_the_next_instance_begins_anew(incoming: Incoming, archive: Archive, first: int) -> None:
    pour(incoming, RANDOM[:first])
    whole = pour(incoming, b"second")
    incoming.end()
    assert incoming.content() == whole
    assert (incoming.is_in_memory, incoming.part) == (True, None)
    assert incoming.data_set_at == len(BEFORE)
    assert parts(archive) == []


def test_a_part_file_that_has_its_name_is_left_alone(incoming: Incoming, archive: Archive) -> None:
    whole = pour(incoming, RANDOM[:LARGE])
    incoming.end()
    assert incoming.part is not None
    named = archive.root / "named"
    Path(incoming.part).rename(named)
    incoming.hand_over()
    incoming.drop()
    assert named.read_bytes() == whole


class TestFullDisk:
    @pytest.mark.parametrize("size", [3 * STREAM_BYTES, LARGE, 2 * LARGE])
    @pytest.mark.parametrize("room", [0, 50_000, STREAM_BYTES + 50_000])
    def test_what_the_disk_refuses_is_counted_and_its_part_gone_at_once(
        self, incoming: Incoming, archive: Archive, size: int, room: int
    ) -> None:
        with files_at_most(room):
            whole = pour(incoming, RANDOM[:size])
            assert incoming.size_bytes == len(whole)
            assert incoming.head()[:1000] == whole[:1000]
            assert parts(archive) == []
            with pytest.raises(ArchiveFullError, match="disk refused"):
                incoming.end()
        assert parts(archive) == []

    def test_the_reserve_is_not_touched(self, incoming: Incoming, archive: Archive) -> None:
        archive.reserve_bytes = HUGE
        pour(incoming, RANDOM[:LARGE])
        assert parts(archive) == []
        with pytest.raises(ArchiveFullError, match="reserve"):
            incoming.end()

    def test_the_next_goes_through_when_there_is_room(self, incoming: Incoming, archive: Archive) -> None:
        archive.reserve_bytes = HUGE
        pour(incoming, RANDOM[:LARGE])
        archive.reserve_bytes = 0
        whole = pour(incoming, RANDOM[:LARGE])
        incoming.end()
        assert part_of(incoming) == whole


class TestReceiving:
    SIZES = (10, STREAM_BYTES + 5, FIRST_BYTES + 5, LARGE)

    @pytest.fixture
    def station(self, tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
        with own_database(tmp_path) as database:
            yield make_station(database, tmp_path / "data", clock)

    @pytest.mark.parametrize("size", SIZES)
    def test_it_is_stored_as_it_came(self, station: Station, size: int) -> None:
        large = make_ct(PixelData=RANDOM[: size // 2 * 2])
        assert station.receive(large) == [StoreStatus.SUCCESS]
        (locator,) = station.stored()
        assert data_set_of(station.runtime.archive.read(locator)) == encoded(large)
        assert parts(station.runtime.archive) == []

    @pytest.mark.parametrize("size", SIZES)
    def test_again_it_is_a_duplicate_and_other_bytes_a_conflict(self, station: Station, size: int) -> None:
        pixels = RANDOM[: size // 2 * 2]
        for sent in (pixels, pixels, pixels[:-2] + b"\0\0", pixels[:-2] + b"\0\0"):
            assert station.receive(make_ct(PixelData=sent)) == [StoreStatus.SUCCESS]
        assert [one.outcome for one in station.received()] == ["new", "duplicate", "conflict", "duplicate"]
        assert len(station.stored()) == 2
        assert parts(station.runtime.archive) == []

    @pytest.mark.parametrize("size", SIZES)
    def test_refused_it_is_kept_whole_in_quarantine(self, station: Station, size: int) -> None:
        sent = encoded(make_ct(PixelData=RANDOM[: size // 2 * 2]))
        other = Request(CT, "1.2.3", "SCANNER", "VOORRANG")
        assert station.receiver.receive(other, EXPLICIT_LITTLE, sent) == StoreStatus.DATA_SET_DOES_NOT_MATCH
        (refused,) = station.refused()
        assert refused.locator is not None
        assert data_set_of(station.runtime.archive.read(refused.locator)) == sent
        assert parts(station.runtime.archive) == []
        assert station.stored() == []

    @pytest.mark.parametrize("size", SIZES[1:])
    @pytest.mark.parametrize("room", [20_000, STREAM_BYTES + 20_000])
    def test_a_disk_that_is_full_is_said_and_the_next_goes_through(
        self, station: Station, size: int, room: int
    ) -> None:
        large = make_ct(PixelData=RANDOM[: max(size, room) // 2 * 2])
        with files_at_most(room):
            assert station.receive(large) == [StoreStatus.OUT_OF_RESOURCES]
        assert parts(station.runtime.archive) == []
        assert station.stored() == []
        assert [one.reason for one in station.refused()] == ["disk_full"]
        assert station.receive(large) == [StoreStatus.SUCCESS]
        assert [one.outcome for one in station.received()] == ["new"]


def test_whole_pages_are_written_while_more_comes(incoming: Incoming) -> None:
    whole = pour(incoming, RANDOM[: LARGE - 7], [STREAM_BYTES, 5, STREAM_BYTES])

    there = len(part_of(incoming))
    assert 0 < there < len(whole)
    assert there % BLOCK == 0
    incoming.end()
    assert part_of(incoming) == whole


def test_a_digest_is_made_only_where_the_log_asks_for_it(archive: Archive) -> None:
    for is_digested in (True, False):
        incoming = Incoming(archive, InstanceFiles(archive), is_digested=is_digested)
        whole = pour(incoming, RANDOM[: 4 * STREAM_BYTES])
        incoming.end()
        assert incoming.digest() == (xxh3_64_intdigest(whole) if is_digested else None)
        incoming.drop()
