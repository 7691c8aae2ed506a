"""The header of one instance: the few elements that every later step asks for, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from operator import attrgetter
from typing import Any, Self

Vector = tuple[float, float, float]
Orientation = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class InstanceHeader:
    """
    Elements of one instance, under their DICOM keyword in snake_case; absent or unreadable is None.

    Lengths are in mm, angles in degrees, positions in patient coordinates (LPS, PS3.3 C.7.6.2.1.1).
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str = ""
    image_type: tuple[str, ...] = ()
    instance_number: int | None = None
    number_of_frames: int | None = None
    rows: int | None = None
    columns: int | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    image_position_mm: Vector | None = None
    image_orientation: Orientation | None = None
    slice_thickness_mm: float | None = None
    frame_of_reference_uid: str = ""
    rescale_slope: float | None = None
    rescale_intercept: float | None = None
    gantry_tilt_degrees: float | None = None
    convolution_kernel: str = ""
    contrast_bolus_agent: str = ""
    body_part_examined: str = ""
    study_description: str = ""
    series_description: str = ""
    protocol_name: str = ""
    image_comments: str = ""
    manufacturer: str = ""
    manufacturer_model_name: str = ""
    patient_age_years: float | None = None
    study_date: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the non-default elements as JSON values."""
        return {name: value for name, value in zip(_NAMES, _VALUES(self), strict=True) if value or value == 0}

    def of_another(self, sop_instance_uid: str, instance_number: int | None, image_position_mm: Vector | None) -> Self:
        """Return the header of an instance that differs from this one in nothing but these."""
        values = list(_VALUES(self))
        values[_OWN[0]], values[_OWN[1]], values[_OWN[2]] = sop_instance_uid, instance_number, image_position_mm
        return type(self)(*values)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild a header from what `to_json` gave; lists become tuples."""
        elements = dict(values)
        for name in _TUPLES:
            if isinstance(value := elements.get(name), list):
                elements[name] = tuple(value)
        return cls(**elements)

    @staticmethod
    def can_be_rebuilt(values: Mapping[str, Any]) -> bool:
        """Tell whether these are the elements of a header, and none that must be there is missing."""
        return _REQUIRED <= values.keys() <= _KNOWN


_NAMES = tuple(each.name for each in fields(InstanceHeader))
_TUPLES = ("image_type", "pixel_spacing_mm", "image_position_mm", "image_orientation")
_KNOWN = frozenset(_NAMES)
_REQUIRED = frozenset(each.name for each in fields(InstanceHeader) if each.default is MISSING)
_VALUES = attrgetter(*_NAMES)
OWN_ELEMENTS = ("sop_instance_uid", "instance_number", "image_position_mm")  # the others a series repeats, mostly
_OWN = tuple(map(_NAMES.index, OWN_ELEMENTS))
