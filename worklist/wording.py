"""The one line that explains a place, in words; nowhere does it say that a condition is absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_FINDINGS = {
    "intracranial_haemorrhage": "bleeding in the skull possible",
    "hyperdense_region": "hyperdense region, bleeding possible",
    "lung_nodule": "nodule possible",
    "lung_mass": "mass possible",
    "asymmetry": "left and right of the brain differ, ischaemia possible (experimental)",
}
_PATHWAYS = {"stroke": "bleeding", "lung-nodule": "nodule"}


def reason_line(state: str, pathways: Sequence[Mapping[str, Any]]) -> str:
    """
    Return why an item stands where it stands.

    Parameters
    ----------
    state
        State of the item.
    pathways
        Views of its pathways as stored, the one that speaks for it first.
    """
    if state == "no_pathway":
        return "no pathway wants this study: not analysed"
    if state == "prior":
        return "older study, kept for comparison: not ranked"
    speaks = pathways[0]
    if speaks["flagged"]:
        return f"{_finding(speaks['finding_type'])}, flagged by {speaks['model_id']}"
    if state == "scored":
        what = _PATHWAYS.get(speaks["pathway"], "the condition")
        waiting = "more images may follow; " if speaks["provisional"] else ""
        return f"{waiting}not flagged by {speaks['model_id']}; {what} not excluded"
    return str(speaks["reason"])


def shown_state(state: str, provisional: bool) -> str:
    """Return the word for a state; a provisional negative is shown as running."""
    return "running" if state == "scored" and provisional else state.replace("_", " ")


def _finding(finding_type: str) -> str:
    """Return the words for a finding; a type that names a region too begins with what the words are for."""
    known = finding_type if finding_type in _FINDINGS else finding_type.partition("_")[0]
    return _FINDINGS.get(known, "finding possible")
