from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.voorrang.pathways.test_loading import GOOD
from voorrang.dicom.headers import InstanceHeader
from voorrang.errors import ConfigurationError
from voorrang.pathways.loading import load_pathway, load_pathways
from voorrang.pathways.required import HeaderCriteria

CTA = InstanceHeader(
    study_instance_uid="1.2",
    series_instance_uid="1.2.3",
    sop_instance_uid="1.2.3.4",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    modality="CT",
    image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
    slice_thickness_mm=0.8,
    contrast_bolus_agent="ULTRAVIST 370",
    series_description="CTA_Carotiden 0.8",
    protocol_name="Stroke",
)
TWO = """\
  required_series:
    - name: cta
      wants: {contrast: true, slice_thickness_mm: [0.4, 1.0]}
    - name: plain
      wants: {contrast: false, description_words: [blanco, native]}
"""


def fits(header: InstanceHeader = CTA, **criteria: Any) -> bool:
    return HeaderCriteria.model_validate(criteria).fits(header)


def test_contrast_is_what_the_agent_says() -> None:
    assert fits(contrast=True)
    assert not fits(contrast=False)
    assert fits(replace(CTA, contrast_bolus_agent="NONE"), contrast=False)


def test_slice_thickness_is_within_its_bounds_and_silence_is_not() -> None:
    assert fits(slice_thickness_mm=(0.8, 1.0))
    assert not fits(slice_thickness_mm=(1.0, 3.0))
    assert not fits(replace(CTA, slice_thickness_mm=None), slice_thickness_mm=(0.1, 100.0))


@pytest.mark.parametrize("word", ["cta", "CAROTIDEN", "stroke", "cta carotiden"])
def test_one_word_of_description_or_protocol_is_enough_in_any_case(word: str) -> None:
    assert fits(description_words=["perfusie", word])


@pytest.mark.parametrize("word", ["ct", "carotid", "roke"])
def test_a_part_of_a_word_is_not_the_word(word: str) -> None:
    assert not fits(description_words=[word])


def test_all_criteria_hold_together() -> None:
    assert fits(contrast=True, slice_thickness_mm=(0.4, 1.0), description_words=["cta"])
    assert not fits(contrast=True, slice_thickness_mm=(0.4, 1.0), description_words=["perfusion"])
    assert not fits(replace(CTA, modality="MR"), contrast=True)


def test_a_localizer_is_never_meant() -> None:
    assert not fits(replace(CTA, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")), description_words=["cta"])


def write(folder: Path, rule: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(GOOD.replace("  negative_provisional_until", rule + "  negative_provisional_until"))
    return path


def test_a_pathway_names_the_series_that_it_requires(tmp_path: Path) -> None:
    required = load_pathway(write(tmp_path, TWO)).complete.required_series
    assert [each.name for each in required] == ["cta", "plain"]
    assert required[0].wants.fits(CTA)
    assert not required[1].wants.fits(CTA)


def test_without_the_key_nothing_is_required() -> None:
    assert all(pathway.complete.required_series == () for pathway in load_pathways(None).values())


@pytest.mark.parametrize(
    ("old", "new", "line", "what", "words"),
    [
        ("name: cta", "name: CTA!", 9, "complete.required_series.0.name", "String should match"),
        ("name: plain", "name: cta", 8, "complete.required_series", "two have one name"),
        ("{contrast: true,", "{contrast: maybe,", 10, "complete.required_series.0.wants.contrast", "boolean"),
        ("[0.4, 1.0]", "[1.0, 0.4]", 10, "complete.required_series.0.wants", "the thinnest comes first"),
        ("[0.4, 1.0]", "[.nan, 1.0]", 10, "complete.required_series.0.wants.slice_thickness_mm.0", "finite"),
        ("{contrast: true, slice_thickness_mm: [0.4, 1.0]}", "{}", 10, "complete.required_series.0.wants", "give at"),
        ("[blanco, native]", "[blanco, ' - ']", 12, "complete.required_series.1.wants", "no letter or digit"),
        ("[blanco, native]", "blanco", 12, "complete.required_series.1.wants.description_words", "valid tuple"),
        ("contrast: false", "region: head", 12, "complete.required_series.1.wants.region", "remove this key"),
        ("    - name: plain\n      wants", "    - wants", 11, "complete.required_series.1.name", "add this key"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_remedy(
    tmp_path: Path, old: str, new: str, line: int, what: str, words: str
) -> None:
    assert TWO.count(old) == 1
    path = write(tmp_path, TWO.replace(old, new))
    with pytest.raises(ConfigurationError) as caught:
        load_pathway(path)
    assert str(caught.value).startswith(f"{path}:{line}: {what}: ")
    assert words in str(caught.value)
    assert re.search(r"; (correct this value|add this key|remove this key)", str(caught.value))
