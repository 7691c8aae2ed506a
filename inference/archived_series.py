"""A series of the archive through its models: the manifest, the files, and patience with a disk that is away."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import BinaryIO

from inference.failures import Failure
from inference.model import Model
from inference.reading import Outcome, failed, gate, read_with_all
from inference.running.conditions import Conditions
from inference.selection import Quality, Rival
from voorrang.archive import Archive
from voorrang.archive.manifests import DamagedManifestError, read_manifest
from voorrang.dicom.headers import InstanceHeader
from voorrang.dicom.manifest import ManifestEntry, decode_manifest
from voorrang.logs import get_logger
from voorrang.pathways.criteria import SeriesCriteria

ATTEMPTS_TO_READ = 3


class DamagedInstanceError(OSError):
    """A file is not what was received: blocks that a crash took read as zeros, and a bleed in them is none."""


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
    left = dict(models)
    why = Failure.ARCHIVE_UNREADABLE
    for attempt in range(1, ATTEMPTS_TO_READ + 1):
        try:
            entries = _entries(archive, manifest)
            if entries is None:
                why = Failure.MANIFEST_UNREADABLE
                break
            series = _opening(archive, entries)
            for name, outcome in read_with_all(left, *series, criteria, ladder, rivals, with_pictures=True):
                yield name, outcome
                left = {other: model for other, model in left.items() if other != name}
            return
        except FileNotFoundError:
            why = Failure.INSTANCE_MISSING
            break
        except OSError as error:
            why = Failure.INSTANCE_DAMAGED if isinstance(error, DamagedInstanceError) else Failure.ARCHIVE_UNREADABLE
            get_logger().warning("archive", reason=type(error).__name__, attempt=attempt)
            if attempt < ATTEMPTS_TO_READ:
                wait(attempt)
    yield from ((name, failed(why)) for name in left)


def gate_archived(
    archive: Archive, manifest: str, criteria: SeriesCriteria, rivals: Sequence[Rival]
) -> Outcome | Quality | None:
    """Ask a pathway's `gate` about a series of the archive; None when it cannot say: reading says what is wrong."""
    try:
        return gate([entry.header for entry in decode_manifest(read_manifest(archive, manifest))], criteria, rivals)
    except Exception as error:  # noqa: BLE001 - whatever odd headers or a disk raise, reading meets and records it
        get_logger().warning("gate", reason=type(error).__name__)
        return None


def _entries(archive: Archive, manifest: str) -> list[ManifestEntry] | None:
    """Return what a manifest holds; None when it is gone or damaged. OSError is raised on: a disk is asked again."""
    try:
        return decode_manifest(read_manifest(archive, manifest))
    except (FileNotFoundError, DamagedManifestError, ValueError, KeyError, TypeError, AttributeError) as error:
        get_logger().error("manifest unreadable", reason=type(error).__name__)
        return None


def _opening(
    archive: Archive, entries: Sequence[ManifestEntry]
) -> tuple[list[InstanceHeader], Callable[[InstanceHeader], BinaryIO]]:
    by_uid = {entry.header.sop_instance_uid: entry for entry in entries}

    def open_instance(header: InstanceHeader) -> BinaryIO:
        """Open the file of a header, if it is as it was received."""
        entry = by_uid[header.sop_instance_uid]
        file = archive.path(entry.locator).open("rb")
        try:
            if entry.content_sha256 and hashlib.file_digest(file, "sha256").hexdigest() != entry.content_sha256:
                raise DamagedInstanceError
            file.seek(0)
        except OSError:
            file.close()
            raise
        return file

    return [entry.header for entry in entries], open_instance
