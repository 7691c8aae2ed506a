from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from voorrang.dicom.headers import InstanceHeader
from voorrang.pathways.claiming import CT_CLASSES, claiming
from voorrang.pathways.loading import load_pathways
from voorrang.pathways.regions import OTHER, regions_named

PATHWAYS = load_pathways(None)
PLAIN = InstanceHeader(
    study_instance_uid="1.2",
    series_instance_uid="1.2.3",
    sop_instance_uid="1.2.3.4",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    modality="CT",
    image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
)


def claims(header: InstanceHeader) -> set[str]:
    return {pathway.name for pathway in claiming(PATHWAYS.values(), header)}


def test_a_series_is_claimed_by_the_pathway_of_its_region() -> None:
    assert claims(replace(PLAIN, body_part_examined="HEAD")) == {"stroke"}
    assert claims(replace(PLAIN, body_part_examined="CHEST")) == {"lung-nodule"}


def test_a_series_that_says_nothing_is_claimed_by_all() -> None:
    assert claims(PLAIN) == {"stroke", "lung-nodule"}


def test_a_series_of_another_region_is_claimed_by_none() -> None:
    assert claims(replace(PLAIN, body_part_examined="KNEE")) == set()


def test_a_trauma_scan_is_claimed_by_every_pathway_that_it_names() -> None:
    header = replace(PLAIN, study_description="TRAUMA: CT hoofd + thorax + abdomen")
    assert claims(header) == {"stroke", "lung-nodule"}


def test_one_wrong_body_part_does_not_hide_a_head() -> None:
    header = replace(PLAIN, body_part_examined="CHEST", series_description="Hersenen 3.0 mm")
    assert "stroke" in claims(header)


@pytest.mark.parametrize("modality", ["MR", "PT", "US", "CR", "SR", "", "OT"])
def test_another_modality_is_claimed_by_none(modality: str) -> None:
    assert claims(replace(PLAIN, modality=modality)) == set()


@pytest.mark.parametrize(
    "image_type", [("ORIGINAL", "PRIMARY", "LOCALIZER"), ("DERIVED", "SECONDARY", "LOCALIZER", "X")]
)
def test_a_localizer_is_claimed_by_none(image_type: tuple[str, ...]) -> None:
    assert claims(replace(PLAIN, image_type=image_type)) == set()


@pytest.mark.parametrize(
    "sop_class",
    [
        "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture: a screenshot with modality CT
        "1.2.840.10008.5.1.4.1.1.88.67",  # X-Ray Radiation Dose SR
        "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation
        "",
    ],
)
def test_what_is_no_ct_image_is_claimed_by_none_though_its_modality_is_ct(sop_class: str) -> None:
    assert claims(replace(PLAIN, sop_class_uid=sop_class)) == set()


@pytest.mark.parametrize("sop_class", sorted(CT_CLASSES))
def test_every_kind_of_ct_image_is_claimed(sop_class: str) -> None:
    assert claims(replace(PLAIN, sop_class_uid=sop_class)) == {"stroke", "lung-nodule"}


@pytest.mark.parametrize(
    ("text", "regions"),
    [
        ("HEAD", {"head"}),
        ("CT hersenen blanco", {"head"}),
        ("Schedel/hersenen", {"head"}),
        ("Tête sans injection", {"head"}),
        ("TETE", {"head"}),
        ("Crâne", {"head"}),
        ("cerveau", {"head"}),
        ("CranioCerebraal", {"head"}),
        ("head_routine_5.0", {"head"}),
        ("CT-THORAX", {"chest"}),
        ("LOW_DOSE_LUNG", {"chest"}),
        ("Longen 1.0 B70f", {"chest"}),
        ("thoracique", {"chest"}),
        ("poumon", {"chest"}),
        ("Head and neck", {"head", OTHER}),
        ("wervelkolom", {OTHER}),
        ("Abdomen/bekken", {OTHER}),
        ("genou droit", {OTHER}),
        ("", set()),
        ("AHEAD OF SCHEDULE", set()),
        ("BELONGING", set()),
        ("SPINET", set()),
    ],
)
def test_regions_are_named_in_three_languages(text: str, regions: set[str]) -> None:
    for field in ("body_part_examined", "study_description", "series_description", "protocol_name"):
        elements: dict[str, Any] = {field: text}
        assert regions_named([replace(PLAIN, **elements)]) == regions


def test_two_elements_do_not_join_into_a_word() -> None:
    header = replace(PLAIN, study_description="ROUTINE HE", series_description="AD 5.0")
    assert regions_named([header]) == set()
