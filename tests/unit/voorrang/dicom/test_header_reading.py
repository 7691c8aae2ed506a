from __future__ import annotations

from pydicom import DataElement, Dataset
from pydicom.uid import ExplicitVRLittleEndian

from voorrang.dicom.header_reading import header_from_dataset


def test_an_image_type_that_is_a_number_does_not_lose_the_image() -> None:
    ds = Dataset()
    ds.add(DataElement("ImageType", "US", 7))
    assert header_from_dataset(ds, ExplicitVRLittleEndian).image_type == ("7",)


def test_ages_in_days_weeks_months_and_years_are_years() -> None:
    for text, years in (("730D", 730 / 365.25), ("052W", 52 / 52.18), ("018M", 1.5), ("077Y", 77.0)):
        ds = Dataset()
        ds.PatientAge = text
        assert header_from_dataset(ds, ExplicitVRLittleEndian).patient_age_years == years
