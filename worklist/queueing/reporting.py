"""What one question about a reading room is answered: numbers by name, notes, and the bars of its figure. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from worklist.queueing.figure import Bar
from worklist.queueing.groups import WITH_AI, WITHOUT_AI
from worklist.queueing.intervals import CONFIDENCE, Interval
from worklist.queueing.predicting import Prediction
from worklist.queueing.scenario import Scenario
from worklist.queueing.simulation import Outcome, Simulation

NO_PREDICTION = Prediction(
    overall=dict.fromkeys((WITHOUT_AI, *WITH_AI)),
    by_pathway=(),
    methods=dict.fromkeys((WITHOUT_AI, *WITH_AI), "none"),
    own_reading_diseased=None,
)
_LABELS = {
    "wait_without": "without AI",
    "wait_diseased": "diseased",
    "wait_nondiseased": "not diseased",
    "wait_positive": "flagged",
    "wait_negative": "not flagged",
}
# Below this a batch of exams is too short beside the memory of the list for its interval to be trusted.
_RELAXATIONS_IN_A_BATCH = 10


@dataclass(frozen=True, slots=True)
class Answered:
    """
    A question and both answers.

    Parameters
    ----------
    scenario
        The reading room.
    prediction
        By theory.
    simulation
        By chance.
    intervals
        Where the intervals come from, in words.
    arrivals_per_minute
        Of the file, or as the traffic makes them.
    replayed
        Arrivals are those of a file.
    """

    scenario: Scenario
    prediction: Prediction
    simulation: Simulation
    intervals: str
    arrivals_per_minute: float
    replayed: bool


def as_json(answered: Answered, inputs: dict[str, Any]) -> dict[str, Any]:
    """
    Return the object that `--json` prints.

    Parameters
    ----------
    answered
        Question and answers.
    inputs
        The question as it was asked.
    """
    scenario, prediction, simulation = answered.scenario, answered.prediction, answered.simulation
    parts = simulation.parts if answered.replayed else scenario.parts
    with_ai = scenario.traffic * simulation.lengthening if answered.replayed else scenario.traffic_with_ai
    return {
        "closed_form": prediction.overall,
        "simulated": _intervals(simulation.overall.waits),
        "saved": _intervals(simulation.overall.saved),
        "closed_form_methods": prediction.methods,
        "confidence": CONFIDENCE,
        "intervals": answered.intervals,
        "patients": simulation.patients,
        **predictive_values(scenario, parts),
        "arrivals_per_minute": answered.arrivals_per_minute,
        "traffic": scenario.traffic,
        "traffic_with_ai": with_ai,
        "pathways": [
            {
                "name": pathway.name,
                "share": _share(scenario, parts, number) if answered.replayed else pathway.share,
                "closed_form": prediction.by_pathway[number] if prediction.by_pathway else prediction.overall,
                "simulated": _intervals(outcome.waits),
                "saved": _intervals(outcome.saved),
            }
            for number, (pathway, outcome) in enumerate(zip(scenario.pathways, simulation.by_pathway, strict=True))
        ],
        "notes": list(notes(answered)),
        "inputs": inputs,
    }


def predictive_values(scenario: Scenario, parts: Sequence[float]) -> dict[str, float | None]:
    """
    Return `ppv` and `npv` over all pathways; None where nothing is flagged, or all is.

    Parameters
    ----------
    scenario
        The reading room.
    parts
        Part of each of its kinds of exams, as `Scenario.parts`.
    """
    kinds = list(zip(scenario.kinds(), parts, strict=False))

    def part(*, flagged: bool) -> float | None:
        """Return the part of the flagged, or of the others, that the model is right about."""
        total = sum(each for kind, each in kinds if kind.flagged is flagged)
        right = sum(each for kind, each in kinds if kind.flagged is flagged and kind.diseased is flagged)
        return right / total if total else None

    return {"ppv": part(flagged=True), "npv": part(flagged=False)}


def notes(answered: Answered) -> Iterator[str]:
    """Yield what a reader of the numbers must know, one sentence each."""
    scenario = answered.scenario
    own = answered.prediction.own_reading_diseased
    if own is not None:
        yield (
            "closed_form takes each class's mean wait for all in it; as longer readings are interrupted more often, "
            f"the diseased themselves wait {own:.6f} minutes by theory, which is what the simulation measures"
        )
    if scenario.traffic >= 1:
        yield (
            f"the file offers {scenario.traffic:.2f} of what the readers can do: the waits grow as long as it lasts, "
            "so they belong to this file alone"
        )
    elif not answered.replayed and _batch_is_short(answered):
        yield "the run is short for so much traffic, and the intervals may be too narrow: take more patients"


def as_text(answered: Answered) -> str:
    """Return the tables for a terminal."""
    simulation, prediction = answered.simulation, answered.prediction
    blocks = [("", prediction.overall, simulation.overall)]
    if len(simulation.by_pathway) > 1:
        theory = prediction.by_pathway or (prediction.overall,) * len(simulation.by_pathway)
        names = [pathway.name for pathway in answered.scenario.pathways]
        blocks += list(zip(names, theory, simulation.by_pathway, strict=True))
    lines = [f"{'mean wait, minutes':22}{'theory':>9}  {'simulated [99 %]':26}saved by AI [99 %]"]
    for name, theory_of, outcome in blocks:
        lines += [name] if name else []
        lines += [_line(group, theory_of[group], outcome) for group in (WITHOUT_AI, *WITH_AI)]
    lines.append(f"{simulation.patients} patients; {answered.intervals}")
    return "\n".join([*lines, *notes(answered), ""])


def bars(answered: Answered) -> list[Bar]:
    """Return the bars of the figure: overall, then the diseased and the others of each of several pathways."""
    simulation, prediction = answered.simulation, answered.prediction
    found = [
        Bar(_LABELS[group], simulation.overall.waits[group], prediction.overall[group], group != WITHOUT_AI)
        for group in (WITHOUT_AI, *WITH_AI)
    ]
    if len(simulation.by_pathway) == 1:
        return found
    for number, pathway in enumerate(answered.scenario.pathways):
        theory = prediction.by_pathway[number] if prediction.by_pathway else prediction.overall
        waits = simulation.by_pathway[number].waits
        found += [
            Bar(f"{pathway.name}: {_LABELS[group]}", waits[group], theory[group], with_ai=True)
            for group in ("wait_diseased", "wait_nondiseased")
        ]
    return found


def _batch_is_short(answered: Answered) -> bool:
    """Whether a batch lasts less than a few relaxation times of a first-come queue, 1/(c·μ·(1-√ρ)²)."""
    traffic = max(answered.scenario.traffic, answered.scenario.traffic_with_ai)
    relaxation_patients = traffic / (1 - math.sqrt(traffic)) ** 2
    return answered.simulation.patients / 20 < _RELAXATIONS_IN_A_BATCH * relaxation_patients


def _share(scenario: Scenario, parts: Sequence[float], pathway: int) -> float | None:
    """Return the part of a pathway of the exams that do not interrupt; None where all do."""
    kinds = list(zip(scenario.kinds(), parts, strict=False))
    total = sum(each for _, each in kinds)
    return sum(each for kind, each in kinds if kind.pathway == pathway) / total if total else None


def _intervals(by_name: dict[str, Interval | None]) -> dict[str, dict[str, float] | None]:
    return {name: None if interval is None else asdict(interval) for name, interval in by_name.items()}


def _line(group: str, theory: float | None, outcome: Outcome) -> str:
    saved = outcome.saved.get(group.replace("wait_", "saved_"))
    told = "-" if theory is None else f"{theory:.2f}"
    return f"{_LABELS[group]:22}{told:>9}  {_words(outcome.waits[group]):26}{_words(saved)}".rstrip()


def _words(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.estimate:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def title(scenario: Scenario, *, replayed: bool) -> str:
    """Return one line that says which reading room it was."""
    return (
        f"{scenario.readers} reader{'s' if scenario.readers > 1 else ''}, "
        f"traffic {scenario.traffic:.2f}{' (replayed)' if replayed else ''}, "
        f"{'preemptive' if scenario.preemptive else 'non-preemptive'}, "
        f"pathways: {', '.join(pathway.name for pathway in scenario.pathways)}"
    )
