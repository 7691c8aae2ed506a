"""Series that must be there beside the wanted one, named by simple criteria of the header. Pure."""

from __future__ import annotations

import re
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from voorrang.dicom.contrast import contrast_given
from voorrang.dicom.headers import InstanceHeader


class HeaderCriteria(BaseModel):
    """
    What the header of a series must say; None and empty ask nothing, and what a header leaves out is never there.

    `description_words`: one of them is a word of the series description or the protocol name, in any case.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    modality: str = Field(default="CT", pattern=r"^[A-Z]{2,16}$")
    contrast: bool | None = None
    slice_thickness_mm: tuple[float, float] | None = None
    description_words: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.contrast is None and self.slice_thickness_mm is None and not self.description_words:
            raise ValueError(
                "any series would do: give at least one of contrast, slice_thickness_mm and description_words"
            )
        if self.slice_thickness_mm and not 0 < self.slice_thickness_mm[0] <= self.slice_thickness_mm[1]:
            raise ValueError("slice_thickness_mm: the thinnest comes first, both above 0")
        if not all(_plain(word) for word in self.description_words):
            raise ValueError("description_words: one has no letter or digit; remove it")
        return self

    def fits(self, header: InstanceHeader) -> bool:
        """Tell whether a series whose instances have this header is meant; a localizer never is."""
        return (
            header.modality == self.modality
            and "LOCALIZER" not in header.image_type
            and self.contrast in (None, contrast_given(header))
            and self._is_as_thin(header.slice_thickness_mm)
            and self._is_described(f"{header.series_description} {header.protocol_name}")
        )

    def _is_as_thin(self, slice_thickness_mm: float | None) -> bool:
        if self.slice_thickness_mm is None:
            return True
        low, high = self.slice_thickness_mm
        return slice_thickness_mm is not None and low <= slice_thickness_mm <= high

    def _is_described(self, text: str) -> bool:
        if not self.description_words:
            return True
        plain = f" {_plain(text)} "
        return any(f" {_plain(word)} " in plain for word in self.description_words)


class RequiredSeries(BaseModel):
    """A series without which the answer of a pathway would be one about half of the exam."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")
    wants: HeaderCriteria


def _plain(text: str) -> str:
    """Return the words of a text in one case with one space between, whatever stood there."""
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()
