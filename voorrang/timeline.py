"""One thing that happened to a study: what each service tells of it from its own tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened, which of a few words it goes under, and the rest in words for a person."""

    at: datetime
    what: str
    detail: str
