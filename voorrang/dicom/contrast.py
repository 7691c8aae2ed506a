"""Whether a header says that contrast was given."""

from __future__ import annotations

import re

from voorrang.dicom.headers import InstanceHeader

_NO_AGENT = frozenset({"", "NONE", "NO", "N", "NIL", "0", "WITHOUT", "NO CONTRAST", "WITHOUT CONTRAST", "GEEN"})


def contrast_given(header: InstanceHeader) -> bool:
    """Whether Contrast/Bolus Agent (0018,0010) names anything but none."""
    plain = " ".join(re.sub(r"[^A-Z0-9]+", " ", header.contrast_bolus_agent.upper()).split())
    return plain not in _NO_AGENT
