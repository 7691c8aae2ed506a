from __future__ import annotations

import re
from pathlib import Path

import pytest

import ingest
from ingest.refusal_wording import refusal_words, status_words

REFUSALS = re.compile(r'Refusal\(\s*StoreStatus\.\w+,\s*"(\w+)"')
SOURCES = sorted(Path(ingest.__path__[0]).rglob("*.py"))
REASONS = sorted({reason for path in SOURCES for reason in REFUSALS.findall(path.read_text())})


def test_there_are_reasons() -> None:
    assert "bad_sop_instance_uid" in REASONS


@pytest.mark.parametrize("reason", [*REASONS, "not_taken_in"])
def test_every_reason_of_a_refusal_has_words_of_its_own(reason: str) -> None:
    words = refusal_words(reason)

    assert words.reason != reason.replace("_", " ")
    assert words.remedy


def test_a_reason_of_another_version_is_read_out() -> None:
    assert refusal_words("moon_too_full").reason == "moon too full"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0x0000, "0x0000"),
        (0x0117, "0x0117 (invalid SOP instance)"),
        (0xA700, "0xA700 (out of resources)"),
        (0xA900, "0xA900 (data set does not match SOP class)"),
        (0xC000, "0xC000 (cannot understand)"),
        (0xB007, "0xB007"),
    ],
)
def test_a_status_is_written_as_the_standard_does(status: int, words: str) -> None:
    assert status_words(status) == words
