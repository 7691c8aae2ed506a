"""`voorrang model add`: a model of the platform, or a MONAI bundle from a folder or an address, into the register."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voorrang import register
from voorrang.clock import SystemClock
from voorrang.database import Connection, Database
from voorrang.errors import ConfigurationError
from voorrang.migrating import require_current
from voorrang.pathways.loading import load_pathways
from voorrang.pathways.pathway import Pathway
from voorrang.register import ModelVersion
from voorrang.settings import Settings, load_settings
from voorrang.statement import RESEARCH, Shows

if TYPE_CHECKING:
    from inference.model import Model


def add_parser(verbs: Any) -> None:
    """Add this verb."""
    add = verbs.add_parser(
        "add",
        help="register a model, influence none: one of the platform, or a MONAI bundle, which is checked and copied",
    )
    add.add_argument(
        "what", metavar="NAME|DIR|URL", help="reference-head, a bundle's folder, or the address of its zip"
    )
    add.add_argument(
        "--sha256", metavar="HEX", help="with a URL: digest of the zip, required; with a folder: the weights digest"
    )
    add.add_argument(
        "--configs",
        type=Path,
        metavar="DIR",
        help="your metadata.json, inference.json or voorrang.json for a bundle that lacks it, in place of its own",
    )
    add.set_defaults(run=add_model)


def add_model(arguments: argparse.Namespace) -> int:
    """Register a model; nothing is registered or kept unless it starts."""
    from inference.models import MODEL_NAMES

    if arguments.what in MODEL_NAMES:
        from inference.models import load_model

        for option, value in (("--sha256", arguments.sha256), ("--configs", arguments.configs)):
            if value is not None:
                raise ConfigurationError(f"{arguments.what} comes with the platform: {option} is for bundles")

        version = version_of(load_model(arguments.what), Shows.MEASURE)
        lines: list[str] = []
        with open_register() as (connection, _, __):
            version = register.register_model(connection, version, SystemClock().now())
    else:
        version, lines = _add_bundle(arguments)
    shown = "" if version.shows is Shows.MEASURE else f"; shows {version.shows}"
    sys.stdout.write(f"{version.model_id} {version.version} registered; influence none{shown}\n")
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


def shown_bundle(settings: Settings, name: str) -> dict[str, Any]:
    """Return what the bundle that runs under a name promises, as JSON values; nothing for other models."""
    from inference.bundles.store import find_added, read_added

    folder = find_added(settings.bundles_dir, name)
    if folder is None:
        return {}
    bundle = read_added(folder)
    contract = bundle.contract.model_dump(mode="json", exclude={"model", "sha256"})
    values = {"version": bundle.metadata.version, "weights_digest": bundle.weights_digest}
    return {
        "runs": {**values, "intended_use": bundle.metadata.intended_use, **contract, "files": bundle.digests},
    }


@contextmanager
def open_register() -> Iterator[tuple[Connection, dict[str, Pathway], Settings]]:
    """Open the register to write, with the pathways and settings of this installation."""
    settings = load_settings()
    pathways = load_pathways(settings.pathways_dir)
    database = Database(settings.url())
    try:
        require_current(database)
        with database.write() as connection:
            yield connection, pathways, settings
    finally:
        database.close()


def version_of(model: Model, shows: Shows) -> ModelVersion:
    """Return the version of a model as the register has it, or will; an experimental one says itself what it shows."""
    from inference.model import Experimental

    if isinstance(model, Experimental):
        return ModelVersion(model.model_id, model.version, model.weights_digest, model.statement, model.shows)
    return ModelVersion(model.model_id, model.version, model.weights_digest, RESEARCH, shows)


def _add_bundle(arguments: argparse.Namespace) -> tuple[ModelVersion, list[str]]:
    from inference.bundles.fetching import fetched, is_address
    from inference.bundles.store import gathered, keep
    from inference.models import MODEL_NAMES

    bundles_dir = load_settings().bundles_dir
    with ExitStack() as stack:
        if is_address(arguments.what):
            source = stack.enter_context(fetched(arguments.what, arguments.sha256, bundles_dir))
        else:
            source = Path(arguments.what)
            if not source.is_dir():
                names = ", ".join(MODEL_NAMES)
                raise ConfigurationError(f"{source} is no folder and no address, and no model of the platform: {names}")
        bundle = stack.enter_context(gathered(source, arguments.configs, bundles_dir))
        if bundle.contract.model in MODEL_NAMES:
            text = f"configs/voorrang.json: model: {bundle.contract.model} is a model of the platform"
            raise ConfigurationError(f"{text}; give it a name of its own")
        asked = None if is_address(arguments.what) else arguments.sha256
        if asked is not None and asked.lower() != bundle.weights_digest:
            text = f"{source}: weights digest is {bundle.weights_digest}, and {asked} was asked"
            raise ConfigurationError(f"{text}: get the bundle of its maker again")
        from inference.bundles.model import BundleModel

        with redirect_stdout(sys.stderr):  # transforms that print what they meet keep the stdout of now
            version = version_of(BundleModel(bundle), bundle.contract.shows)
        # The register's row is written last before the commit: what it names lies in its place by then.
        with open_register() as (connection, _, __):
            keep(bundle, bundles_dir)
            version = register.register_model(connection, version, SystemClock().now())
    lines = [f"weights digest {version.weights_digest}, over"]
    return version, [*lines, *(f"  {digest}  {file}" for file, digest in bundle.digests.items())]
