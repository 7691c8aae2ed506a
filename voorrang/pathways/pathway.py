"""A pathway: which series it wants, when such a series is complete, which models read it, what delay costs."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from voorrang.events.records import Lane
from voorrang.pathways.ageing import AgeingRule
from voorrang.pathways.criteria import SeriesCriteria
from voorrang.pathways.required import RequiredSeries


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ProvisionalRule(_Part):
    """Until when a negative answer is provisional; seconds without a new instance."""

    quiet_seconds: float = Field(gt=0)
    count_confirmed: bool = True


class CompletenessRule(_Part):
    """
    When a series is complete: quiet since its last instance, at the latest `cap_seconds` after its first.

    With `required_series`, only when each of these is in the study too, quiet and whole.
    """

    quiet_seconds: float = Field(gt=0)
    cap_seconds: float = Field(gt=0)
    geometry: Literal["whole"] = "whole"
    required_series: tuple[RequiredSeries, ...] = ()
    negative_provisional_until: ProvisionalRule

    @model_validator(mode="after")
    def _cap_after_quiet(self) -> Self:
        if self.cap_seconds < self.quiet_seconds:
            raise ValueError("cap_seconds is below quiet_seconds: no series would be complete before its cap")
        return self

    @field_validator("required_series")
    @classmethod
    def _each_required_series_once(cls, required: tuple[RequiredSeries, ...]) -> tuple[RequiredSeries, ...]:
        if len({each.name for each in required}) != len(required):
            raise ValueError("two have one name: give each its own, the verdict quotes it")
        return required


class ModelUse(_Part):
    """A model on this pathway, and the score from which a series is flagged."""

    name: str
    operating_point: float = Field(ge=0, le=1)


class DelayRule(_Part):
    """What a minute of waiting costs, which times are aimed at, how far AI may lift, and who decided so."""

    harm_per_minute: float = Field(ge=0)
    read_within_minutes: float = Field(gt=0)
    result_within_minutes: float = Field(gt=0)
    lift_to: Literal["urgent", "routine"]  # STAT is for people alone
    owner: str = Field(min_length=1)
    source: str = Field(min_length=1)
    decided_on: date


class ReadingRule(_Part):
    """How long a reading takes, minutes."""

    minutes: float = Field(gt=0)


class RetentionRule(_Part):
    """
    How many days a series stays after its last instance.

    `keep_days` when every model has answered and another archive has confirmed that it holds the series;
    `keep_days_unless_confirmed` at most, answered or not.
    """

    keep_days: int = Field(ge=1)
    keep_days_unless_confirmed: int = Field(ge=1)

    @model_validator(mode="after")
    def _confirmed_goes_first(self) -> Self:
        if self.keep_days_unless_confirmed < self.keep_days:
            raise ValueError("keep_days_unless_confirmed is below keep_days: what is confirmed elsewhere goes first")
        return self


class EscalationRule(_Part):
    """
    When on-call radiology is told of a flagged item that nobody has opened; without it, never.

    `after_minutes` after the list showed the flag, then every `repeat_minutes` until somebody takes it, at most
    `max_per_hour` messages for one model.
    """

    after_minutes: float = Field(gt=0)
    repeat_minutes: float = Field(ge=1)
    max_per_hour: int = Field(ge=1)


class Pathway(_Part):
    """One pathway file."""

    name: str = Field(alias="pathway", pattern=r"^[a-z][a-z0-9-]{0,62}$")
    wants: SeriesCriteria
    complete: CompletenessRule
    lane: Lane
    models: tuple[ModelUse, ...] = Field(min_length=1)
    delay: DelayRule
    reading: ReadingRule
    ageing: AgeingRule = AgeingRule()
    retention: RetentionRule | None = None
    escalation: EscalationRule | None = None

    @model_validator(mode="after")
    def _each_model_once(self) -> Self:
        names = [use.name for use in self.models]
        if len(set(names)) != len(names):
            raise ValueError("models: a model is named twice; keep one operating point")
        return self

    def model_use(self, model_id: str) -> ModelUse | None:
        """Return how this pathway uses a model; None when it does not."""
        return next((use for use in self.models if use.name == model_id), None)
