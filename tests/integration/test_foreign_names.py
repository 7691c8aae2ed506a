"""What others put into the listener's folders ends nothing, is used for nothing, and stays as it is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from threading import Event as Flag

import pytest

from ingest.ledger import LedgerWriter, Position, read_entries, segments
from ingest.listening.configuration import ListenerConfiguration
from tests.integration.listener_process import listener_process
from tests.integration.listening import make_ct, send
from tests.integration.write_ahead import SEGMENT, make_log, opened, read, write
from voorrang.archive import Archive
from voorrang.archive.spare_files import SpareFiles
from voorrang.purpose import Purpose
from voorrang.site_secret import make_secret

pytestmark = pytest.mark.integration

NAME = "Jansen Piet.txt"


def put_beside(folder: Path) -> dict[Path, bytes]:
    """Put into a folder what people, editors and file systems put there; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("lost+found", "0 copy", "0.bak"):
        (folder / name).mkdir()
    (folder / "0.bak" / "segment-000").write_bytes(b"a copy")
    for name in ("README", ".5.swp", "9~", "007", "\u00b2", NAME):
        (folder / name).write_text("somebody's")
    (folder / "empty~").touch()
    return contents(folder)


def contents(folder: Path) -> dict[Path, bytes]:
    """Return every file and folder beneath one; nothing for the bytes of a folder."""
    return {path: path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def test_among_spare_files_they_stay_and_are_never_taken_for_one(tmp_path: Path) -> None:
    folder = tmp_path / "spare"
    there = put_beside(folder)
    (folder / "7").mkdir()
    (tmp_path / "elsewhere").touch()
    (folder / "8").symlink_to(tmp_path / "elsewhere")
    (folder / "3").touch()
    (folder / "4").write_bytes(b"half an instance")
    spare = SpareFiles(folder, most=3)
    assert len(spare) == 1
    spare.fill(Flag())
    taken = {Path(opened[0]).name for _ in range(3) if (opened := spare.open())}
    assert taken == {"3", "5", "6"}
    assert there.items() <= contents(folder).items()
    assert (folder / "7").is_dir()
    assert (folder / "8").is_symlink()


def test_in_a_write_ahead_log_they_stay_and_are_no_segments(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        write(log, 10, 20)
    shutil.copy(tmp_path / "segment-000", tmp_path / "segment-000.bak")
    (tmp_path / "segment-notes").write_bytes(b"see the wiki")
    (tmp_path / "segment-lost").mkdir()
    (tmp_path / "segment-001~").write_bytes(bytes(SEGMENT))
    there = put_beside(tmp_path) | contents(tmp_path)
    foreign = {path: content for path, content in there.items() if path.name not in ("segment-000", "checkpoint.json")}
    again = make_log(tmp_path)
    assert len(list(again.records())) == 2
    again.open()
    written = write(again, 30)
    again.close()
    assert read(tmp_path) == written
    assert foreign.items() <= contents(tmp_path).items()


def test_in_a_ledger_they_are_no_segments(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path)
    writer.open()
    writer.append(b'{"kind":"instance"}', counts=True)
    writer.close()
    (segment,) = tmp_path.glob("*.ledger")
    shutil.copy(segment, tmp_path / "copy.ledger")
    assert segments(tmp_path) == [int(segment.stem)]
    assert len(read_entries(tmp_path, Position(), 10)[0]) == 1


def test_a_folder_among_half_written_parts_stays(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.prepare()
    (archive.incoming / "lost+found").mkdir()
    (archive.incoming / "1-a-0").touch()
    archive.drop_parts()
    assert [path.name for path in archive.incoming.iterdir()] == ["lost+found"]


def test_the_listener_starts_beside_them_and_writes_a_line_without_their_names(tmp_path: Path) -> None:
    folders = [tmp_path / "archive" / name for name in ("write-ahead", "write-ahead/0", "spare", "spare/0")]
    there = {path: content for folder in folders for path, content in put_beside(folder).items()}
    with listener_process(tmp_path) as listener:
        assert send(listener.port, [make_ct(1)]) == [0]
    assert there.items() <= contents(tmp_path / "archive").items()
    lines = [json.loads(line) for line in (tmp_path / "listener.log").read_text().splitlines()]
    told = [line["folder"] for line in lines if "left alone" in line["event"]]
    assert told == ["write-ahead", "spare", "write-ahead/0", "spare/0"]
    assert "Jansen" not in (tmp_path / "listener.log").read_text()


def volatile(folder: Path) -> subprocess.CompletedProcess[str]:
    """Start a listener that is to end at once: that answers before bytes are on disk."""
    make_secret(folder / "secret")
    told = ListenerConfiguration(
        "127.0.0.1",
        0,
        folder / "archive",
        folder / "secret",
        {"VOORRANG": Purpose.CLINICAL},
        is_durable=False,
    )
    command = [sys.executable, "-m", "ingest.listening", told.to_json()]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_without_a_log_none_starts_where_a_log_holds_what_was_answered(tmp_path: Path) -> None:
    folder = tmp_path / "archive" / "write-ahead" / "7"
    with opened(folder) as log:
        written = write(log, 10)
    ended = volatile(tmp_path)
    assert ended.returncode == 1
    assert "start once without --volatile" in ended.stderr
    assert read(folder) == written


def test_without_a_log_one_starts_when_what_was_answered_is_on_disk(tmp_path: Path) -> None:
    folder = tmp_path / "archive" / "write-ahead" / "7"
    with opened(folder) as log:
        write(log, 10)
        log.checkpoint(log.reached())
    with listener_process(tmp_path, is_durable=False) as listener:
        assert send(listener.port, [make_ct(1)]) == [0]
