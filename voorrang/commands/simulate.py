"""`voorrang simulate`: what triage would bring in a reading room, by closed forms and by simulation."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voorrang.errors import ConfigurationError

if TYPE_CHECKING:
    from worklist.queueing.reporting import Answered
    from worklist.queueing.scenario import Pathway, Scenario

_USAGE = 2
_TRAFFIC = 0.8
# Words of `--pathway` that are numbers; each takes the value of the option of that name when it is left out.
_OF_PATHWAY = (
    "prevalence",
    "sensitivity",
    "false-positive-fraction",
    "reading-minutes",
    "reading-minutes-diseased",
    "reading-minutes-false-positive",
    "latency-minutes",
)


def add_parser(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser("simulate", help="what triage would bring here: mean waits with AI and without")
    parser.add_argument(
        "--traffic", type=float, metavar="T", help=f"work offered per reader, below 1 (default {_TRAFFIC})"
    )
    parser.add_argument("--readers", type=int, default=2, metavar="N", help="how many read (%(default)s)")
    _number(parser, "--prevalence", 0.1, "part of the exams with the condition")
    _number(parser, "--sensitivity", 0.9, "part of those that is flagged")
    _number(parser, "--false-positive-fraction", 0.1, "part of the others that is flagged")
    _number(parser, "--interrupting-fraction", 0.0, "part of all arrivals that goes before everything")
    _number(parser, "--reading-minutes", 10.0, "mean reading time without the condition, minutes")
    _number(parser, "--reading-minutes-diseased", None, "with the condition, minutes (as --reading-minutes)")
    _number(parser, "--reading-minutes-false-positive", None, "of a false positive, minutes (as --reading-minutes)")
    _number(parser, "--reading-minutes-interrupting", 5.0, "of an interrupting case, minutes")
    _number(parser, "--latency-minutes", 0.0, "from the list to the model's answer, minutes")
    parser.add_argument(
        "--discipline",
        choices=("preemptive", "non-preemptive"),
        default="non-preemptive",
        help="whether a reading in hand is put aside for an urgent one (%(default)s)",
    )
    parser.add_argument(
        "--pathway",
        action="append",
        metavar="KEY=VALUE,...",
        help="one of several pathways: name, share, priority, and any of the options above up to --latency-minutes "
        "without the dashes; again for each; what is left of the shares is read by no model",
    )
    arrivals = parser.add_mutually_exclusive_group()
    arrivals.add_argument(
        "--arrivals-by-hour", metavar="N,...", help="relative number of arrivals in each of the 24 hours of a day"
    )
    arrivals.add_argument(
        "--replay", type=Path, metavar="FILE", help="arrivals of your own: .csv or .ndjson, see docs/simulate.md"
    )
    parser.add_argument("--patients", type=int, default=100_000, metavar="N", help="exams to simulate (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the random numbers (%(default)s)")
    parser.add_argument("--figure", type=Path, metavar="FILE.svg", help="write a picture of the waits")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the waits; what cannot be is told in one line and is a usage error."""
    from worklist.queueing.figure import draw_bars
    from worklist.queueing.reporting import as_json, as_text, bars, title

    try:
        answered = _answer(arguments)
        if arguments.figure:
            heading = title(answered.scenario, replayed=arguments.replay is not None)
            _write(arguments.figure, draw_bars(heading, bars(answered)))
    except ConfigurationError as error:
        sys.stderr.write(f"voorrang simulate: {error}\n")
        return _USAGE
    if arguments.json:
        sys.stdout.write(json.dumps(as_json(answered, _inputs(arguments)), allow_nan=False) + "\n")
    else:
        sys.stdout.write(as_text(answered))
    return 0


def _answer(arguments: argparse.Namespace) -> Answered:
    from worklist.queueing.predicting import predict
    from worklist.queueing.reporting import NO_PREDICTION, Answered
    from worklist.queueing.scenario import check_scenario
    from worklist.queueing.simulation import simulate, warm_up_patients

    scenario = _scenario(arguments)
    if arguments.replay:
        return _replayed(arguments, scenario)
    check_scenario(scenario)
    by_hour = _by_hour(arguments.arrivals_by_hour)
    simulation = simulate(scenario, arguments.patients, arguments.seed, by_hour)
    prediction = NO_PREDICTION if by_hour else predict(scenario)
    days = " of whole days" if by_hour else ""
    intervals = f"20 batch means{days} after {warm_up_patients(arguments.patients)} patients of warm-up"
    return Answered(scenario, prediction, simulation, intervals, scenario.arrivals_per_minute, replayed=False)


def _replayed(arguments: argparse.Namespace, scenario: Scenario) -> Answered:
    from worklist.queueing.arrival_file import offered_per_reader, per_minute, read_arrivals
    from worklist.queueing.reporting import NO_PREDICTION, Answered
    from worklist.queueing.scenario import check_scenario
    from worklist.queueing.simulation import replay

    if arguments.traffic is not None:
        raise ConfigurationError("--traffic and --replay exclude each other: the file's arrivals make the traffic")
    check_scenario(scenario, endless=False)
    names = [pathway.name for pathway in scenario.pathways]
    lines = _lines(arguments.replay)
    arrivals = read_arrivals(lines, is_csv=arguments.replay.suffix.lower() == ".csv", pathways=names)
    simulation = replay(scenario, arrivals, arguments.seed, _progress if sys.stderr.isatty() else lambda _: None)
    traffic = offered_per_reader(arrivals, simulation.mean_minutes, scenario.readers)
    return Answered(
        replace(scenario, traffic=traffic),
        NO_PREDICTION,
        simulation,
        "20 redraws of what the file does not tell",
        per_minute(arrivals),
        replayed=True,
    )


def _scenario(arguments: argparse.Namespace) -> Scenario:
    from worklist.queueing.scenario import Scenario

    return Scenario(
        traffic=_TRAFFIC if arguments.traffic is None else arguments.traffic,
        readers=arguments.readers,
        pathways=_pathways(arguments),
        interrupting_fraction=arguments.interrupting_fraction,
        reading_minutes_interrupting=arguments.reading_minutes_interrupting,
        preemptive=arguments.discipline == "preemptive",
    )


def _pathways(arguments: argparse.Namespace) -> tuple[Pathway, ...]:
    asked = {word: getattr(arguments, word.replace("-", "_")) for word in _OF_PATHWAY}
    usual = {word: value for word, value in asked.items() if value is not None}
    if not arguments.pathway:
        return (_pathway("all", 1.0, 1, usual),)
    pathways = [_described(text, usual, number) for number, text in enumerate(arguments.pathway, 1)]
    if len({pathway.name for pathway in pathways}) < len(pathways):
        raise ConfigurationError("two pathways have one name")
    rest = 1.0 - sum(pathway.share for pathway in pathways)
    if rest > 1e-9:
        nothing = {"prevalence": 0.0, "sensitivity": 0.0, "false-positive-fraction": 0.0, "latency-minutes": 0.0}
        last = max(pathway.priority for pathway in pathways)
        pathways.append(_pathway("no-pathway", rest, last, {**usual, **nothing}))
    return tuple(pathways)


def _described(text: str, usual: Mapping[str, float], number: int) -> Pathway:
    words = dict(part.partition("=")[::2] for part in text.split(","))
    name, share, priority = words.pop("name", f"pathway-{number}"), words.pop("share", ""), words.pop("priority", "1")
    unknown = set(words) - set(_OF_PATHWAY)
    if unknown:
        known = ", ".join(("name", "share", "priority", *_OF_PATHWAY))
        raise ConfigurationError(f"--pathway {name}: {', '.join(sorted(unknown))} is not one of {known}")
    try:
        numbers = {word: float(value) for word, value in words.items()}
        return _pathway(name, float(share), int(priority), {**usual, **numbers})
    except ValueError as error:
        raise ConfigurationError(f"--pathway {name}: share is needed, and all but the name are numbers") from error


def _pathway(name: str, share: float, priority: int, numbers: Mapping[str, float]) -> Pathway:
    from worklist.queueing.scenario import Pathway

    return Pathway(
        name=name,
        share=share,
        prevalence=numbers["prevalence"],
        sensitivity=numbers["sensitivity"],
        false_positive_fraction=numbers["false-positive-fraction"],
        reading_minutes=numbers["reading-minutes"],
        reading_minutes_diseased=numbers.get("reading-minutes-diseased", numbers["reading-minutes"]),
        reading_minutes_false_positive=numbers.get("reading-minutes-false-positive", numbers["reading-minutes"]),
        latency_minutes=numbers["latency-minutes"],
        priority=priority,
    )


def _by_hour(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        hours = [float(part) for part in text.split(",")]
    except ValueError:
        hours = []
    if len(hours) != 24 or not all(0 <= hour < float("inf") for hour in hours) or not sum(hours):
        raise ConfigurationError("--arrivals-by-hour wants 24 numbers of 0 or more, not all 0, parted by commas")
    return hours


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read as text: {type(error).__name__}") from error


def _write(file: Path, text: str) -> None:
    if file.suffix.lower() != ".svg":
        raise ConfigurationError(f"--figure {file}: the picture is an SVG, so its name must end in .svg")
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}") from error


def _inputs(arguments: argparse.Namespace) -> dict[str, Any]:
    kept = {name: value for name, value in vars(arguments).items() if name not in {"run", "command", "json", "figure"}}
    return {name: str(value) if isinstance(value, Path) else value for name, value in kept.items()}


def _number(parser: argparse.ArgumentParser, name: str, usual: float | None, help_text: str) -> None:
    shown = "" if usual is None else " (%(default)s)"
    parser.add_argument(name, type=float, default=usual, metavar="X", help=help_text + shown)


def _progress(done: int) -> None:
    sys.stderr.write(f"\r{done} of 20 redraws" + ("\n" if done == 20 else ""))
    sys.stderr.flush()
