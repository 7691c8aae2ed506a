"""What the ledger says of an instance, put together from pieces, is what its header says."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ingest.listening.entries import common_members, instance_entry, own_members
from voorrang.archive.instance_files import Stored
from voorrang.dicom.headers import InstanceHeader

RECEIVED_AT = datetime(2026, 11, 30, 8, 15, 0, 1, tzinfo=UTC)
STORED = Stored("studies/ab/1.2/1.2.3/1.2.3.4.dcm", "conflict", 526_336)

finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
OF_ELEMENT: dict[str, st.SearchStrategy[Any]] = {
    "str": texts,
    "int | None": st.none() | st.integers(-(2**70), 2**70),
    "float | None": st.none() | finite,
    "Vector | None": st.none() | st.tuples(finite, finite, finite),
    "tuple[float, float] | None": st.none() | st.tuples(finite, finite),
    "Orientation | None": st.none() | st.tuples(*[finite] * 6),
    "tuple[str, ...]": st.lists(texts, max_size=3).map(tuple),
}
HAS_ALWAYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)  # without its UIDs nothing is accepted
headers = st.builds(
    InstanceHeader,
    **{
        each.name: HAS_ALWAYS if each.default is MISSING else OF_ELEMENT[str(each.type)]
        for each in fields(InstanceHeader)
    },
)


def entry_of(header: InstanceHeader, *, common: InstanceHeader | None = None, sender: str = "CT1") -> dict[str, Any]:
    own = own_members(header.sop_instance_uid, header.instance_number, header.image_position_mm)
    alike = common_members(common or header, "p-key", "o-key", "identity")
    told: dict[str, Any] = json.loads(
        instance_entry(STORED, own, alike, sender=sender, purpose="clinical", received_at=RECEIVED_AT)
    )
    return told


@given(headers, texts)
def test_whatever_a_header_holds_comes_back(header: InstanceHeader, sender: str) -> None:
    told = entry_of(header, sender=sender)
    assert InstanceHeader.from_json(told.pop("header")) == header
    assert told == {
        "kind": "instance",
        "outcome": "conflict",
        "locator": STORED.locator,
        "size_bytes": 526_336,
        "sender": sender,
        "purpose": "clinical",
        "patient_key": "p-key",
        "order_key": "o-key",
        "identity": "identity",
        "received_at": "2026-11-30T08:15:00.000001+00:00",
    }


@given(headers, headers)
def test_what_a_series_repeats_is_taken_from_another_instance_and_its_own_never(
    header: InstanceHeader, other: InstanceHeader
) -> None:
    another = other.of_another(header.sop_instance_uid, header.instance_number, header.image_position_mm)
    own = (another.sop_instance_uid, another.instance_number, another.image_position_mm)
    assert own == (header.sop_instance_uid, header.instance_number, header.image_position_mm)
    assert entry_of(header, common=other) == entry_of(another)
