"""What the free text of a header says, as closed answers; the text itself goes no further."""

from __future__ import annotations

import re

from voorrang.dicom.headers import InstanceHeader

_PHANTOM = re.compile(r"\b(PHANTOMS?|FANTOOM|CATPHAN|QA|QC|QUALITY (ASSURANCE|CONTROL))\b(?! (LIMB|PAIN))")

# Siemens: a letter or two for the body part, then two digits: 30 smooth, 70 sharp (B70f, H60s, Hr68, Br64).
_SIEMENS_KERNEL = re.compile(r"^[A-Z]{1,2}(\d{2})[A-Z]?(?:$|[^\w])")
_SIEMENS_SHARP_FROM = 60
# Canon: FC01-FC2x body and brain, FC30 and above bone, inner ear and lung.
_CANON_KERNEL = re.compile(r"^FC ?(\d{2})")
_CANON_SHARP_FROM = 30
_GE_KERNEL = re.compile(r"^(BONE|EDGE|LUNG|ULTRA)")
# Philips: D and E, with or without Y before, are detail and edge filters.
_PHILIPS_KERNEL = re.compile(r"^Y?[DE]\d?$")


def names_phantom(header: InstanceHeader) -> bool:
    """Whether body part, descriptions or protocol say phantom or quality assurance; bare WATER does not."""
    texts = (
        header.body_part_examined,
        header.study_description,
        header.series_description,
        header.protocol_name,
    )
    return any(_PHANTOM.search(_plain(text)) for text in texts)


def is_sharp_kernel(header: InstanceHeader) -> bool:
    """Whether Convolution Kernel is a known bone, edge or lung kernel; an unknown one is not."""
    kernel = header.convolution_kernel.split("\\")[0].upper().strip()
    manufacturer = header.manufacturer.upper()
    siemens, canon = _SIEMENS_KERNEL.match(kernel), _CANON_KERNEL.match(kernel)
    if canon:
        return int(canon[1]) >= _CANON_SHARP_FROM
    if siemens and not manufacturer.startswith(("GE", "PHILIPS")):
        return int(siemens[1]) >= _SIEMENS_SHARP_FROM
    if manufacturer.startswith("PHILIPS"):
        return bool(_PHILIPS_KERNEL.match(kernel))
    return bool(_GE_KERNEL.match(kernel))


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^A-Z0-9]+", " ", text.upper()).split())
