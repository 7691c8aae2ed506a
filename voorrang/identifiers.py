"""Identifiers: checked UIDs, and opaque keys that stand for people in events, logs and metrics."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from functools import lru_cache

MAX_UID_LENGTH = 64  # PS3.5 section 9.1
_UID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+")
_LENIENT_UID = re.compile(r"[0-9]+(?:\.[0-9]+)+")
_SEPARATOR = "\x1f"


@lru_cache(maxsize=1024)  # of an instance several are asked for several times
def is_uid(text: str) -> bool:
    """
    Tell whether a text is safe to use as a UID.

    Leading zeros in a component break PS3.5 section 9.1 but are met in practice and harm nothing; length,
    alphabet and the absence of empty components are what keeps a UID out of trouble as part of a name.
    """
    return len(text) <= MAX_UID_LENGTH and _LENIENT_UID.fullmatch(text) is not None


def is_conformant_uid(text: str) -> bool:
    """Tell whether a text is a UID to the letter of PS3.5 section 9.1."""
    return len(text) <= MAX_UID_LENGTH and _UID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class SiteKeys:
    """
    The one place where a person's or an order's identifier becomes an opaque key.

    HMAC-SHA256 over domain + 0x1F + trimmed identifier, so that DICOM and HL7 agree and nobody without the
    site's secret can go back. A 0x1F inside a domain is doubled, and an identifier never begins with one (it is white
    space to `str.strip`): so no two pairs of domain and identifier give one message.

    Parameters
    ----------
    secret
        The site's secret, at least 32 bytes.
    """

    secret: bytes

    def patient_key(self, domain: str, patient_id: str) -> str:
        """Return the key of a patient; `domain` is the issuer of the id, or the sender's default."""
        return self._key("p", domain, patient_id)

    def order_key(self, domain: str, accession_number: str) -> str:
        """Return the key of an order; `domain` is the issuer of the number, or the sender's default."""
        return self._key("o", domain, accession_number)

    def for_study(self, study_instance_uid: str, patient: tuple[str, str], order: tuple[str, str]) -> tuple[str, str]:
        """
        Return the keys of a study's patient and of its order; the latter is empty without an accession number.

        Without an id a patient is known by this study alone: nobody is taken for somebody else.

        Parameters
        ----------
        study_instance_uid
            The study.
        patient, order
            Domain and identifier; an empty identifier is none.
        """
        domain, patient_id = patient
        order_domain, accession_number = order
        return (
            self.patient_key(domain, patient_id or f"study:{study_instance_uid}"),
            self.order_key(order_domain, accession_number) if accession_number else "",
        )

    def identity_digest(self, identity: bytes) -> str:
        """Return what tells whether two instances say the same of a patient, without saying what."""
        return hmac.new(self.secret, b"identity" + identity, hashlib.sha256).hexdigest()[:32]

    def study_key(self, study_instance_uid: str) -> str:
        """Return the short key that stands for a study in logs."""
        return self._key("s", "", study_instance_uid)[:14]

    def traceparent(self, study_instance_uid: str) -> str:
        """Return a W3C traceparent: one trace for a study, a new span each time."""
        digest = hmac.new(self.secret, f"t{_SEPARATOR}{study_instance_uid}".encode(), hashlib.sha256)
        return f"00-{digest.hexdigest()[:32]}-{secrets.token_hex(8)}-01"

    def fingerprint(self) -> str:
        """Return what tells one secret from another without giving it away."""
        return hashlib.sha256(b"voorrang site secret" + self.secret).hexdigest()[:32]

    def _key(self, prefix: str, domain: str, identifier: str) -> str:
        first = domain.strip().replace(_SEPARATOR, _SEPARATOR * 2)
        message = f"{first}{_SEPARATOR}{identifier.strip()}".encode()
        return f"{prefix}_{hmac.new(self.secret, message, hashlib.sha256).hexdigest()[:40]}"
