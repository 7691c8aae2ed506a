"""What a model is to the platform, and what it says of one volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from inference.volume import Box, Volume
from voorrang.dicom.headers import Vector
from voorrang.pathways.criteria import SeriesCriteria
from voorrang.statement import Shows


@dataclass(frozen=True, slots=True)
class LocatedFinding:
    """One finding at one place; score in 0..1, as the model gave it; box None where the model has no extent to tell."""

    type: str
    score: float
    position_mm: Vector | None
    diameter_mm: float | None
    box_mm: Box | None = None


@dataclass(frozen=True, slots=True)
class Opinion:
    """
    What a model says of one series: a score in 0..1 for the whole and the findings behind it.

    An empty tuple of findings says that nothing was marked, never that a condition is absent.
    """

    score: float
    findings: tuple[LocatedFinding, ...]


class Model(Protocol):
    """
    A model that reads one volume at a time.

    `read` may raise `inference.scope.OutOfScopeError` when the pixels show that the volume is not what the
    model is for; any other exception is a failure of the model, recorded as *failed*.
    """

    @property
    def model_id(self) -> str:
        """Name of the model."""
        ...

    @property
    def version(self) -> str:
        """Version of the model."""
        ...

    @property
    def weights_digest(self) -> str:
        """SHA-256 of the weights, or of the rules where there are none."""
        ...

    @property
    def operating_point(self) -> float:
        """Score from which a series is flagged, 0..1, as the model comes."""
        ...

    @property
    def scope(self) -> SeriesCriteria:
        """What a series must be for this model."""
        ...

    def read(self, volume: Volume) -> Opinion:
        """Return what the model says of a volume."""
        ...


@runtime_checkable
class Experimental(Protocol):
    """A model of the platform of which no accuracy is known: it says how little is shown, and has influence none."""

    @property
    def shows(self) -> Shows:
        """How much of its answers is shown."""
        ...

    @property
    def statement(self) -> str:
        """The words that every answer carries."""
        ...


@runtime_checkable
class SilentBelow(Protocol):
    """A model that marks nothing below some score: what it would have said of less reads as 0."""

    @property
    def silent_below(self) -> float:
        """The lowest score that it may give to a finding, 0..1."""
        ...
