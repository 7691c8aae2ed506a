"""What `voorrang up` says is open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from voorrang.commands.up import what_is_open
from voorrang.settings import Settings

TLS: dict[str, Any] = {name: Path("file.pem") for name in ("tls_certificate", "tls_key", "tls_authorities")}


@pytest.mark.parametrize(
    ("ports", "dicom", "hl7"),
    [
        ({}, "VOORRANG at 127.0.0.1:11112", ""),
        ({"dicom_tls_port": 2762}, "VOORRANG at 127.0.0.1:11112 and 127.0.0.1:2762 with TLS", ""),
        ({"dicom_port": 0, "dicom_tls_port": 2762}, "VOORRANG at 127.0.0.1:2762 with TLS", ""),
        ({"hl7_port": 2575}, "VOORRANG at 127.0.0.1:11112", "127.0.0.1:2575"),
        ({"hl7_tls_port": 2576}, "VOORRANG at 127.0.0.1:11112", "127.0.0.1:2576 with TLS"),
        (
            {"hl7_port": 2575, "hl7_tls_port": 2576},
            "VOORRANG at 127.0.0.1:11112",
            "127.0.0.1:2575 and 127.0.0.1:2576 with TLS",
        ),
    ],
)
def test_every_port_that_is_open_is_named_and_no_other(ports: dict[str, Any], dicom: str, hl7: str) -> None:
    words = dict(line.split(maxsplit=1) for line in what_is_open(Settings(**ports, **TLS)).splitlines())
    assert words["DICOM"] == dicom
    assert words.get("HL7", "") == hl7
    assert words["worklist"] == "http://127.0.0.1:8080/"
    assert "9104 monitoring" in words["metrics"]
