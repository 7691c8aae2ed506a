"""What every record of an event is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict


def in_utc(time: datetime) -> datetime:
    """
    Return a time in UTC.

    Raises
    ------
    ValueError
        When no year of UTC holds it: the first or the last hours of all in another zone.
    """
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("outside the years 1 to 9999 of UTC") from error


Time = Annotated[AwareDatetime, AfterValidator(in_utc)]


class Record(BaseModel):
    """
    What an event says; frozen, and lenient about fields that a newer writer added.

    Every time has a zone and is UTC; a number that is none (NaN, infinity) is refused: as a score it would read as
    negative.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    event_type: ClassVar[str]
    version: ClassVar[int] = 1
