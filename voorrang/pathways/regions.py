"""The region of the body that a header hints at; BodyPartExamined is often wrong, so every hint counts."""

from __future__ import annotations

import re

from voorrang.dicom.headers import InstanceHeader

OTHER = "other"
_WORDS: dict[str, str] = {
    "head": r"HEAD|BRAIN|SKULL|CRANI\w*|CEREBR\w*|HERSEN\w*|SCHEDEL|HOOFD|T[EÊ]TE|CR[AÂ]NE|CERVEAU|NEURO|STROKE",
    "chest": r"CHEST|THORAX|THORACIC|THORACIQUE|LUNG|LONG|LONGEN|POUMON|PULMO\w*|BORST",
    OTHER: (
        r"ABDOM\w*|PELVI\w*|BEKKEN|BASSIN|BUIK|KNEE|KNIE|GENOU|HIP|HEUP|HANCHE|SPINE|WERVEL\w*|RACHIS|NECK|HALS|COU|"
        r"SHOULDER|SCHOUDER|ANKLE|ENKEL|WRIST|POLS|FOOT|VOET|LIVER|LEVER|KIDNEY|NIER"
    ),
}
_PATTERNS = {region: re.compile(rf"(?<![A-Z])(?:{words})(?![A-Z])") for region, words in _WORDS.items()}


def hinted_regions(header: InstanceHeader) -> frozenset[str]:
    """
    Return the regions that body part, descriptions and protocol name; empty when they say nothing.

    The set may hold more than one (a trauma protocol), and `other` stands for everything that no pathway is about.
    """
    text = " | ".join(
        (header.body_part_examined, header.study_description, header.series_description, header.protocol_name)
    ).upper()
    text = text.replace("_", " ")
    return frozenset(region for region, pattern in _PATTERNS.items() if pattern.search(text))
