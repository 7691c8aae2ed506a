"""What the values of a head say: the header that travels, and whose the instance is, which does not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from voorrang.dicom.element_walking import OddDataSetError
from voorrang.dicom.headers import InstanceHeader, Vector
from voorrang.dicom.raw_values import (
    age_years,
    decimal,
    decimals,
    integer,
    paragraph,
    unsigned_short,
    without_padding,
    words,
)

_SEPARATOR = b"\x1f"

# The places of the values: first what makes the identity, then single texts, then single codes, then the others.
ELEMENTS = (
    (0x0008, 0x0005, "CS"),  # 0 Specific Character Set
    (0x0010, 0x0010, "PN"),  # Patient's Name
    (0x0010, 0x0030, "DA"),
    (0x0010, 0x0040, "CS"),
    (0x0010, 0x0020, "LO"),  # 4 Patient ID
    (0x0010, 0x0021, "LO"),
    (0x0008, 0x0050, "SH"),
    (0x0008, 0x0051, "SQ"),  # 7 Issuer of Accession Number Sequence: what its first item names
    (0x0018, 0x0010, "LO"),  # 8 Contrast/Bolus Agent
    (0x0008, 0x1030, "LO"),
    (0x0008, 0x103E, "LO"),
    (0x0018, 0x1030, "LO"),
    (0x0008, 0x0070, "LO"),
    (0x0008, 0x1090, "LO"),
    (0x0020, 0x000D, "UI"),  # 14 Study Instance UID
    (0x0020, 0x000E, "UI"),
    (0x0008, 0x0018, "UI"),
    (0x0008, 0x0016, "UI"),
    (0x0008, 0x0060, "CS"),
    (0x0020, 0x0052, "UI"),
    (0x0018, 0x0015, "CS"),
    (0x0010, 0x1010, "AS"),
    (0x0008, 0x0020, "DA"),
    (0x0008, 0x0008, "CS"),  # 23 Image Type
    (0x0020, 0x0013, "IS"),
    (0x0028, 0x0008, "IS"),
    (0x0028, 0x0010, "US"),
    (0x0028, 0x0011, "US"),
    (0x0028, 0x0030, "DS"),
    (0x0020, 0x0032, "DS"),
    (0x0020, 0x0037, "DS"),
    (0x0018, 0x0050, "DS"),
    (0x0028, 0x1053, "DS"),
    (0x0028, 0x1052, "DS"),
    (0x0018, 0x1120, "DS"),
    (0x0018, 0x1210, "SH"),
    (0x0020, 0x4000, "LT"),
)
_ORDER_ISSUER, _TEXTS, _CODES, _OTHERS = 7, 4, 14, 23
OWN_PLACES = (16, 24, 29)  # of what differs from instance to instance of a series: UID, number, position

_ENCODINGS = {b"": "latin_1", b"ISO_IR 6": "latin_1", b"ISO_IR 100": "latin_1", b"ISO_IR 192": "utf_8"}
_ENCODINGS |= {b"ISO_IR %d" % set_number: "ascii" for set_number in (101, 109, 110, 126, 127, 138, 144, 148)}
_ENCODINGS |= {b"ISO 2022 IR 6": "ascii", b"ISO 2022 IR 100": "ascii", b"\\ISO 2022 IR 100": "ascii"}
_ENCODINGS |= {b"ISO 2022 IR 6\\ISO 2022 IR 100": "ascii"}


@dataclass(frozen=True, slots=True, eq=False)
class CommonHead:
    """
    What the heads of a series have in common; each is itself and equals no other.

    Parameters
    ----------
    header
        As `header_from_dataset` gives it, with number, position and UID of one instance.
    patient_id
        As sent, trimmed.
    issuer_of_patient_id
        Empty when the data set names none.
    accession_number
        As sent, trimmed.
    order_issuer
        Of the accession number; empty when the data set names none.
    identity
        The bytes that identify patient and order: equal bytes, equal identity. Only for a keyed hash.
    """

    header: InstanceHeader
    patient_id: str
    issuer_of_patient_id: str
    accession_number: str
    order_issuer: str
    identity: bytes


class ScannedHead(NamedTuple):
    """What intake needs of an instance: what its series repeats, and its own."""

    common: CommonHead
    sop_instance_uid: str
    instance_number: int | None
    image_position_mm: Vector | None

    @property
    def header(self) -> InstanceHeader:
        """The header of the instance."""
        return self.common.header.of_another(self.sop_instance_uid, self.instance_number, self.image_position_mm)


def head_of(values: Sequence[bytes], transfer_syntax_uid: str) -> ScannedHead:
    """
    Read the values of a head.

    Parameters
    ----------
    values
        One for each of `ELEMENTS`; empty where it is absent.
    transfer_syntax_uid
        The syntax they are in.

    Raises
    ------
    OddDataSetError, ValueError, OverflowError
        When pydicom has to be asked.
    """
    identity = _SEPARATOR.join(values[: _ORDER_ISSUER + 1])
    encoding = _ENCODINGS.get(without_padding(values[0]))
    if encoding is None or identity.count(_SEPARATOR) != _ORDER_ISSUER:
        raise OddDataSetError
    singles = _singles(values, encoding)
    patient_id, issuer, accession, order_issuer, contrast, study, series, protocol, maker, model = singles[:10]
    study_uid, series_uid, instance_uid, class_uid, modality, frame_of_reference, body_part, age, date = singles[10:]
    image_type, number, frames, rows, columns, spacing, position, orientation = values[_OTHERS : _OTHERS + 8]
    thickness, slope, intercept, tilt, kernel, comments = values[_OTHERS + 8 :]
    header = InstanceHeader(
        study_instance_uid=study_uid,
        series_instance_uid=series_uid,
        sop_instance_uid=instance_uid,
        sop_class_uid=class_uid,
        transfer_syntax_uid=transfer_syntax_uid,
        modality=modality.upper(),
        image_type=words(image_type, "latin_1"),
        instance_number=integer(number),
        number_of_frames=integer(frames),
        rows=unsigned_short(rows),
        columns=unsigned_short(columns),
        pixel_spacing_mm=decimals(spacing, 2),  # type: ignore[arg-type]
        image_position_mm=decimals(position, 3),  # type: ignore[arg-type]
        image_orientation=decimals(orientation, 6),  # type: ignore[arg-type]
        slice_thickness_mm=decimal(thickness),
        frame_of_reference_uid=frame_of_reference,
        rescale_slope=decimal(slope),
        rescale_intercept=decimal(intercept),
        gantry_tilt_degrees=decimal(tilt),
        convolution_kernel="\\".join(words(kernel, encoding)).replace("\0", ""),
        contrast_bolus_agent=contrast,
        body_part_examined=body_part.upper(),
        study_description=study,
        series_description=series,
        protocol_name=protocol,
        image_comments=paragraph(comments, encoding),
        manufacturer=maker,
        manufacturer_model_name=model,
        patient_age_years=age_years(age),
        study_date=date,
    )
    common = CommonHead(header, patient_id, issuer, accession, order_issuer, identity)
    return ScannedHead(common, header.sop_instance_uid, header.instance_number, header.image_position_mm)


def another_of(common: CommonHead, uid: bytes, number: bytes, position: bytes) -> ScannedHead:
    """
    Read a head of which all but these three values are those of another.

    Raises
    ------
    OddDataSetError, ValueError, OverflowError
        As `head_of` does for these values.
    """
    text = uid.decode("ascii").replace("\0", "")
    if "\\" in text or not text.isprintable():
        raise OddDataSetError
    return ScannedHead(common, text.strip(" "), integer(number), decimals(position, 3))  # type: ignore[arg-type]


def _singles(values: Sequence[bytes], encoding: str) -> list[str]:
    """Decode the single texts and codes all at once; NUL is removed, since no reader keeps it."""
    joined = _SEPARATOR.join(values[_TEXTS:_OTHERS])
    if joined.isascii():
        encoding = "ascii"
    elif not (_SEPARATOR.join(values[_CODES:_OTHERS]) + values[_ORDER_ISSUER]).isascii():
        raise OddDataSetError  # these know no character set, or not surely the same
    texts = joined.decode(encoding).replace("\0", "").split("\x1f")
    printed = "".join(texts)
    # Escapes, control characters, blanks that only some readers trim, several values, the separator: all odd.
    if len(texts) != _OTHERS - _TEXTS or "\\" in printed or not printed.isprintable():
        raise OddDataSetError
    return [text.strip(" ") for text in texts]
