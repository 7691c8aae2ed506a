from __future__ import annotations

import hashlib
import hmac
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voorrang.identifiers import SiteKeys, is_conformant_uid, is_uid

SECRET = b"a secret of a test, of no use elsewhere"
KEYS = SiteKeys(SECRET)
SEPARATOR = "\x1f"

nearly_a_uid = st.text(alphabet="0123456789./\\ \n\0:~-aé٣", max_size=70)
component = st.integers(min_value=0, max_value=10**12).map(str)
short_uid = st.lists(component, min_size=2, max_size=4).map(".".join)
identifier = st.text(max_size=20)
# Few letters, so that pairs that could be mistaken for each other do come up.
crafty = st.text(alphabet=f"a {SEPARATOR}\\", max_size=6)


@given(nearly_a_uid | st.text())
@example("1.2\n")
@example("1.2.3/..")
@example("..")
@example("1..2")
def test_what_passes_for_a_uid_is_fit_to_be_part_of_a_name(text: str) -> None:
    if is_uid(text):
        assert len(text) <= 64
        assert set(text) <= set("0123456789.")
        assert ".." not in text
        assert text[0] != "."
        assert text[-1] != "."


@given(st.text(min_size=65, alphabet="0123456789."))
def test_more_than_64_characters_are_no_uid(text: str) -> None:
    assert not is_uid(text)
    assert not is_conformant_uid(text)


@given(short_uid, st.sampled_from(["/", "\\", "..", "\0", "\n", " ", ":", "%2f"]), st.integers(0, 20))
def test_a_uid_with_anything_else_in_it_is_none(uid: str, intruder: str, place: int) -> None:
    assert not is_uid(uid[:place] + intruder + uid[place:])


@given(short_uid)
def test_a_conformant_uid_is_a_uid(uid: str) -> None:
    assert is_conformant_uid(uid)
    assert is_uid(uid)


def test_the_longest_uid_has_64_characters() -> None:
    assert is_uid("1." + "2" * 62)
    assert not is_uid("1." + "2" * 63)


def test_a_leading_zero_is_tolerated_but_not_conformant() -> None:
    assert is_uid("1.2.003")
    assert not is_conformant_uid("1.2.003")


def test_a_key_is_hmac_sha256_over_domain_separator_and_trimmed_id() -> None:
    expected = hmac.new(SECRET, b"HOSPITAL\x1f0012345", hashlib.sha256).hexdigest()[:40]
    assert KEYS.patient_key("HOSPITAL", "0012345") == f"p_{expected}"
    assert KEYS.order_key("HOSPITAL", "0012345") == f"o_{expected}"


@given(identifier, identifier, st.sampled_from(["", " ", "  ", "\t", "\r\n"]), st.sampled_from(["", " ", "\r"]))
def test_padded_dicom_and_trimmed_hl7_give_one_key(domain: str, text: str, before: str, after: str) -> None:
    assert KEYS.patient_key(before + domain, text + after) == KEYS.patient_key(domain + after, before + text)
    assert KEYS.order_key(before + domain, text + after) == KEYS.order_key(domain.strip(), text.strip())


@given(identifier, identifier, identifier)
def test_domains_separate_equal_ids(one: str, other: str, text: str) -> None:
    same = one.strip() == other.strip()
    assert (KEYS.patient_key(one, text) == KEYS.patient_key(other, text)) is same
    assert (KEYS.order_key(one, text) == KEYS.order_key(other, text)) is same


@given(crafty, crafty, crafty, crafty)
@example(f"a{SEPARATOR}b", "c", "a", f"b{SEPARATOR}c")
@example(f"a{SEPARATOR}", "b", "a", f"{SEPARATOR}b")
def test_a_separator_inside_cannot_make_two_pairs_one(domain: str, text: str, domain_2: str, text_2: str) -> None:
    same = (domain.strip(), text.strip()) == (domain_2.strip(), text_2.strip())
    assert (KEYS.patient_key(domain, text) == KEYS.patient_key(domain_2, text_2)) is same


def test_an_id_is_not_taken_for_its_number() -> None:
    assert KEYS.patient_key("", "007") != KEYS.patient_key("", "7")
    assert KEYS.patient_key("", "a7") != KEYS.patient_key("", "A7")


@given(identifier, identifier)
def test_another_secret_gives_other_keys(domain: str, text: str) -> None:
    other = SiteKeys(b"another secret of a test, no use either")
    assert other.patient_key(domain, text) != KEYS.patient_key(domain, text)
    assert other.fingerprint() != KEYS.fingerprint()


@given(st.text(alphabet="0123456789", min_size=6, max_size=20))
def test_no_key_shows_what_it_stands_for(number: str) -> None:
    uid = f"1.2.826.{number}"
    for key in (KEYS.patient_key("X", number), KEYS.order_key("X", number), KEYS.study_key(uid), KEYS.traceparent(uid)):
        assert number not in key or len(number) < 8


def test_a_study_has_one_trace_and_a_new_span_each_time() -> None:
    one, other = KEYS.traceparent("1.2.3"), KEYS.traceparent("1.2.3")
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", one)
    assert one[:35] == other[:35]
    assert one != other
    assert KEYS.traceparent("1.2.4")[:35] != one[:35]


def test_the_fingerprint_does_not_hold_the_secret() -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", KEYS.fingerprint())
    assert SECRET.hex() not in KEYS.fingerprint()


@pytest.mark.parametrize("uid", ["1.2.3", "1.2.840.113619.2.55.3"])
def test_a_study_key_is_short_and_stands_still(uid: str) -> None:
    assert re.fullmatch(r"s_[0-9a-f]{12}", KEYS.study_key(uid))
    assert KEYS.study_key(uid) == KEYS.study_key(uid)
