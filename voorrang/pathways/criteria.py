"""What a pathway or a model asks of a series, as data."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Region = Literal["head", "chest"]


class SeriesCriteria(BaseModel):
    """What a series must be; None asks nothing. Lengths in mm."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    modality: str = Field(default="CT", pattern=r"^[A-Z]{2,16}$")
    region: Region
    contrast: bool | None = None
    slice_thickness_mm: tuple[float, float] | None = None
    kernel: Literal["soft", "any"] = "any"
    min_coverage_mm: float = Field(default=0.0, ge=0)
    min_age_years: float = Field(default=18.0, ge=0)
    max_tilt_degrees: float = Field(default=30.0, ge=0)

    @model_validator(mode="after")
    def _thin_before_thick(self) -> Self:
        if self.slice_thickness_mm and not 0 < self.slice_thickness_mm[0] <= self.slice_thickness_mm[1]:
            raise ValueError("slice_thickness_mm: the thinnest comes first, both above 0")
        return self
