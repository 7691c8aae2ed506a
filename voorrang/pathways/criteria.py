"""What a pathway or a model asks of a series, as data."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Region = Literal["head", "chest"]


class SeriesCriteria(BaseModel):
    """What a series must be; None asks nothing. Lengths in mm."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    modality: str = "CT"
    region: Region
    contrast: bool | None = None
    slice_thickness_mm: tuple[float, float] | None = None
    kernel: Literal["soft", "any"] = "any"
    min_coverage_mm: float = Field(default=0.0, ge=0)
    min_age_years: float = Field(default=18.0, ge=0)
    max_tilt_degrees: float = Field(default=30.0, ge=0)
