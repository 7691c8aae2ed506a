"""How long an exam of each tier may wait on a pathway, and in which hours that is counted."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _quoted(value: Any) -> Any:
    if isinstance(value, int | float):  # YAML reads 18:00 as the number 1080
        raise ValueError('a time of day is written in quotes, as "18:00"')
    return value


TimeOfDay = Annotated[time, BeforeValidator(_quoted)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ServiceHours(_Part):
    """Hours in which exams of a pathway are read: site time, the same on each of `days` (ISO, Monday is 1)."""

    days: tuple[Annotated[int, Field(ge=1, le=7)], ...] = Field(default=(1, 2, 3, 4, 5), min_length=1)
    opens: TimeOfDay
    closes: TimeOfDay

    @model_validator(mode="after")
    def _closes_later(self) -> Self:
        if self.closes <= self.opens:
            raise ValueError("closes is not after opens: leave service_hours out for a pathway read day and night")
        return self


class AgeingRule(_Part):
    """Minutes of service after which an exam goes to the top of its tier; without `service_hours`, day and night."""

    stat_minutes: float = Field(default=60, gt=0)
    urgent_minutes: float = Field(default=240, gt=0)
    routine_minutes: float = Field(default=1440, gt=0)
    service_hours: ServiceHours | None = None
