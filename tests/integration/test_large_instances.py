"""Instances too large for memory: stored or quarantined byte for byte, whatever they describe before their pixels."""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset
from pynetdicom.dsutils import encode

from ingest.admission import Request, StoreStatus
from tests import pdus
from tests.integration.knocking import connect, read_pdu
from tests.integration.listener_process import ListenerProcess, listener_process
from tests.integration.listening import STUDY, Station, make_ct, make_station, own_database
from voorrang.clock import ManualClock
from voorrang.identity import look_up

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
]

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
SYNTAXES = {  # UID, and how pynetdicom encodes it: implicit, little-endian, deflated
    "explicit": ("1.2.840.10008.1.2.1", (False, True, False)),
    "implicit": ("1.2.840.10008.1.2", (True, True, False)),
    "big-endian": ("1.2.840.10008.1.2.2", (False, False, False)),
    "deflated": ("1.2.840.10008.1.2.1.99", (False, True, True)),
}
FRAMES = 600
PIECE_BYTES = 1 << 20
PIECES = 100
FRAGMENT_BYTES = 128_000
MAX_GROWTH_KB = 40_000
PATIENCE_SECONDS = 200.0  # a slow disk may take long to sync 100 MB
CLAIMED = f"{STUDY}.1.1"


def make_enhanced(frames: int, *, is_undefined: bool = True) -> Dataset:
    """Make an enhanced multi-frame CT without pixels whose frames have a kilobyte of description each."""
    ds = make_ct(1, SOPClassUID=ENHANCED_CT, NumberOfFrames=frames)
    del ds.PixelData
    items = [_frame(number, is_undefined) for number in range(frames)]
    ds.PerFrameFunctionalGroupsSequence = items
    ds["PerFrameFunctionalGroupsSequence"].is_undefined_length = is_undefined
    return ds


def _frame(number: int, is_undefined: bool) -> Dataset:
    frame, position, content = Dataset(), Dataset(), Dataset()
    position.ImagePositionPatient = [0, 0, number]
    content.FrameComments = "x" * 1_000
    frame.PlanePositionSequence, frame.FrameContentSequence = [position], [content]
    frame.is_undefined_length_sequence_item = is_undefined
    return frame


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[ListenerProcess]:
    with listener_process(tmp_path) as running:
        yield running


def pieces() -> Iterator[bytes]:
    """Give 100 MB that repeat nowhere."""
    chance = random.Random(5)
    return (chance.randbytes(PIECE_BYTES) for _ in range(PIECES))


def store_large(listener: ListenerProcess, sop_instance_uid: str) -> tuple[bytes, str]:
    """Send 100 MB of an enhanced CT; return the answer's PDU and the digest of the data set."""
    head = encode(make_enhanced(FRAMES), False, True)
    assert head is not None
    head += b"\xe0\x7f\x10\x00OW\0\0" + (PIECE_BYTES * PIECES).to_bytes(4, "little")
    digest = hashlib.sha256(head)
    command = pdus.command_set(pdus.C_STORE, ENHANCED_CT, sop_instance_uid, has_data_set=True)
    with connect(listener.port) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        connection.sendall(pdus.associate_request(stored=ENHANCED_CT))
        assert read_pdu(connection)[0] == pdus.ACCEPTED
        connection.sendall(pdus.pdu(pdus.DATA, pdus.pdv(pdus.CT_CONTEXT, pdus.COMMAND | pdus.LAST, command)))
        connection.sendall(_data(head))
        for piece in pieces():
            digest.update(piece)
            connection.sendall(_data(piece))
        connection.sendall(pdus.pdu(pdus.DATA, pdus.pdv(pdus.CT_CONTEXT, pdus.LAST, b"")))
        return read_pdu(connection), digest.hexdigest()


def _data(piece: bytes) -> bytes:
    cut = [piece[at : at + FRAGMENT_BYTES] for at in range(0, len(piece), FRAGMENT_BYTES)]
    return b"".join(pdus.pdu(pdus.DATA, pdus.pdv(pdus.CT_CONTEXT, 0, fragment)) for fragment in cut)


def digest_after_meta(path: Path) -> str:
    """Return the digest of the data set of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        start = file.read(144)
        file.seek(144 + int.from_bytes(start[140:144], "little"))
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def require_little_growth(before_kb: dict[int, int], listener: ListenerProcess) -> None:
    """Check that no process of the listener took much more memory than it had."""
    after_kb = listener.peak_kb()
    assert after_kb.keys() == before_kb.keys()
    growth_kb = [after_kb[pid] - before_kb[pid] for pid in before_kb]
    assert max(growth_kb) < MAX_GROWTH_KB, growth_kb


def test_100_mb_are_stored_byte_for_byte_in_little_memory(listener: ListenerProcess) -> None:
    before_kb = listener.peak_kb()
    answer, digest = store_large(listener, CLAIMED)
    assert status_of(answer) == StoreStatus.SUCCESS
    (stored,) = (listener.archive_dir / "studies").rglob("*.dcm")
    assert stored.name == f"{CLAIMED}.dcm"
    assert digest_after_meta(stored) == digest
    require_little_growth(before_kb, listener)
    assert list((listener.archive_dir / "incoming").iterdir()) == []


def test_100_mb_that_are_refused_lie_in_quarantine_byte_for_byte(listener: ListenerProcess) -> None:
    before_kb = listener.peak_kb()
    answer, digest = store_large(listener, "1.2/../3")
    assert status_of(answer) == StoreStatus.INVALID_OBJECT_INSTANCE
    assert not list((listener.archive_dir / "studies").rglob("*.dcm"))
    kept, reason = sorted((listener.archive_dir / "quarantine").iterdir())
    assert digest_after_meta(kept) == digest
    assert reason.read_text() == "bad_sop_instance_uid"
    require_little_growth(before_kb, listener)


def status_of(answer: bytes) -> int:
    """Return the status of a C-STORE response."""
    at = answer.index(pdus.element(0x0900, b"")[:4] + b"\2\0\0\0") + 8
    return int.from_bytes(answer[at : at + 2], "little")


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("frames", [1, 100, FRAMES])
@pytest.mark.parametrize("is_undefined", [True, False])
def test_a_large_instance_is_indexed_whatever_its_frames_describe(
    tmp_path: Path, clock: ManualClock, syntax: str, frames: int, is_undefined: bool
) -> None:
    uid, how = SYNTAXES[syntax]
    ds = make_enhanced(frames, is_undefined=is_undefined)
    ds.add_new(0x7FE00010, "OW", random.Random(1).randbytes(6_000_000))
    data_set = encode(ds, *how)
    assert data_set is not None
    with own_database(tmp_path) as database:
        station = make_station(database, tmp_path / "data", clock)
        status = station.receiver.receive(Request(ENHANCED_CT, CLAIMED, "SCANNER", "VOORRANG"), uid, data_set)
        assert status == StoreStatus.SUCCESS
        require_known(station, frames)


def require_known(station: Station, frames: int) -> None:
    """Check that the instance was indexed, and that the identity store has whose it is."""
    (received,) = station.received()
    assert received.header_values["number_of_frames"] == frames
    assert received.header_values["rows"] == 4
    station.take_in()
    with station.runtime.database.read() as connection:
        assert look_up(connection, [STUDY])[STUDY].patient.name == "Test^Patient"
