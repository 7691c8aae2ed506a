"""
Sets aside what a crash of the machine may have torn: files that were coming in, and that nobody was answered for.

An instance has its name before the write-ahead log speaks of it. When the machine goes down in between, the disk may
hold a part of its bytes under its name, and what its sender sends again would become a conflict with that. Whatever
was answered Success and is younger than the last checkpoint stands in the log, so a younger file that is named
nowhere was under way. It goes to quarantine: it may be whole, and nothing is deleted that no person has looked at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingest.boots import tell_boot, told_boot
from ingest.ledger import REFUSAL, LedgerWriter, Position, encode_entry, read_entries
from ingest.received import HEAD_BYTES, UnreadableInstanceError, read_head, sender_of
from voorrang.archive.archive import SUFFIX, Archive
from voorrang.archive.durable import refusing_when_full, sync_folder
from voorrang.archive.own_names import numbered_folders
from voorrang.archive.write_ahead_log import WriteAheadLog
from voorrang.logs import get_logger

MACHINE_WENT_DOWN = "machine_went_down"  # the reason in quarantine
LEDGER = "0"  # it tells of what was set aside
_CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class TornFiles:
    """
    What may be torn in an archive that nobody writes to.

    Parameters
    ----------
    archive
        Whose listener does not run.
    boot
        What this run of the machine is called.
    most
        How many can have been under way. More than that, and the times of the files are not what they were, as in an
        archive that was copied: all stay.
    known
        Returns which of some locators have a row: a last look.
    """

    archive: Archive
    boot: str
    most: int
    known: Callable[[Sequence[str]], Collection[str]]

    @property
    def was_set_aside(self) -> bool:
        """Whether it was looked for in this run of the machine, or machines do not say when they started."""
        return self.boot in ("", told_boot(self.archive))

    def set_aside(self) -> int:
        """
        Move what may be torn to quarantine, once after each start of the machine; return how many files.

        Raises
        ------
        ArchiveFullError
            When the disk refuses: it is tried again at the next start.
        """
        if self.was_set_aside:
            return 0
        with refusing_when_full():
            found = self._under_way() if told_boot(self.archive) else []
            if found:
                self._move(found)
            tell_boot(self.archive, self.boot)
        return len(found)

    def _under_way(self) -> list[str]:
        young = _younger_than_checkpoint(self.archive)
        for named in (_in_logs, _in_ledgers):
            names = named(self.archive) if young else set()
            young = [locator for locator in young if locator not in names]
        if len(young) > self.most:
            get_logger().error("too many files that nobody names: none is set aside", count=len(young))
            return []
        names = set(self.known(young)) if young else set()
        return [locator for locator in young if locator not in names]

    def _move(self, found: Sequence[str]) -> None:
        ledger = LedgerWriter(self.archive.root / "ledger" / LEDGER)
        ledger.open()
        try:
            for locator in found:
                path = self.archive.path(locator)
                came_at, sender = datetime.fromtimestamp(path.stat().st_mtime, UTC), _sender(path)
                entry = {
                    "kind": REFUSAL,
                    "reason": MACHINE_WENT_DOWN,
                    "status": 0,  # none was answered
                    "locator": self.archive.quarantine_part(path, MACHINE_WENT_DOWN),
                    "sender": sender[:16],
                    "at": came_at.isoformat(),
                }
                ledger.append(encode_entry(entry), counts=False)
                sync_folder(path.parent)
            ledger.sync()
        finally:
            ledger.close()
        get_logger().warning("set aside what was under way when the machine went down", count=len(found))


def _younger_than_checkpoint(archive: Archive) -> list[str]:
    """Return the locators of what was written after any process of the listener had last synced the whole disk."""
    paths = [folder / "checkpoint.json" for folder in numbered_folders(_logs(archive))]
    checkpoints = [path.stat().st_mtime_ns for path in paths if path.exists()]
    return sorted(_younger_than(archive, max(checkpoints))) if checkpoints else []


def _younger_than(archive: Archive, since_ns: int) -> Iterator[str]:
    for folder in (archive.root / "studies").glob("*/*/*"):
        if folder.stat().st_mtime_ns < since_ns:
            continue  # no name has come since
        for path in folder.glob(f"*{SUFFIX}"):
            file = path.stat()
            if file.st_mtime_ns > since_ns and file.st_size:  # an empty one gives its name up by itself
                yield archive.locator(path)


def _in_logs(archive: Archive) -> set[str]:
    logs = [WriteAheadLog(folder) for folder in numbered_folders(_logs(archive))]
    return {json.loads(record.meta)["locator"] for log in logs for record in log.records()}


def _in_ledgers(archive: Archive) -> set[str]:
    named: set[str] = set()
    for folder in numbered_folders(archive.root / "ledger"):
        position = Position()
        while True:
            entries, position = read_entries(folder, position, _CHUNK)
            if not entries:
                break
            named |= {str(entry.get("locator")) for entry in entries}
    return named


def _sender(path: Path) -> str:
    with path.open("rb") as file:
        beginning = file.read(HEAD_BYTES)
    try:
        return sender_of(read_head(beginning, is_whole=False))
    except UnreadableInstanceError:
        return ""


def _logs(archive: Archive) -> Path:
    return archive.root / "write-ahead"
