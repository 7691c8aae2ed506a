"""Makes HL7 v2 messages by the numbers of their fields, with defaults for everything that a test is not about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Fields = Mapping[int, str]
UID = "1.2.826.0.1.3680043.8.498.71"
STATED = "20261122075500+0000"


def segment(name: str, fields: Fields) -> str:
    """Return a segment with these fields, the first being 1."""
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields, default=0) + 1))])


def msh(kind: str, control_id: str = "1", *, stated: str = STATED, charset: str = "", **changed: str) -> str:
    """Return a header segment: `app`, `processing` and `version` can be changed."""
    app, processing, version = (
        changed.get("app", "RIS"),
        changed.get("processing", "P"),
        changed.get("version", "2.5.1"),
    )
    fields = {2: app, 3: "HOSP", 4: "VOORRANG", 5: "HOSP", 6: stated, 8: kind, 9: control_id, 10: processing}
    return segment("MSH|^~\\&", {**{n - 1: v for n, v in fields.items()}, 10: version, 16: charset})


def pid(patient_id: str = "T-1", issuer: str = "HOSP", name: str = "Jansen^Piet", birth: str = "19600101") -> str:
    """Return a patient."""
    return segment("PID", {3: f"{patient_id}^^^{issuer}^PI", 5: name, 7: birth, 8: "M"})


def message(*segments: str) -> str:
    """Return a message of these segments."""
    return "".join(f"{one}\r" for one in segments)


def orm(
    control_id: str = "1",
    *,
    control: str = "NW",
    accession: str = "A-1",
    urgency: str = "S",
    question: str = "bloeding?",
    stated: str = STATED,
    uid: str = "",
    who: str = "",
    orc: Fields | None = None,
    obr: Fields | None = None,
    charset: str = "UNICODE UTF-8",
) -> str:
    """Return ORM^O01: one order, its accession number in OBR-18, its urgency in OBR-27.6."""
    asked = {4: "CTHEAD^CT hersenen^LOCAL", 13: question, 18: accession, 24: "NRS"}
    asked[27] = f"^^^^^{urgency}" if urgency else ""
    parts = [
        msh("ORM^O01", control_id, stated=stated, charset=charset, version="2.3.1"),
        who or pid(),
        segment("ORC", {1: control, 2: "P-1", **(orc or {})}),
        segment("OBR", {1: "1", **asked, **(obr or {})}),
    ]
    return message(*parts, *([segment("ZDS", {1: f"{uid}^RIS^Application^DICOM"})] if uid else []))


def omi(control_id: str = "1", *, control: str = "NW", priority: str = "S", stated: str = STATED) -> str:
    """Return OMI^O23: accession number and study in IPC, urgency in TQ1-9."""
    return message(
        msh("OMI^O23^OMI_O23", control_id, stated=stated),
        pid(),
        segment("ORC", {1: control, 2: "P-1^RIS", 3: "F-1^RIS"}),
        segment("TQ1", {1: "1", 9: f"{priority}^^HL70485"}),
        segment("OBR", {1: "1", 2: "P-1^RIS", 3: "F-1^RIS", 4: "CTHEAD^CT hersenen^LOCAL", 31: "I61.9^ICB^I10"}),
        segment("IPC", {1: "A-1^HOSP", 2: "RP-1", 3: UID, 4: "SPS-1"}),
    )


def oru(
    control_id: str = "1",
    *,
    status: str = "F",
    observed: Sequence[tuple[str, str]] = (("F", "Geen bijzonderheden."),),
    accession: str = "A-1",
    uid: str = "",
    stated: str = STATED,
    charset: str = "UNICODE UTF-8",
) -> str:
    """Return ORU^R01: a report with one OBX for each (status, line)."""
    lines = [
        segment("OBX", {1: str(n), 2: "TX", 3: "GDT^Report", 5: text, 11: said})
        for n, (said, text) in enumerate(observed, 1)
    ]
    return message(
        msh("ORU^R01", control_id, stated=stated, charset=charset),
        pid(),
        segment("OBR", {1: "1", 2: "P-1", 3: "", 4: "CTHEAD^CT hersenen", 18: accession, 25: status}),
        *lines,
        *([segment("ZDS", {1: f"{uid}^RIS^Application^DICOM"})] if uid else []),
    )


def adt_merge(control_id: str = "1", *, surviving: str = "T-2", merged: str = "T-1", stated: str = STATED) -> str:
    """Return ADT^A40: everything of the merged patient is the surviving one's."""
    return message(
        msh("ADT^A40^ADT_A39", control_id, stated=stated),
        segment("EVN", {2: stated}),
        pid(surviving),
        segment("MRG", {1: f"{merged}^^^HOSP^PI"}),
    )


def adt_change(control_id: str = "1", *, name: str = "Jansen^Piet", stated: str = STATED, patient: str = "T-1") -> str:
    """Return ADT^A08."""
    return message(
        msh("ADT^A08^ADT_A01", control_id, stated=stated),
        segment("EVN", {2: stated}),
        pid(patient, name=name),
        segment("PV1", {2: "I"}),
    )
