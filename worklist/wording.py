"""The one line that explains a place, in words; nowhere does it say that a condition is absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_FINDINGS = {
    "intracranial_haemorrhage": "bleeding in the skull possible",
    "hyperdense_region": "hyperdense region, bleeding possible",
    "lung_nodule": "nodule possible",
    "lung_mass": "mass possible",
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
        return f"{_FINDINGS.get(speaks['finding_type'], 'finding possible')}, flagged by {speaks['model_id']}"
    if state == "scored":
        what = _PATHWAYS.get(speaks["pathway"], "the condition")
        waiting = "more images may follow; " if speaks["provisional"] else ""
        return f"{waiting}not flagged by {speaks['model_id']}; {what} not excluded"
    return str(speaks["reason"])


def shown_state(state: str, provisional: bool) -> str:
    """Return the word for a state; a provisional negative is shown as running."""
    return "running" if state == "scored" and provisional else state.replace("_", " ")
