"""
Reads Key Object rejection notes: which instances nobody is to use any more, and why.

IHE Imaging Object Change Management (RAD TF-1, IOCM) and DICOM PS3.16 CID 7011; the object is PS3.3 section A.35.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voorrang.events.records import RejectionReason

if TYPE_CHECKING:
    from pydicom import Dataset

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
# Document titles of coding scheme DCM.
REASONS: Mapping[str, RejectionReason] = {
    "113001": "quality",  # Rejected for Quality Reasons
    "113037": "patient_safety",  # Rejected for Patient Safety Reasons
    "113038": "wrong_worklist_entry",  # Incorrect Modality Worklist Entry: how a study moves to another patient
    "113039": "expired",  # Data Retention Policy Expired
}
MAX_INSTANCES = 100_000
UID_LENGTH = 64


@dataclass(frozen=True, slots=True)
class RejectedInstance:
    """One instance that a note names."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class RejectionNote:
    """Why, and which instances."""

    reason: RejectionReason
    instances: tuple[RejectedInstance, ...]

    def within(self, study_instance_uid: str) -> RejectionNote:
        """Return what it says of one study."""
        mine = tuple(one for one in self.instances if one.study_instance_uid == study_instance_uid)
        return RejectionNote(self.reason, mine)


def rejection_note(ds: Dataset) -> RejectionNote | None:
    """
    Return what a Key Object says is rejected; None when its title is none of a rejection.

    What cannot be read of the references is left out: the rest is rejected all the same.
    """
    titles = [str(item.get("CodeValue", "")) for item in _items(ds, "ConceptNameCodeSequence") if _is_dcm(item)]
    reason = next((REASONS[title] for title in titles if title in REASONS), None)
    if reason is None:
        return None
    named = [
        RejectedInstance(str(study.StudyInstanceUID), str(series.SeriesInstanceUID), str(sop.ReferencedSOPInstanceUID))
        for study in _items(ds, "CurrentRequestedProcedureEvidenceSequence")
        for series in _items(study, "ReferencedSeriesSequence")
        for sop in _items(series, "ReferencedSOPSequence")
        if "StudyInstanceUID" in study and "SeriesInstanceUID" in series and "ReferencedSOPInstanceUID" in sop
    ]
    fitting = [one for one in named if max(map(len, _uids(one))) <= UID_LENGTH]
    return RejectionNote(reason, tuple(dict.fromkeys(fitting[:MAX_INSTANCES])))


def _uids(one: RejectedInstance) -> tuple[str, str, str]:
    return one.study_instance_uid, one.series_instance_uid, one.sop_instance_uid


def _is_dcm(item: Dataset) -> bool:
    return str(item.get("CodingSchemeDesignator", "")) == "DCM"


def _items(ds: Dataset, keyword: str) -> list[Any]:
    return list(ds.get(keyword) or ())
