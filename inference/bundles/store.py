"""Bundles that were added, in the data folder: one folder for each digest, and which of them runs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from inference.bundles.contract import CONTRACT, INFERENCE, METADATA, NAME_PATTERN
from inference.bundles.folder import BundleFolder, known_contract, missing, read_bundle
from inference.bundles.problems import BundleError, Problem
from voorrang.errors import ConfigurationError

CURRENT = "current"
_CONFIGURATION = (METADATA, INFERENCE, CONTRACT)
_DIGEST = re.compile(r"[0-9a-f]{64}")


def added_names(bundles_dir: Path) -> list[str]:
    """Return the names of the models that were added."""
    return sorted(path.parent.name for path in bundles_dir.glob(f"*/{CURRENT}"))


def find_added(bundles_dir: Path, name: str) -> Path | None:
    """Return the folder of the bundle that runs under a name: the one that was added last; None without one."""
    if not re.fullmatch(NAME_PATTERN, name):
        return None
    try:
        digest = (bundles_dir / name / CURRENT).read_text().strip()
    except FileNotFoundError:
        return None
    return bundles_dir / name / digest


def read_added(folder: Path) -> BundleFolder:
    """
    Read a bundle that was added, and check that it is what was added.

    Raises
    ------
    BundleError
        When its files are missing or were changed since.
    """
    remedy = "add the bundle again: `voorrang model add`"
    if not _DIGEST.fullmatch(folder.name) or not folder.is_dir():
        raise BundleError(Problem(str(folder), "", "what was added is not there", remedy))
    bundle = read_bundle(folder)
    if bundle.weights_digest != folder.name:
        raise BundleError(Problem(str(folder), "", "its files were changed since it was added", remedy))
    return bundle


@contextmanager
def gathered(source: Path, configs: Path | None, bundles_dir: Path) -> Iterator[BundleFolder]:
    """
    Copy what a model is made of into the data folder, read it there, and take it away again unless it is kept.

    Nothing else of a bundle is copied: its scripts are never run, so they are not needed.

    Parameters
    ----------
    source
        The bundle's folder.
    configs
        Configuration files that take the place of the bundle's own, or are added to them; None: there are none.
    bundles_dir
        In the data folder.

    Yields
    ------
    BundleFolder
        Read from the copy.

    Raises
    ------
    BundleError
        When it does not keep its own words, or none of the configuration files is in `configs`.
    """
    if configs is not None and not any((configs / Path(file).name).is_file() for file in _CONFIGURATION):
        text = "none of metadata.json, inference.json and voorrang.json is in it"
        raise BundleError(Problem(str(configs), "", text, "give --configs the folder that holds yours"))
    bundles_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".adding-", dir=bundles_dir) as temporary:
        folder = Path(temporary) / "bundle"
        (folder / "configs").mkdir(parents=True)
        for file in _CONFIGURATION:
            _copy_configuration(source, configs, folder, file)
        _require(folder, source, METADATA, INFERENCE)
        contract = known_contract(folder)
        if contract is not None:
            (folder / CONTRACT).write_text(contract, encoding="utf-8")
        _require(folder, source, CONTRACT)
        _copy_weights(source, folder)
        bundle = read_bundle(folder)
        for path in (folder / "models").iterdir():
            if f"models/{path.name}" not in bundle.digests:
                path.unlink()
        yield bundle


def keep(bundle: BundleFolder, bundles_dir: Path) -> Path:
    """
    Make a gathered bundle the one that runs under its name.

    Parameters
    ----------
    bundle
        From `gathered`; checked by then.
    bundles_dir
        In the data folder.

    Returns
    -------
    Path
        Where it lies now. Bundles that were added before stay: adding one again makes it the one that runs.
    """
    place = bundles_dir / bundle.contract.model / bundle.weights_digest
    place.parent.mkdir(exist_ok=True)
    if place.exists():
        shutil.rmtree(place)  # the same files, or what somebody made of them
    bundle.folder.rename(place)
    written = place.parent / f".{CURRENT}"
    written.write_text(bundle.weights_digest + "\n")
    written.replace(place.parent / CURRENT)
    return place


def _copy_configuration(source: Path, configs: Path | None, folder: Path, file: str) -> None:
    places = [source / file]
    if configs is not None:
        places.insert(0, configs / Path(file).name)
    found = next((place for place in places if place.is_file()), None)
    if found is not None:
        _copy(found, folder / file)


def _require(folder: Path, source: Path, *files: str) -> None:
    """Say what was not copied by the folder that somebody typed: the copy is gone when it is read."""
    for file in files:
        if not (folder / file).is_file():
            raise missing(file, source)


def _copy_weights(source: Path, folder: Path) -> None:
    """Copy the weights whatever they are called: the contract says which are used, the others go again."""
    (folder / "models").mkdir()
    weights = source / "models"
    for path in sorted(weights.iterdir()) if weights.is_dir() else ():
        if path.is_file() and path.suffix in {".pt", ".pth", ".ts"}:
            _copy(path, folder / "models" / path.name)


def _copy(path: Path, to: Path) -> None:
    try:
        shutil.copyfile(path, to)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be copied: {error.strerror}") from error
