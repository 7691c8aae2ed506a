"""TLS for DICOM: both sides show certificates (PS3.15 section B.12, the BCP 195 profile: TLS 1.2 and later)."""

from __future__ import annotations

import ssl

from ingest.listening.configuration import TLSFiles
from voorrang.errors import ConfigurationError

# The suites of BCP 195 (RFC 9325 section 4.2) for TLS 1.2; those of TLS 1.3 are all fit.
CIPHERS_TLS_1_2 = ":".join(
    [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    ]
)
_REMEDY = (
    "VOORRANG_TLS_CERTIFICATE, VOORRANG_TLS_KEY and VOORRANG_TLS_AUTHORITIES name PEM files of our certificate, its "
    "key without a password, and the authorities of the senders"
)


def server_context(files: TLSFiles) -> ssl.SSLContext:
    """
    Return what a connection is shaken hands with.

    Raises
    ------
    ConfigurationError
        When a file is missing, or certificate and key do not belong together.
    """
    for path in (files.certificate, files.key, files.authorities):
        if not path.is_file():
            raise ConfigurationError(f"TLS: {path} is not a file; {_REMEDY}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_ciphers(CIPHERS_TLS_1_2)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        context.load_cert_chain(files.certificate, files.key, password="")  # else a locked key would ask
        context.load_verify_locations(files.authorities)
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "reason", None) or error.strerror or type(error).__name__
        names = f"{files.certificate.name}, {files.key.name} or {files.authorities.name}"
        raise ConfigurationError(
            f"TLS: {names} cannot be used ({str(why).lower().replace('_', ' ')}); {_REMEDY}"
        ) from error
    return context
