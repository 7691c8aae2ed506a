"""The scan of a head says what pydicom says, or nothing: pydicom is the oracle of every test here."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pydicom.config
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_VR
from pydicom.uid import (
    AllTransferSyntaxes,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
)
from pydicom.valuerep import EXPLICIT_VR_LENGTH_16, EXPLICIT_VR_LENGTH_32

from tests.heads import (
    EXPLICIT,
    IMPLICIT,
    SYNTAXES,
    asked_of_pydicom,
    data_set_of,
    encode,
    header_of,
    make_head,
    make_item,
    mutable_heads,
    mutate,
    real_files,
    same_or_nothing,
    says,
)
from voorrang.demo.studies import disguised_quality_study, study_without_pathway
from voorrang.dicom import common_heads, element_walking, head_values, header_scanning
from voorrang.dicom.head_values import ELEMENTS
from voorrang.dicom.header_scanning import scan_head

# What pydicom says of odd values goes to the log in a running service.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

EXPLICIT_BIG = str(ExplicitVRBigEndian)
MUTATIONS = 2_000


@pytest.fixture(autouse=True)
def _as_the_service_reads() -> Iterator[None]:
    mode = pydicom.config.settings.reading_validation_mode
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    yield
    pydicom.config.settings.reading_validation_mode = mode


def test_every_wanted_element_has_its_vr_and_only_one_place() -> None:
    elements = ELEMENTS
    assert len({element[:2] for element in elements}) == len(elements)
    for group, element, vr in elements:
        assert dictionary_VR((group, element)) == vr


def test_what_may_be_an_undefined_sequence_in_implicit_vr_is_one_to_pydicom_too() -> None:
    for key in element_walking._SEQUENCES:
        assert dictionary_VR((key & 0xFFFF, key >> 16)) == "SQ"


def test_vrs_are_told_from_one_another_as_pydicom_does() -> None:
    assert {element_walking.vr_key(str(vr)) for vr in EXPLICIT_VR_LENGTH_16} == element_walking.SHORT_VRS
    assert {element_walking.vr_key(str(vr)) for vr in EXPLICIT_VR_LENGTH_32} == element_walking.LONG_VRS


def test_only_explicit_little_endian_syntaxes_count_as_such() -> None:
    known = {str(one) for one in AllTransferSyntaxes if not one.is_implicit_VR and one.is_little_endian}
    deflated = {str(DeflatedExplicitVRLittleEndian), "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"}
    assert known - deflated - header_scanning.EXPLICIT_LITTLE_ENDIAN == set()
    assert not {EXPLICIT_BIG, *deflated, IMPLICIT} & header_scanning.EXPLICIT_LITTLE_ENDIAN


@pytest.mark.parametrize("syntax", [EXPLICIT_BIG, str(DeflatedExplicitVRLittleEndian), "", "1.2.3"])
def test_another_syntax_is_left_to_pydicom(syntax: str) -> None:
    assert scan_head(encode(make_head(), EXPLICIT), syntax) is None


@pytest.mark.parametrize("syntax", [*SYNTAXES, str(JPEG2000Lossless)])
@pytest.mark.parametrize("wrap", [bytes, memoryview])
def test_a_usual_head_is_scanned(syntax: str, wrap: Any) -> None:
    assert same_or_nothing(wrap(encode(make_head(), syntax)), syntax) is not None


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("is_undefined", [True, False])
def test_an_order_issuer_is_found_in_its_sequence(syntax: str, is_undefined: bool) -> None:
    head = make_head()
    items = [make_item(LocalNamespaceEntityID=" RIS "), make_item(LocalNamespaceEntityID="other"), Dataset()]
    for item in items:
        item.is_undefined_length_sequence_item = is_undefined
    head.IssuerOfAccessionNumberSequence = items
    head["IssuerOfAccessionNumberSequence"].is_undefined_length = is_undefined
    scanned = same_or_nothing(encode(head, syntax), syntax)
    assert scanned is not None
    assert scanned.common.order_issuer == "RIS"


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("is_undefined", [True, False])
def test_an_issuer_of_another_sequence_is_not_the_orders(syntax: str, is_undefined: bool) -> None:
    head = make_head()
    inner = make_item(LocalNamespaceEntityID="inner")
    head.IssuerOfAccessionNumberSequence = [make_item(ReferencedStudySequence=[inner])]
    head.ReferencedImageSequence = [make_item(LocalNamespaceEntityID="outer")]
    for sequence in (head["IssuerOfAccessionNumberSequence"], head["ReferencedImageSequence"]):
        sequence.is_undefined_length = is_undefined
    head.IssuerOfAccessionNumberSequence[0]["ReferencedStudySequence"].is_undefined_length = is_undefined
    scanned = same_or_nothing(encode(head, syntax), syntax)
    assert scanned is not None
    assert scanned.common.order_issuer == ""


@pytest.mark.parametrize("character_set", ["ISO_IR 192", "ISO_IR 100", None])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_accents_are_read(character_set: str | None, syntax: str) -> None:
    head = make_head(
        SpecificCharacterSet=character_set or "ISO_IR 100", StudyDescription="Crâne à blanc", PatientID="ë"
    )
    data = encode(head, syntax, None if character_set else {"SpecificCharacterSet": b"ISO_IR 6"})
    scanned = same_or_nothing(data, syntax)
    assert scanned is not None
    assert scanned.header.study_description == "Crâne à blanc"


@pytest.mark.parametrize(
    ("keyword", "value", "why"),
    [
        ("StudyDescription", b"a\\b", "two values of one text"),
        ("StudyDescription", b"a\tb", "a control character"),
        ("StudyDescription", b"a\x1fb", "the separator"),
        ("PatientName", b"a\x1fb", "the separator in the identity"),
        ("StudyDescription", b"a\xa0", "a blank that is no space"),
        ("StudyDescription", b"a\x1b-Ab", "an escape"),
        ("Modality", b"\xe9", "a code beyond ASCII"),
        ("SliceThickness", b"1,5", "no number"),
        ("SliceThickness", b"inf", "not finite"),
        ("PixelSpacing", b"0.5\\", "an empty component"),
        ("InstanceNumber", b"one", "no number"),
        ("Rows", b"\1\0\1\0", "two values of one number"),
        ("SpecificCharacterSet", b"ISO_IR 13", "not ASCII"),
        ("SpecificCharacterSet", b"no such", "unknown"),
    ],
)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_odd_values_are_left_to_pydicom(keyword: str, value: bytes, why: str, syntax: str) -> None:
    assert scan_head(encode(make_head(), syntax, {keyword: value}), syntax) is None, why


@pytest.mark.parametrize("character_set", ["ISO_IR 101", "ISO_IR 192"])
def test_what_a_character_set_cannot_say_is_left_to_pydicom(character_set: str) -> None:
    raw = {"SpecificCharacterSet": character_set.encode(), "StudyDescription": b"\xf8"}
    assert scan_head(encode(make_head(), EXPLICIT, raw), EXPLICIT) is None
    assert same_or_nothing(encode(make_head(), EXPLICIT, {**raw, "StudyDescription": b"o"}), EXPLICIT) is not None


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_padding_of_every_kind_is_trimmed(syntax: str) -> None:
    raw = {"StudyDescription": b" \0 a\0 ", "ImageType": b"A \\ B\0", "SliceThickness": b" 1.5 \0", "Modality": b"ct  "}
    scanned = same_or_nothing(encode(make_head(), syntax, raw), syntax)
    assert scanned is not None
    assert (scanned.header.study_description, scanned.header.modality) == ("a", "CT")
    assert (scanned.header.image_type, scanned.header.slice_thickness_mm) == (("A", "B"), 1.5)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_of_an_element_that_comes_twice_the_last_counts(syntax: str) -> None:
    again = header_of(0x00280010, "US", 2, syntax) + b"\7\0" + header_of(0x7FE00010, "OW", 0, syntax)
    scanned = same_or_nothing(encode(make_head(), syntax, with_pixels=False) + again, syntax)
    assert scanned is not None
    assert scanned.header.rows == 7


def test_a_head_without_its_end_is_left_to_pydicom_unless_it_is_known_to_be_the_whole() -> None:
    data = encode(make_head(), EXPLICIT, with_pixels=False)
    assert scan_head(data, EXPLICIT) is None
    assert scan_head(data, EXPLICIT, is_whole=True) is not None
    for end in range(len(data)):
        scanned = scan_head(data[:end], EXPLICIT, is_whole=True)
        assert scanned is None or says(scanned) == asked_of_pydicom(data[:end], EXPLICIT)


def test_pixels_after_a_large_element_are_found() -> None:
    head = make_head()
    head.add_new(0x00290010, "LO", "BLOCK")
    head.add_new(0x00291010, "OB", bytes(60_000))
    assert same_or_nothing(encode(head, EXPLICIT), EXPLICIT) is not None


def test_equal_identities_have_equal_bytes_and_others_have_others() -> None:
    def identity(**elements: Any) -> bytes:
        scanned = scan_head(encode(make_head(**elements), EXPLICIT), EXPLICIT)
        assert scanned is not None
        return scanned.common.identity

    others: list[dict[str, Any]] = [
        {"PatientName": "B^A"},
        {"PatientID": "2"},
        {"IssuerOfPatientID": "2"},
        {"PatientBirthDate": "19600102"},
        {"PatientSex": "M"},
        {"AccessionNumber": "2"},
        {"SpecificCharacterSet": "ISO_IR 192"},
        {"IssuerOfAccessionNumberSequence": [make_item(LocalNamespaceEntityID="2")]},
    ]
    assert identity() == identity(InstanceNumber=7, SOPInstanceUID="1.2.3.9")
    assert len({identity(), *(identity(**one) for one in others)}) == 1 + len(others)


def test_a_deep_nest_of_sequences_is_left_to_pydicom() -> None:
    nest = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 10_000
    assert scan_head(nest, EXPLICIT) is None


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_layout_that_was_met_before_is_used_only_where_it_holds(syntax: str) -> None:
    for head in mutable_heads():
        data = encode(head, syntax)
        for _ in range(3):
            same_or_nothing(data, syntax)
        for at in range(len(data) - 32):
            same_or_nothing(data[:at] + bytes([data[at] ^ 3]) + data[at + 1 :], syntax)
            same_or_nothing(data[:at], syntax)


def test_each_instance_of_a_known_layout_is_read_by_its_own_values() -> None:
    for number in range(10, 30):
        scanned = same_or_nothing(encode(make_head(InstanceNumber=number), EXPLICIT), EXPLICIT)
        assert scanned is not None
        assert scanned.header.instance_number == number


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_series_that_come_in_turn_are_told_apart_by_all_that_is_asked_for(syntax: str) -> None:
    heads: list[dict[str, Any]] = [
        {},
        {"SeriesInstanceUID": "1.2.3.7"},
        {"StudyInstanceUID": "1.2.3.7"},
        {"PatientID": "7"},
        {"SeriesDescription": "Bone"},
        {"RescaleSlope": "2"},
    ]
    for number in range(10, 20):  # of one length, as all of each head: one layout has them all
        for elements in heads:
            own = {"InstanceNumber": number, "SOPInstanceUID": f"1.2.3.{number}"}
            own["ImagePositionPatient"] = [f"{number}.5", "-7.5", f"-{number}"]
            scanned = same_or_nothing(encode(make_head(**own, **elements), syntax), syntax)
            assert scanned is not None
            assert scanned.header.image_position_mm == (number + 0.5, -7.5, -number)


def test_of_the_next_of_a_series_only_its_own_values_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (10, 11, 12):
        scan_head(encode(make_head(InstanceNumber=number), EXPLICIT), EXPLICIT)
    monkeypatch.setattr(common_heads, "head_of", lambda *_: pytest.fail("read as a whole"))
    for number in (13, 14):
        scanned = same_or_nothing(encode(make_head(InstanceNumber=number), EXPLICIT), EXPLICIT)
        assert scanned is not None
        assert scanned.header.instance_number == number


def test_one_syntax_is_not_taken_for_another_of_the_same_encoding() -> None:
    data = encode(make_head(), EXPLICIT)
    for syntax in (EXPLICIT, str(JPEG2000Lossless)) * 3:
        scanned = scan_head(data, syntax)
        assert scanned is not None
        assert scanned.header.transfer_syntax_uid == syntax


def test_more_series_at_a_time_than_are_remembered_are_read_all_the_same() -> None:
    for _ in range(2):
        for number in range(10, 40):
            uid = f"1.2.3.{number}"
            scanned = same_or_nothing(encode(make_head(SeriesInstanceUID=uid), EXPLICIT), EXPLICIT)
            assert scanned is not None
            assert scanned.header.series_instance_uid == uid


def test_a_demo_study_takes_the_fast_path() -> None:
    now = datetime(2026, 11, 22, 8, tzinfo=UTC)
    for study in (disguised_quality_study(now), study_without_pathway(now)):  # headers as all of them have
        for instance in study.instances[:2]:
            assert same_or_nothing(encode(instance, EXPLICIT), EXPLICIT) is not None


def test_a_slice_of_the_integration_tests_takes_the_fast_path() -> None:
    from tests.integration.listening import make_ct

    assert same_or_nothing(encode(make_ct(), EXPLICIT), EXPLICIT) is not None


@pytest.mark.parametrize("name", ["chest-c3n-00247", "chest-a0002/series", "head-ge-infarct"])
def test_every_real_slice_is_scanned(name: str) -> None:
    for path in real_files(name):
        data, syntax = data_set_of(path)
        assert same_or_nothing(memoryview(data)[:262_144], syntax) is not None, path.name


def test_every_odd_file_is_scanned_as_pydicom_reads_it_or_left_to_it() -> None:
    scanned = 0
    for path in real_files("odd-dicom"):
        data, syntax = data_set_of(path)
        for one in {syntax, *SYNTAXES}:
            for is_whole in (False, True):
                scanned += same_or_nothing(data, one, is_whole) is not None
    assert scanned > 20


NUMBERS = st.one_of(
    st.floats(-1e4, 1e4, allow_nan=False).map(lambda number: f"{number:.6g}"),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from([" 1 ", "1_0", "1e3", "1.5", "inf", "nan", "-0", "", " ", "+3", "0x1", "1,5", "1\n", "9" * 400]),
)
TEXTS = st.one_of(
    st.text(st.characters(max_codepoint=0x7E, min_codepoint=0x20), max_size=20),
    st.text(st.characters(max_codepoint=0x17F), max_size=8),
    st.sampled_from(["", " ", "HEAD ", " \0", "a\0b", "a\\b", "a\\", "\\", "\x1b(B", "077Y", "012M", "²²²Y", "\u00df"]),
)
NUMERIC = [
    "InstanceNumber", "NumberOfFrames", "SliceThickness", "RescaleSlope", "RescaleIntercept", "GantryDetectorTilt",
]  # fmt: skip
LISTS = ["PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"]
CHARACTER_SETS = st.sampled_from(
    [None, "ISO_IR 13", "ISO 2022 IR 6\\ISO 2022 IR 87", "x", *map(bytes.decode, head_values._ENCODINGS)]
)
TEXTUAL = [
    "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "Modality", "ImageType",
    "FrameOfReferenceUID", "ConvolutionKernel", "ContrastBolusAgent", "BodyPartExamined", "StudyDescription",
    "SeriesDescription", "ProtocolName", "ImageComments", "Manufacturer", "ManufacturerModelName", "PatientAge",
    "StudyDate", "PatientID", "IssuerOfPatientID", "AccessionNumber", "PatientName", "PatientBirthDate", "PatientSex",
]  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.dictionaries(st.sampled_from(TEXTUAL), TEXTS, max_size=5),
    numbers=st.dictionaries(st.sampled_from(NUMERIC), NUMBERS, max_size=3),
    lists=st.dictionaries(st.sampled_from(LISTS), st.lists(NUMBERS, max_size=7).map("\\".join), max_size=2),
    order_issuer=st.none() | TEXTS,
    character_set=CHARACTER_SETS,
    codec=st.sampled_from(["latin_1", "utf_8"]),
    syntax=st.sampled_from(SYNTAXES),
)
def test_any_values_are_read_as_pydicom_reads_them_or_not_at_all(
    texts: dict[str, str],
    numbers: dict[str, str],
    lists: dict[str, str],
    order_issuer: str | None,
    character_set: str | None,
    codec: str,
    syntax: str,
) -> None:
    head = make_head()
    raw = {keyword: value.encode(codec, "replace") for keyword, value in {**texts, **numbers, **lists}.items()}
    if character_set is not None:
        raw["SpecificCharacterSet"] = character_set.encode("ascii")
    else:
        del head.SpecificCharacterSet
    if order_issuer is not None:
        value = order_issuer.encode(codec, "replace")
        element = header_of(0x00400031, "UT", len(value), syntax) + value
        item = b"\xfe\xff\x00\xe0" + len(element).to_bytes(4, "little") + element
        raw["IssuerOfAccessionNumberSequence"] = item
    same_or_nothing(encode(head, syntax, raw), syntax)


def test_mutated_data_sets_are_read_as_pydicom_reads_them_or_not_at_all() -> None:
    chance = random.Random(20261122)
    seeds = [(encode(one, syntax), syntax) for one in mutable_heads() for syntax in SYNTAXES]
    for _ in range(MUTATIONS):
        data, syntax = chance.choice(seeds)
        for _ in range(chance.randint(1, 3)):
            data = mutate(data, chance)
        same_or_nothing(data, syntax, is_whole=chance.random() < 0.5)


def test_the_helper_that_splits_files_agrees_with_pydicom() -> None:
    for path in real_files("chest-c3n-00247")[:3]:
        data, syntax = data_set_of(path)
        ds = dcmread(BytesIO(path.read_bytes()), stop_before_pixels=True)
        assert syntax == ds.file_meta.TransferSyntaxUID
        assert data[:4] == b"\x08\x00\x05\x00"
