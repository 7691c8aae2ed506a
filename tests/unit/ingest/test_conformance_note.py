"""The conformance note names what the code answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ingest.admission import StoreStatus

NOTE = (Path(__file__).parents[3] / "docs/dicom-conformance.md").read_text()
STATUSES = NOTE.split("## Statuses")[1].split("## ")[0]


@pytest.mark.parametrize("status", StoreStatus)
def test_every_status_is_in_the_note(status: StoreStatus) -> None:
    assert f"| `0x{status:04X}` |" in STATUSES


def test_every_reason_in_the_code_is_in_the_note_and_the_other_way_round() -> None:
    code = "".join(path.read_text() for path in (Path(__file__).parents[3] / "ingest").rglob("*.py"))
    given = set(re.findall(r'Refusal\(StoreStatus\.\w+, "(\w+)"\)', code))

    assert given == set(re.findall(r"`([a-z_]{6,})`", STATUSES))
