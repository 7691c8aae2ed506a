"""What every record of an event is."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict

Time = Annotated[AwareDatetime, AfterValidator(lambda time: time.astimezone(UTC))]


class Record(BaseModel):
    """
    What an event says; frozen, and lenient about fields that a newer writer added.

    Every time has a zone and is UTC; a number that is none (NaN, infinity) is refused: as a score it would read as
    negative.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    event_type: ClassVar[str]
    version: ClassVar[int] = 1
