"""Reading rooms that tests ask about, and the vectors of the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from worklist.queueing.scenario import Pathway, Scenario


def make_pathway(**changes: Any) -> Pathway:
    values: dict[str, Any] = {
        "name": "all",
        "share": 1.0,
        "prevalence": 0.1,
        "sensitivity": 0.9,
        "false_positive_fraction": 0.1,
        "reading_minutes": 10.0,
        "reading_minutes_diseased": 10.0,
        "reading_minutes_false_positive": 10.0,
    }
    return Pathway(**(values | changes))


def make_room(*pathways: Pathway, **changes: Any) -> Scenario:
    values: dict[str, Any] = {
        "traffic": 0.8,
        "readers": 2,
        "pathways": pathways or (make_pathway(),),
        "interrupting_fraction": 0.0,
        "reading_minutes_interrupting": 5.0,
        "preemptive": False,
    }
    return Scenario(**(values | changes))


@dataclass(frozen=True)
class Vector:
    """Waits in the order of `GROUPS`; the non-preemptive ones where the file has them."""

    name: str
    room: Scenario
    preemptive: tuple[float, ...]
    non_preemptive: tuple[float, ...] | None


def _room(readers: int, traffic: float, sensitivity: float) -> Scenario:
    return make_room(make_pathway(sensitivity=sensitivity), readers=readers, traffic=traffic, preemptive=True)


# reference/queueing/vectors.json, those without interrupting cases, by the public-domain theory code of DIDSR/QuCAD.
VECTORS = (
    Vector(
        "one-reader",
        _room(1, 0.8, 0.9),
        (40.0, 6.35514, 43.738318, 1.682243, 48.411215),
        (40.0, 13.084112, 42.990654, 9.345794, 46.728972),
    ),
    Vector(
        "one-reader-half-busy",
        _room(1, 0.5, 0.9),
        (10.0, 2.087912, 10.879121, 0.989011, 11.978022),
        (10.0, 6.043956, 10.43956, 5.494505, 10.989011),
    ),
    Vector(
        "one-reader-nothing-missed",
        _room(1, 0.8, 1.0),
        (40.0, 1.792453, 44.245283, 1.792453, 48.962264),
        (40.0, 9.433962, 43.396226, 9.433962, 47.169811),
    ),
    Vector("two-readers", _room(2, 0.8, 0.9), (17.777778, 2.353949, 19.491537, 0.211751, 21.633735), None),
)
# Vector 0: two readers, a tenth of the arrivals interrupts and is read in 5 minutes.
INTERRUPTED = make_room(interrupting_fraction=0.1, preemptive=True)
INTERRUPTED_WAITS = (18.286311, 2.567264, 19.983888, 0.390186, 22.160966)
GROUPS = ("wait_without", "wait_diseased", "wait_nondiseased", "wait_positive", "wait_negative")
