"""What a receiver has stored gives its room back, and stays where it is."""

from __future__ import annotations

from pathlib import Path

from voorrang.bench.emptying import empty_files


def test_every_file_is_there_and_empty_and_what_a_link_leads_to_is_left_alone(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"kept")
    folder = tmp_path / "receiver"
    deep = folder / "study" / "series"
    deep.mkdir(parents=True)
    files = [folder / "index.db", deep / "1.dcm", deep / "2.dcm"]
    for file in files:
        file.write_bytes(b"bytes")
    (deep / "link").symlink_to(outside)
    inodes = [file.stat().st_ino for file in files]
    empty_files(folder)
    assert [(file.stat().st_size, file.stat().st_ino) for file in files] == [(0, inode) for inode in inodes]
    assert outside.read_bytes() == b"kept"


def test_a_folder_that_was_never_made_is_no_fault(tmp_path: Path) -> None:
    empty_files(tmp_path / "nothing")
