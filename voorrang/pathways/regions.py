"""The region of the body that a header names; BodyPartExamined is often wrong, so it is one hint among others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from voorrang.dicom.headers import InstanceHeader

OTHER = "other"
# Words of English, Dutch, French and German scanners nearby.
_WORDS: dict[str, str] = {
    "head": (
        r"HEAD|BRAIN|SKULL|CRANI\w*|CEREB\w*|HERSEN\w*|SCHEDEL|HOOFD|T[EÊ]TE|CR[AÂ]NE|CERVEAU|KOPF|SCH(?:Ä|AE)DEL|"
        r"NEURO|STROKE|N?CCT"
    ),
    "chest": r"CHEST|THORAX|THORAC\w*|LUNGS?|LUNGE|LONG|LONGEN|POUMONS?|PULMO\w*|BORST|CTPA|CAP",
    OTHER: (
        r"ABD|ABDOM\w*|PANCREA\w*|PELVI\w*|BEKKEN|BECKEN|BASSIN|BUIK|KNEE|KNIE|GENOU|HIP|HEUP|HANCHE|SPINE|WERVEL\w*|"
        r"RACHIS|LUMBA\w*|SACR\w*|NECK|CERVIC\w*|LARYN\w*|HALS|COU|SHOULDER|SCHOUDER|ELBOW|ANKLE|ENKEL|WRIST|POLS|"
        r"FOOT|VOET|LEG|EXTREM\w*|FEMUR|TIBIA|HUMER\w*|LIVER|LEVER|KIDNEYS?|NIER|COLON|FACIAL|SINUS\w*|MANDIB\w*|"
        r"DENTAL|ORBIT\w*|CAP"
    ),
}
_PATTERNS = {region: re.compile(rf"(?<!\w)(?:{words})(?![A-Z])") for region, words in _WORDS.items()}
_PATIENT_POSITION = re.compile(r"\b(HEAD|FEET) FIRST\b")


def regions_named(headers: Sequence[InstanceHeader]) -> frozenset[str]:
    """
    Return the regions that the headers of a series name; empty when they say nothing.

    The series' own text decides (body part, series description, protocol), the study's only where that is silent. The
    set may hold more than one (a trauma protocol), and `other` stands for everything that no pathway is about.
    """
    own = {text for h in headers for text in (h.body_part_examined, h.series_description, h.protocol_name)}
    return _named_in(own) or _named_in({header.study_description for header in headers})


def _named_in(texts: Iterable[str]) -> frozenset[str]:
    plain = [_PATIENT_POSITION.sub(" ", re.sub(r"[\W_]+", " ", text.upper())) for text in texts]
    return frozenset(region for region, pattern in _PATTERNS.items() if any(pattern.search(text) for text in plain))
