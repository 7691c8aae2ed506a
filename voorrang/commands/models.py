"""`voorrang model`: run a model over a folder, and the register."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voorrang import register
from voorrang.clock import SystemClock
from voorrang.commands import adding_models, explaining_selection
from voorrang.commands.adding_models import open_register, version_of
from voorrang.commands.keeping_calibrations import keep_calibration
from voorrang.errors import ConfigurationError
from voorrang.pathways.pathway import Pathway
from voorrang.register import Actor, EnvelopeFacts, Influence
from voorrang.settings import load_settings
from voorrang.statement import Shows

if TYPE_CHECKING:  # most commands need no torch
    from inference.model import Model


def add_parser(commands: Any) -> None:
    """Add these commands."""
    parser = commands.add_parser("model", help="run a model over a folder; list, add, activate, suspend models")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    run_one = verbs.add_parser("run", help="a model over the DICOM files of a folder, no services needed")
    run_one.add_argument(
        "name",
        help="ich, lung-nodule, reference-head, reference-lung, asymmetry (experimental), or a bundle that was added",
    )
    run_one.add_argument("folder", type=Path, help="searched with all within it; what is not DICOM is ignored")
    run_one.add_argument("--json", action="store_true", help="one JSON line per series and nothing else")
    run_one.set_defaults(run=run_model)
    listing = verbs.add_parser("list", help="registered models and what influence each has")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run=list_models)
    show = verbs.add_parser("show", help="one model: versions, decisions, and its card")
    show.add_argument("name")
    show.set_defaults(run=show_model)
    adding_models.add_parser(verbs)
    explaining_selection.add_parser(verbs)
    for verb, act, text in (
        ("activate", activate_model, "give a registered model its influence on a pathway"),
        ("suspend", suspend_model, "take a model's influence away; the order is without it within 10 s"),
    ):
        decide = verbs.add_parser(verb, help=text)
        decide.add_argument("name")
        decide.add_argument("--pathway", required=True)
        if verb == "activate":
            decide.add_argument("--influence", choices=[i.value for i in Influence], required=True)
            decide.add_argument(
                "--calibration",
                type=Path,
                help="calibration.json of this site; without it a flag goes after counted ones",
            )
        decide.add_argument("--actor", required=True, help="who decides")
        decide.add_argument("--role", required=True, help="in which role")
        decide.add_argument("--reason", required=True, help="why")
        decide.set_defaults(run=act)


def run_model(arguments: argparse.Namespace) -> int:
    """Run a model over a folder; exit 0 when it ran, whatever the states."""
    from inference.models import MODEL_NAMES, UnknownModelError, load_model
    from inference.run_folder import run_folder
    from inference.running.blas import use_one_blas_thread

    if not arguments.folder.is_dir():
        raise ConfigurationError(f"{arguments.folder} is not a folder")
    results, found = sys.stdout, False
    with redirect_stdout(sys.stderr):  # what transforms and libraries print is no result
        try:
            model = load_model(arguments.name, None if arguments.name in MODEL_NAMES else load_settings().bundles_dir)
        except UnknownModelError as error:
            sys.stderr.write(f"voorrang: {error}\n")
            return 2
        use_one_blas_thread()
        for line in run_folder(model, arguments.folder):
            found = True
            results.write((json.dumps(line) if arguments.json else _in_words(line)) + "\n")
            results.flush()
    if not found:
        sys.stderr.write(f"voorrang: no DICOM series in {arguments.folder}\n")
    return 0


def list_models(arguments: argparse.Namespace) -> int:
    """List the register."""
    with open_register() as (connection, _, __):
        active = register.activations(connection)
        for model in register.registered(connection):
            uses = {a.pathway: a.influence.value for a in active if a.model == model}
            line = {
                "model": model.model_id,
                "version": model.version,
                "digest": model.weights_digest,
                "influence": uses,
            }
            words = ", ".join(f"{name}: {influence}" for name, influence in uses.items()) or "influence none"
            text = json.dumps(line) if arguments.json else f"{model.model_id} {model.version}  {words}"
            sys.stdout.write(text + "\n")
    return 0


def show_model(arguments: argparse.Namespace) -> int:
    """Show one model as JSON; one that ships with a card also where there is no register yet."""
    from inference.builtin.cards import card_of

    card = card_of(arguments.name)
    values: dict[str, Any] = {"model": arguments.name}
    try:
        values |= _registered(arguments.name)
    except ConfigurationError as error:
        if not card:
            raise
        values["register"] = str(error)
    sys.stdout.write(json.dumps({**values, **({"card": card} if card else {})}, indent=2, default=str) + "\n")
    return 0


def activate_model(arguments: argparse.Namespace) -> int:
    """Give a model its influence."""
    influence = Influence(arguments.influence)
    model = _model_here(arguments.name, influence)
    version = version_of(model, Shows.FLAG)  # what was registered counts
    with open_register() as (connection, pathways, settings):
        pathway = pathways.get(arguments.pathway)
        if pathway is None:
            raise ConfigurationError(f"no pathway {arguments.pathway}; there are {', '.join(pathways)}")
        if influence is not Influence.NONE:
            _require_reach(model, pathway)
        calibration: Path | None = arguments.calibration
        digest = keep_calibration(calibration, pathway, version, settings) if calibration is not None else None
        made = register.activate(
            connection,
            pathway,
            version,
            influence,
            _actor(arguments),
            SystemClock().now(),
            EnvelopeFacts(settings.purpose, settings.site),
            digest,
        )
    counted = f"calibration {digest[:12]}" if digest else "not calibrated: its flags go after every counted one"
    sys.stdout.write(
        f"{arguments.name} on {made.pathway}: influence {made.influence.value}, lifts to {made.lift_to}, {counted}\n"
    )
    return 0


def suspend_model(arguments: argparse.Namespace) -> int:
    """Take a model's influence away."""
    with open_register() as (connection, _, settings):
        register.suspend(
            connection,
            arguments.pathway,
            arguments.name,
            _actor(arguments),
            SystemClock().now(),
            EnvelopeFacts(settings.purpose, settings.site),
        )
    sys.stdout.write(f"{arguments.name} on {arguments.pathway}: suspended; the list says so within 10 s\n")
    return 0


def _registered(name: str) -> dict[str, Any]:
    with open_register() as (connection, _, settings):
        versions = register.registered(connection, name)
        decisions = register.decisions(connection, name)
    if not versions:
        raise ConfigurationError(f"{name} is not registered: `voorrang model list` shows what is")
    return {
        "versions": [
            {"version": v.version, "weights_digest": v.weights_digest, "statement": v.statement, "shows": v.shows.value}
            for v in versions
        ],
        "decisions": decisions,
        **adding_models.shown_bundle(settings, name),
    }


def _model_here(name: str, influence: Influence) -> Model:
    from inference.model import Experimental
    from inference.models import UnknownModelError, load_model

    try:
        model = load_model(name, load_settings().bundles_dir)
    except UnknownModelError as error:
        raise ConfigurationError(str(error)) from error
    if isinstance(model, Experimental) and influence is not Influence.NONE:
        raise ConfigurationError(f"{name} is experimental: influence none is all that it may have")
    return model


def _require_reach(model: Model, pathway: Pathway) -> None:
    """Refuse an operating point that what the model would have to say of less can never reach: it reads as 0."""
    from inference.model import SilentBelow

    use = pathway.model_use(model.model_id)
    if use is not None and isinstance(model, SilentBelow) and use.operating_point < model.silent_below:
        raise ConfigurationError(
            f"{model.model_id} on {pathway.name} is to flag from {use.operating_point}, and marks nothing below "
            f"{model.silent_below}: raise the operating point in the pathway's file, or lower the bundle's threshold"
        )


def _actor(arguments: argparse.Namespace) -> Actor:
    return Actor(arguments.actor, arguments.role, arguments.reason)


def _in_words(line: dict[str, Any]) -> str:
    if line["state"] != "scored":
        return f"{line['series_instance_uid']}  {line['state'].replace('_', ' ')}: {line['reason']}"
    marks = "; ".join(
        f"{f['type']} {f['score']:.2f}" + (f" at {[round(v) for v in f['position_mm']]} mm" if f["position_mm"] else "")
        for f in line["findings"]
    )
    return f"{line['series_instance_uid']}  score {line['score']:.2f}  {marks or 'nothing marked, nothing excluded'}"
