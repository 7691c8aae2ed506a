"""A header goes through JSON and comes back as it was, whatever its elements hold."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voorrang.dicom.headers import InstanceHeader

REQUIRED = [each.name for each in fields(InstanceHeader) if each.default is MISSING]


@given(st.from_type(InstanceHeader))
def test_a_header_comes_back_as_it_was(header: InstanceHeader) -> None:
    values = json.loads(json.dumps(header.to_json()))
    if InstanceHeader.can_be_rebuilt(values):
        assert repr(InstanceHeader.from_json(values)) == repr(_without_nothing(header))  # a NaN is like no other


def _without_nothing(header: InstanceHeader) -> InstanceHeader:
    """Return a header with the default in the place of what is empty: `to_json` leaves it out."""
    told = {each.name: value for each in fields(header) if (value := getattr(header, each.name)) or value == 0}
    return InstanceHeader(**told)


@pytest.mark.parametrize("name", REQUIRED)
def test_one_without_an_element_that_must_be_there_cannot_be_rebuilt(name: str) -> None:
    values = dict.fromkeys(REQUIRED, "1.2")
    assert InstanceHeader.can_be_rebuilt(values)
    del values[name]
    assert not InstanceHeader.can_be_rebuilt(values)
    with pytest.raises(TypeError):
        InstanceHeader.from_json(values)


def test_nor_can_one_with_an_element_that_is_none() -> None:
    assert not InstanceHeader.can_be_rebuilt(dict.fromkeys([*REQUIRED, "modalitx"], "1.2"))
