"""Keeps key pictures, durably, before anybody is told of their findings."""

from __future__ import annotations

from collections.abc import Sequence

from inference.results import Identity
from voorrang.archive import ArchiveFullError, PictureFolder
from voorrang.logs import get_logger


def keep_pictures(
    folder: PictureFolder, study_instance_uid: str, identity: Identity, pictures: Sequence[bytes | None]
) -> tuple[str | None, ...]:
    """
    Write the pictures of a result.

    Named by the identity of the finding and their content: a retry that draws the same finds it there, and one whose
    model said something else (a GPU need not say the same twice) cannot put another picture under the result that
    counts.

    Parameters
    ----------
    folder
        Where they go.
    study_instance_uid
        Of the series.
    identity
        Of the result.
    pictures
        PNG of each finding, or None.

    Returns
    -------
    tuple of str or None
        Locator for each; None where there is no picture, and where the disk does not take it: a finding does not wait
        for a disk.
    """
    kept: list[str | None] = []
    for n, png in enumerate(pictures):
        locator = None
        if png is not None:
            try:
                locator = folder.store(study_instance_uid, identity.series_instance_uid, _name(identity, n), png)
            except ArchiveFullError as error:
                get_logger().error("key picture not kept", reason=str(error))
        kept.append(locator)
    return tuple(kept)


def _name(identity: Identity, n: int) -> str:
    model = identity.model
    facts = (identity.series_revision, model.model_id, model.version_label, model.weights_digest, identity.run, n)
    return "\x1f".join(str(fact) for fact in facts)
