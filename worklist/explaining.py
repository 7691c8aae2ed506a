"""
The place of an item in one line, in Dutch, French and English. Pure.

Finding, where, how sure in words, order urgency, minutes waited. No line says that a condition is absent: what has no
flag says what it is instead, and that it keeps its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

LANGUAGES = ("nl", "fr", "en")
LIKELY, POSSIBLE = 0.5, 0.1

# The order of the words is that of LANGUAGES.
_Words = Mapping[str, tuple[str, str, str]]
_FINDINGS: _Words = MappingProxyType(
    {
        "hyperdense_region": (
            "dens gebied, bloeding?",
            "zone dense, saignement ?",
            "hyperdense region, bleeding?",
        ),
        "intracranial_haemorrhage": (
            "bloeding in de schedel?",
            "saignement intracrânien ?",
            "bleeding in the skull?",
        ),
        "lung_nodule": ("longnodule?", "nodule pulmonaire ?", "lung nodule?"),
        "lung_mass": ("longmassa?", "masse pulmonaire ?", "lung mass?"),
        "asymmetry": (
            "links en rechts in de hersenen verschillen, ischemie? (experimenteel)",
            "gauche et droite du cerveau diffèrent, ischémie ? (expérimental)",
            "left and right of the brain differ, ischaemia? (experimental)",
        ),
        "": ("bevinding", "anomalie", "finding"),
    }
)
_SURE: _Words = MappingProxyType(
    {
        "likely": ("hier vaker juist dan niet", "ici plus souvent juste que fausse", "right here more often than not"),
        "possible": ("hier soms juist", "ici parfois juste", "right here now and then"),
        "seldom": ("hier zelden juist", "ici rarement juste", "seldom right here"),
        "few": ("hier te weinig geteld", "trop peu compté ici", "too few counted here"),
        "unknown": ("hoe zeker is hier niet geteld", "certitude non mesurée ici", "how sure was not counted here"),
    }
)
_STATES: _Words = MappingProxyType(
    {
        "scored": (
            "geen vlag, aandoening niet uitgesloten",
            "pas signalé, affection non exclue",
            "not flagged, condition not excluded",
        ),
        "running": ("analyse loopt", "analyse en cours", "being analysed"),
        "late": ("analyse te laat", "analyse en retard", "analysis late"),
        "failed": ("analyse mislukt", "analyse échouée", "analysis failed"),
        "out_of_scope": ("niet geschikt voor analyse", "hors du champ de l'analyse", "out of scope of the analysis"),
        "no_pathway": ("niet geanalyseerd: geen traject", "non analysé : aucun parcours", "not analysed: no pathway"),
        "prior": ("eerder onderzoek ter vergelijking", "examen antérieur à comparer", "older study to compare with"),
    }
)
_TIERS: _Words = MappingProxyType(
    {
        "stat": ("cito", "STAT", "STAT"),
        "urgent": ("spoed", "urgent", "urgent"),
        "routine": ("gewoon", "ordinaire", "routine"),
    }
)
_KEEPS = ("houdt zijn plaats", "garde sa place", "keeps its place")
_EXPIRED = ("langer dan de grens, naar voren", "au-delà du délai, avancé", "beyond its cap, moved up")
_WAITED = ("wacht {} min", "attend {} min", "waits {} min")
_AT = ("bij", "en", "at")


def explain(
    state: str, pathways: Sequence[Mapping[str, Any]], urgency: str, minutes: int, *, expired: bool = False
) -> dict[str, str]:
    """
    Return why an item stands where it stands, by language.

    Parameters
    ----------
    state
        State of the item.
    pathways
        Views of its pathways as stored, the one that speaks for it first.
    urgency
        What people set, whatever AI has lifted it to.
    minutes
        How long it has waited.
    expired
        Whether it stands where it does because it has waited beyond its cap.
    """
    if state == "prior":
        return {language: _STATES[state][n] for n, language in enumerate(LANGUAGES)}
    line = {}
    for n, language in enumerate(LANGUAGES):
        parts = [*_what(n, state, pathways, expired), *([_EXPIRED[n]] if expired else [])]
        line[language] = " · ".join([*parts, _TIERS[urgency][n], _WAITED[n].format(minutes)])
    return line


def _what(n: int, state: str, pathways: Sequence[Mapping[str, Any]], expired: bool) -> list[str]:
    speaks = pathways[0] if pathways else None
    if speaks is None or not speaks["flagged"]:
        shown = "running" if speaks is not None and speaks["provisional"] else state
        return [_STATES[shown][n], *([] if expired else [_KEEPS[n]])]
    kind = speaks["finding_type"]  # one that names a region too begins with the word for what it is
    finding = _FINDINGS.get(kind, _FINDINGS.get(kind.partition("_")[0], _FINDINGS[""]))[n]
    position = speaks["position_mm"]
    # Patient coordinates, not a side: which side it is depends on how the patient lay.
    where = [f"{_AT[n]} ({', '.join(f'{v:.0f}' for v in position)}) mm"] if position else []
    return [finding, *where, _SURE[_sureness(speaks.get("probability"), speaks.get("at_most"))][n]]


def _sureness(at_least: float | None, at_most: float | None) -> str:
    """Return how sure a flag is here: few counted cases say neither that it is often right nor that it seldom is."""
    if at_least is None or at_most is None:
        return "unknown"
    if at_least >= POSSIBLE:
        return "likely" if at_least >= LIKELY else "possible"
    return "seldom" if at_most < POSSIBLE else "few"
