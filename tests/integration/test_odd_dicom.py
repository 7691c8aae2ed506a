"""
Every odd file is pushed at the listener: each is stored or refused with a coded status, and none stops the next.

The outcomes are the table in docs/odd-dicom.md. `python -m tests.integration.test_odd_dicom` prints it anew.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ingest.admission import StoreStatus
from tests.integration.listening import (
    ROOT,
    Station,
    data_set_of,
    listening,
    make_station,
    own_database,
    real_data,
    send,
)
from tests.neighbours.raw_scu import RawSCU
from voorrang.clock import ManualClock
from voorrang.identifiers import is_uid

pytestmark = [
    pytest.mark.integration,
    # What pydicom says of these files goes to the log in a running service; here it would end the listener's thread.
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

PAGE = ROOT / "docs" / "odd-dicom.md"
INVENTED = "1.2.826.0.1.3680043.8.498.99"
CT = "1.2.840.10008.5.1.4.1.1.2"
ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
WHY_REFUSED = {
    "bad_study_or_series_uid": "no usable Study or Series Instance UID",
    "sop_instance_uid_differs": "the data set has another SOP Instance UID than the command, or none",
    "unreadable_data_set": "the bytes cannot be read as a data set",
}


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was put on the network for a file."""

    how: str
    transfer_syntax: UID
    data_set: bytes
    status: int | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of the table."""

    name: str
    how: str
    outcome: str
    why: str

    def row(self) -> str:
        """Return the row as Markdown."""
        return f"| `{self.name}` | {self.how} | {self.outcome} | {self.why} |"


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    with own_database(tmp_path) as database, listening(make_station(database, tmp_path / "data", clock)) as station:
        yield station


def test_every_odd_file_is_stored_or_refused_as_the_table_says_and_none_stops_the_next(station: Station) -> None:
    files = sorted(path for path in real_data("odd-dicom").iterdir() if path.is_file())
    assert len(files) >= 40
    with RawSCU(station.port) as watcher:
        outcomes = [push_and_judge(station, watcher, path) for path in files]
    station.take_in()
    station.account()
    expected = [Outcome(*(cell.strip() for cell in cells)) for cells in ROW.findall(PAGE.read_text(encoding="utf-8"))]
    assert outcomes == expected


def push_and_judge(station: Station, watcher: RawSCU, path: Path) -> Outcome:
    """Send a file, check by another association that the listener goes on, and check what the archive holds of it."""
    before_stored, before_refused = set(station.stored()), len(station.refused())
    pushed = push(station.port, path)
    assert pushed.status in set(StoreStatus), f"{path.name}: {pushed.status}"
    assert watcher.echo() == StoreStatus.SUCCESS
    new = sorted(set(station.stored()) - before_stored)
    refused = station.refused()[before_refused:]
    if pushed.status == StoreStatus.SUCCESS:
        assert refused == []
        assert pushed.data_set in [data_set_of(station.runtime.archive.read(one)) for one in new or before_stored]
        if not new:
            return Outcome(
                path.name, pushed.how, "stored before", "the very data set was there: Success, nothing added"
            )
        if station.runtime.archive.is_conflict(new[0]):
            return Outcome(
                path.name, pushed.how, "stored beside", "the UID was there with other bytes: both kept, flagged"
            )
        return Outcome(path.name, pushed.how, "stored", pushed.transfer_syntax.name)
    assert new == []
    assert [data_set_of(station.runtime.archive.read(one.locator or "")) for one in refused] == [pushed.data_set]
    why = WHY_REFUSED[refused[0].reason]
    return Outcome(path.name, pushed.how, f"refused 0x{pushed.status:04X}", why)


def push(port: int, path: Path) -> Pushed:
    """Send by pynetdicom what it can send, else by hand."""
    content = path.read_bytes()
    head = readable_head(content)
    meta = head.file_meta if head is not None else None
    names = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")
    if meta is not None and all(meta.get(name) for name in names):
        syntax, sop_class = UID(meta.TransferSyntaxUID), str(meta.MediaStorageSOPClassUID)
        if is_storage(sop_class):
            status = send(port, [path], [(sop_class, str(syntax))])[0]
            return Pushed("pynetdicom", syntax, after_meta(content), status)
    return push_raw(port, content, head)


def push_raw(port: int, content: bytes, head: Dataset | None) -> Pushed:
    """Send the bytes after the meta header, or all where there is none, under the file's own UIDs where it has any."""
    syntax = syntax_of(content, head)
    sop_class = element(head, "SOPClassUID")
    sop_class = sop_class if is_storage(sop_class) else CT
    sop_instance = element(head, "SOPInstanceUID") if is_uid(element(head, "SOPInstanceUID")) else INVENTED
    context = (sop_class, str(syntax))
    with RawSCU(port, [context]) as scu:
        assert context in scu.accepted
        data_set = after_meta(content)
        return Pushed("raw", syntax, data_set, scu.store(context, sop_class, sop_instance, data_set))


def readable_head(content: bytes) -> Dataset | None:
    """Return the head of a file by pydicom, forced where it must be; None where it cannot."""
    try:
        return dcmread(BytesIO(content), stop_before_pixels=True, force=True)
    except Exception:  # noqa: BLE001 - these files are made to be unreadable
        return None


def element(head: Dataset | None, keyword: str) -> str:
    """Return an element of a head as text; empty where it cannot be read."""
    try:
        return str(head.get(keyword) or "") if head is not None else ""
    except Exception:  # noqa: BLE001
        return ""


def is_storage(sop_class: str) -> bool:
    """Tell whether an instance of this class can be negotiated."""
    return sop_class.startswith(("1.2.840.10008.5.1.4.1.1.", "1.2.840.10008.5.1.4.34."))


def syntax_of(content: bytes, head: Dataset | None) -> UID:
    """Return the transfer syntax that a file names, or the one that its first bytes look like."""
    named = element(head.file_meta if head is not None else None, "TransferSyntaxUID")
    if named:
        return UID(named)
    first = after_meta(content)[:8]
    if first[4:6].isalpha() and first[4:6].isupper():
        return ExplicitVRBigEndian if first[0] == 0 else ExplicitVRLittleEndian
    return ImplicitVRLittleEndian


def after_meta(content: bytes) -> bytes:
    """Return what follows preamble and group 0002; all of it where there is neither."""
    at = 132 if content[128:132] == b"DICM" else 0
    start = at
    while content[at : at + 2] == b"\x02\x00":
        vr = content[at + 4 : at + 6]
        if vr in (b"OB", b"OW", b"UN", b"SQ", b"UT"):
            at += 12 + int.from_bytes(content[at + 8 : at + 12], "little")
        else:
            at += 8 + int.from_bytes(content[at + 6 : at + 8], "little")
    return content[at:] if at > start or start == 132 else content


def _print_table() -> None:
    from tempfile import TemporaryDirectory

    from tests.builders import START

    warnings.simplefilter("ignore")
    with TemporaryDirectory() as name, own_database(Path(name)) as database:
        made = make_station(database, Path(name) / "data", ManualClock(START))
        with listening(made) as station, RawSCU(station.port) as watcher:
            for path in sorted(path for path in real_data("odd-dicom").iterdir() if path.is_file()):
                print(push_and_judge(station, watcher, path).row())  # noqa: T201


if __name__ == "__main__":
    _print_table()
