"""What a pathway or a model asks of a series, as data."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Region = Literal["head", "chest"]


class SeriesCriteria(BaseModel):
    """
    What a series must be; None asks nothing. Lengths in mm.

    `whole_organ` refuses lungs or a head that the pixels show to be cut off by far; a model that reads parts sets it
    false. `gapless` refuses slices further apart than 1.1 times their thickness, as a model that measures volumes must;
    `manufacturers` are beginnings of names, in either case, and no names ask nothing. `window_hu` asks nothing either:
    it is what is black and what is white in a key picture; None takes that of the region.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    modality: str = Field(default="CT", pattern=r"^[A-Z]{2,16}$")
    region: Region
    contrast: bool | None = None
    slice_thickness_mm: tuple[float, float] | None = None
    kernel: Literal["soft", "any"] = "any"
    min_coverage_mm: float = Field(default=0.0, ge=0)
    whole_organ: bool = True
    gapless: bool = False
    manufacturers: tuple[str, ...] = ()
    min_age_years: float = Field(default=18.0, ge=0)
    max_age_years: float | None = Field(default=None, ge=0)
    max_tilt_degrees: float = Field(default=30.0, ge=0)
    window_hu: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _low_before_high(self) -> Self:
        if self.slice_thickness_mm and not 0 < self.slice_thickness_mm[0] <= self.slice_thickness_mm[1]:
            raise ValueError("slice_thickness_mm: the thinnest comes first, both above 0")
        if self.max_age_years is not None and self.max_age_years < self.min_age_years:
            raise ValueError("max_age_years is below min_age_years")
        if self.window_hu and self.window_hu[0] >= self.window_hu[1]:
            raise ValueError("window_hu: black comes first, below white")
        return self
