"""A series of the archive through its models: the manifest, the files, and patience with a disk that is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import BinaryIO

from inference.failures import Failure
from inference.model import Model
from inference.reading import Outcome, failed, gate, read_with_all
from inference.running.conditions import Conditions
from inference.selection import Quality, Rival
from voorrang.archive import Archive
from voorrang.dicom.headers import InstanceHeader
from voorrang.dicom.manifest import ManifestEntry, decode_manifest
from voorrang.logs import get_logger
from voorrang.pathways.criteria import SeriesCriteria

ATTEMPTS_TO_READ = 3


def read_archived(
    models: Mapping[str, Model],
    archive: Archive,
    manifest: str,
    criteria: SeriesCriteria | None,
    ladder: Sequence[Conditions],
    rivals: Sequence[Rival] = (),
    wait: Callable[[float], object] = time.sleep,
) -> Iterator[tuple[str, Outcome]]:
    """
    Let models read a series of the archive.

    Parameters
    ----------
    models
        By name.
    archive
        Where the series lies.
    manifest
        Locator of its manifest.
    criteria
        What the pathway asks beside each model's own scope.
    ladder
        Conditions to compute under, the best first.
    rivals
        Other series of the study that models have scored.
    wait
        Called with seconds between attempts to read from a disk that gives errors.

    Yields
    ------
    tuple of str and Outcome
        Name and outcome of each model, each as soon as it is there; exactly one for each.
    """
    try:
        entries = decode_manifest(archive.read(manifest))
    except (OSError, ValueError, KeyError, TypeError) as error:
        get_logger().error("manifest unreadable", reason=type(error).__name__)
        yield from ((name, failed(Failure.MANIFEST_UNREADABLE)) for name in models)
        return
    left = dict(models)
    why = Failure.ARCHIVE_UNREADABLE
    for attempt in range(1, ATTEMPTS_TO_READ + 1):
        try:
            series = _opening(archive, entries)
            for name, outcome in read_with_all(left, *series, criteria, ladder, rivals, with_pictures=True):
                yield name, outcome
                left = {other: model for other, model in left.items() if other != name}
            return
        except FileNotFoundError:
            why = Failure.INSTANCE_MISSING
            break
        except OSError as error:
            get_logger().warning("archive", reason=type(error).__name__, attempt=attempt)
            if attempt < ATTEMPTS_TO_READ:
                wait(attempt)
    yield from ((name, failed(why)) for name in left)


def gate_archived(
    archive: Archive, manifest: str, criteria: SeriesCriteria, rivals: Sequence[Rival]
) -> Outcome | Quality | None:
    """Ask a pathway's `gate` about a series of the archive; None when it cannot say: reading says what is wrong."""
    try:
        return gate([entry.header for entry in decode_manifest(archive.read(manifest))], criteria, rivals)
    except Exception as error:  # noqa: BLE001 - whatever odd headers or a disk raise, reading meets and records it
        get_logger().warning("gate", reason=type(error).__name__)
        return None


def _opening(
    archive: Archive, entries: Sequence[ManifestEntry]
) -> tuple[list[InstanceHeader], Callable[[InstanceHeader], BinaryIO]]:
    locators = {entry.header.sop_instance_uid: entry.locator for entry in entries}

    def open_instance(header: InstanceHeader) -> BinaryIO:
        """Open the file of a header."""
        return archive.path(locators[header.sop_instance_uid]).open("rb")

    return [entry.header for entry in entries], open_instance
