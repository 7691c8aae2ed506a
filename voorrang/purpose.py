"""What a study or an event is for; a running stack serves one purpose."""

from __future__ import annotations

from enum import StrEnum


class Purpose(StrEnum):
    """Closed set of purposes."""

    CLINICAL = "clinical"
    DEMO = "demo"
    QA = "qa"
    VALIDATION = "validation"
    REPLAY = "replay"
