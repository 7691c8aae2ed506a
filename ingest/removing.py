"""
Removes the files that are listed to be removed, but for those of which an instance came again.

What is sent again while its file is there is answered Success as a duplicate: nobody may remove that file any more. So
each is set apart first, then its locator is looked for in the ledger and among the rows, and only then it is dropped.
It comes off the list before that, lest a kill leaves on it what a sender has sent anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ingest import intake_store, retention_store
from ingest.boots import current_boot, is_restored
from ingest.desk import Desk
from ingest.ledger import named_in
from ingest.retention_store import Removal
from voorrang.archive import ArchiveFullError
from voorrang.archive.own_names import numbered_folders
from voorrang.archive.pictures import PictureFolder, is_of_pictures
from voorrang.archive.setting_apart import all_apart, drop, give_back, name_apart, set_apart, sync_apart
from voorrang.errors import RetryableError

_CHUNK = 500


def finish_removals(desk: Desk) -> None:
    """
    Remove every file that is listed to be removed, and what a kill left apart.

    To be called before anything else after a start too, lest what was decided on is taken for something new. A manifest
    has no row of its own: it stays when its series has instances again.

    Raises
    ------
    RetryableError
        When the archive lets some not be removed, or what a crash of the machine took is not brought back yet: they
        stay listed.
    """
    if not is_restored(desk.archive, current_boot()):
        raise RetryableError(
            "archive: what a crash of the machine took is not brought back yet, and nothing is removed"
        )
    refused = _drop_left_apart(desk)
    for some in _listed(desk):
        refused = _remove(desk, some) or refused
    if refused:
        raise RetryableError(f"archive: files that were to be removed are still there: {refused}")


def _listed(desk: Desk) -> Iterator[Sequence[Removal]]:
    """Give all that is listed, some at a time; no transaction is held in between."""
    after = ""
    while True:
        with desk.database.read() as connection:
            listed = retention_store.removals(connection, after, _CHUNK)
        if not listed:
            return
        yield listed
        after = listed[-1].locator


def _remove(desk: Desk, listed: Sequence[Removal]) -> str:
    """Remove some; return what the disk said of those that it did not let go."""
    done, refused = [], ""
    for removal in listed:
        try:
            if is_of_pictures(removal.locator):
                PictureFolder(desk.settings.pictures_dir).remove_series(removal.locator)
            elif not removal.is_in_use:
                set_apart(desk.archive, removal.locator)
            done.append(removal.locator)
        except OSError as error:
            refused = _words(error)
    files = [locator for locator in done if not is_of_pictures(locator)]
    try:
        sync_apart(desk.archive, files)
        again = _give_back_what_came_again(desk, done)
        drop(desk.archive, [name_apart(locator) for locator in files if locator not in again])
    except (OSError, ArchiveFullError) as error:
        refused = _words(error)
    return refused


def _give_back_what_came_again(desk: Desk, locators: Sequence[str]) -> set[str]:
    """Take these off the list, and return which came again: they have their names back."""
    again = _unread(desk)  # first: what is taken in between has its row
    with desk.database.write() as connection:
        again |= retention_store.in_use(connection, locators)
        for locator in again.intersection(locators):
            give_back(desk.archive, locator)
        retention_store.forget_removals(connection, locators)
    return again


def _unread(desk: Desk) -> set[str]:
    """Return the locators that the ledgers name and that nobody has taken in."""
    ledgers = numbered_folders(desk.settings.archive_dir / "ledger")
    with desk.database.read() as connection:
        positions = {ledger: intake_store.read_position(connection, ledger.name)[0] for ledger in ledgers}
    return {locator for ledger, position in positions.items() for locator in named_in(ledger, position)}


def _drop_left_apart(desk: Desk) -> str:
    """Drop what is apart and not listed any more: a kill came in between; return what the disk refused."""
    left = all_apart(desk.archive)  # first: whatever is set apart is listed until it is decided on
    if left:
        for some in _listed(desk):
            left -= {name_apart(removal.locator) for removal in some}
    try:
        drop(desk.archive, left)
    except OSError as error:
        return _words(error)
    return ""


def _words(error: OSError | ArchiveFullError) -> str:
    return (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
