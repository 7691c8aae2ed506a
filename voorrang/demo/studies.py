"""The built-in demo list: six studies in the order in which they arrive, the most urgent last."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from voorrang.demo.phantoms.canvas import Lesion, Phantom
from voorrang.demo.phantoms.chest import Nodule, make_chest
from voorrang.demo.phantoms.head import Bleed, make_head
from voorrang.demo.phantoms.quality import make_water_phantom
from voorrang.demo.phantoms.series import Acquisition, Person, StudyContext, make_series
from voorrang.events.records import Tier

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydicom.dataset import Dataset

HEAD = Acquisition(
    study_description="CT hersenen zonder contrast",
    series_description="Hersenen 5.0 Hr36",
    protocol_name="01_HERSENEN_BLANCO",
    body_part_examined="HEAD",
    convolution_kernel="Hr36f",
)
CHEST = Acquisition(
    study_description="CT thorax zonder contrast",
    series_description="Thorax 3.0 Br40",
    protocol_name="05_THORAX_BLANCO",
    body_part_examined="CHEST",
    convolution_kernel="Br40f",
    window_width_hu=400.0,
)
QUALITY = Acquisition(
    study_description="Dagelijkse controle CT1",
    series_description="QA Water 5.0 Hr36",
    protocol_name="QA PHANTOM DAILY",
    body_part_examined="PHANTOM",
    convolution_kernel="Hr36f",
    window_width_hu=200.0,
)

KNEE = Acquisition(
    study_description="CT knie rechts",
    series_description="Knie 2.0 Br60",
    protocol_name="22_KNIE",
    body_part_examined="KNEE",
    convolution_kernel="Br60f",
    window_width_hu=2000.0,
)

BLEED = Bleed(position_mm=(30.0, 5.0, 18.0), diameter_mm=30.0, hu=68.0)
NODULES = (
    Nodule(position_mm=(-78.0, -12.0, 140.0), diameter_mm=15.0),
    Nodule(position_mm=(80.0, 30.0, 60.0), diameter_mm=10.0, is_attached=True),
)

_MINUTES_BETWEEN = 4
DEMO_SEED = 20260
_PEOPLE = {
    "martens": Person("Martens^Zoë", "VB0000101", date(1958, 3, 14), "F"),
    "lefevre": Person("Lefèvre^François", "VB0000102", date(1949, 11, 2), "M"),
    "ozturk": Person("Öztürk^Elif", "VB0000103", date(1981, 7, 23), "F"),
    "phantom": Person("QA^Phantom", "QA-CT1", date(2000, 1, 1), "O"),
    "vandenberghe": Person("Van den Berghe^Jérôme", "VB0000104", date(1967, 5, 30), "M"),
    "peeters": Person("Peeters^Joris", "VB0000106", date(1990, 2, 17), "M"),
    "dhondt": Person("D'Hondt^Renée", "VB0000105", date(1944, 9, 8), "F"),
}


@dataclass(frozen=True, slots=True)
class DemoStudy:
    """
    One study of the demo.

    Parameters
    ----------
    name
        Short, for people: what it is, never who.
    pathway
        Name of the pathway that should want it; None for what none may read.
    is_urgent
        Whether its patient cannot wait.
    instances
        One series, the lowest slice first.
    truth
        What was put in.
    urgency
        Of its order; None for an exam that nobody ordered.
    """

    name: str
    pathway: str | None
    is_urgent: bool
    instances: tuple[Dataset, ...]
    truth: tuple[Lesion, ...]
    urgency: Tier | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    name: str
    person: str
    pathway: str | None
    acquisition: Acquisition
    make: Callable[[int], Phantom]
    is_urgent: bool = False
    urgency: Tier | None = "routine"


_PLANS = (
    _Plan("chest-normal", "martens", "lung-nodule", CHEST, make_chest),
    _Plan("chest-nodules", "lefevre", "lung-nodule", CHEST, partial(make_chest, nodules=NODULES), urgency="urgent"),
    _Plan("head-normal", "ozturk", "stroke", HEAD, make_head, urgency="stat"),
    _Plan("quality-phantom", "phantom", None, QUALITY, make_water_phantom, urgency=None),
    _Plan("head-normal-2", "vandenberghe", "stroke", HEAD, make_head),
    _Plan("head-bleed", "dhondt", "stroke", HEAD, partial(make_head, bleed=BLEED), is_urgent=True),
)
DEMO_NAMES = tuple(plan.name for plan in _PLANS)


def demo_studies(now: datetime, seed: int = DEMO_SEED) -> Iterator[DemoStudy]:
    """
    Make the studies of the demo one by one, in the order of arrival.

    Parameters
    ----------
    now
        When the last study is acquired; the others lie four minutes apart before it.
    seed
        Of every phantom and every UID; the same seed gives the same studies but for their times.

    Yields
    ------
    DemoStudy
        Six: chest, chest with nodules, head, the physicist's phantom, head, and the head with a bleed.
    """
    for name in DEMO_NAMES:
        yield demo_study(name, now, seed)


def demo_study(name: str, now: datetime, seed: int = DEMO_SEED) -> DemoStudy:
    """
    Make one study of the demo.

    Parameters
    ----------
    name
        One of `DEMO_NAMES`.
    now, seed
        As of `demo_studies`.
    """
    number = DEMO_NAMES.index(name)
    acquired_at = now - timedelta(minutes=_MINUTES_BETWEEN * (len(_PLANS) - 1 - number))
    return _study(_PLANS[number], acquired_at, seed + number)


def study_without_pathway(now: datetime, seed: int = DEMO_SEED) -> DemoStudy:
    """
    Make an exam that no pathway wants, whatever its pixels: a cylinder of water under the header of a knee.

    Parameters
    ----------
    now
        When it is acquired.
    seed
        Of its noise and UIDs.
    """
    plan = _Plan("knee", "peeters", None, KNEE, make_water_phantom)
    return _study(plan, now, seed + len(_PLANS) + 1)


def disguised_quality_study(now: datetime, seed: int = DEMO_SEED) -> DemoStudy:
    """
    Make the water cylinder under the header of somebody's head: only its pixels give it away.

    Parameters
    ----------
    now
        When it is acquired.
    seed
        Of its noise and UIDs.

    Returns
    -------
    DemoStudy
        Not part of the demo list: for tests of the model's own check of anatomy.
    """
    plan = _Plan("quality-phantom-as-head", "vandenberghe", "stroke", HEAD, make_water_phantom)
    return _study(plan, now, seed + len(_PLANS))


def _study(plan: _Plan, acquired_at: datetime, seed: int) -> DemoStudy:
    phantom = plan.make(seed)
    context = StudyContext(_PEOPLE[plan.person], f"VB{seed:08d}", acquired_at)
    instances = make_series(phantom, plan.acquisition, context, random.Random(seed))
    return DemoStudy(plan.name, plan.pathway, plan.is_urgent, tuple(instances), phantom.truth, plan.urgency)
