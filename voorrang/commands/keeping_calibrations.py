"""Keeps a calibration of this site under its digest, before the register names it."""

from __future__ import annotations

from pathlib import Path

from voorrang.archive.durable import sync_file, sync_folder
from voorrang.calibration import file_of, read_calibration, require_bound
from voorrang.pathways.pathway import Pathway
from voorrang.register import ModelVersion, require_use
from voorrang.settings import Settings


def keep_calibration(path: Path, pathway: Pathway, version: ModelVersion, settings: Settings) -> str:
    """
    Check a calibration and keep a copy.

    Parameters
    ----------
    path
        Of the calibration.json.
    pathway, version
        What is being activated where.
    settings
        Of this site.

    Returns
    -------
    str
        Its SHA-256.

    Raises
    ------
    ConfigurationError
        When it cannot be read, or is about another pathway, model, weights, operating point or site.
    """
    found, digest = read_calibration(path)
    use = require_use(pathway, version.model_id)
    require_bound(
        found,
        pathway=pathway.name,
        model_id=version.model_id,
        weights_digest=version.weights_digest,
        operating_point=use.operating_point,
        site=settings.site,
    )
    settings.calibrations_dir.mkdir(parents=True, exist_ok=True)
    kept = file_of(settings.calibrations_dir, digest)
    part = kept.with_suffix(".part")
    part.write_bytes(path.read_bytes())
    sync_file(part)
    part.replace(kept)
    sync_folder(settings.calibrations_dir)
    return digest
