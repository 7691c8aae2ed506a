"""One sentence for a verdict, with its numbers. Pure; it quotes the pathway file, never a header."""

from __future__ import annotations

from datetime import datetime

from ingest.completeness import Evidence, Verdict, VerdictCode, seconds_since
from voorrang.dicom.geometry import GeometryProblem, SeriesGeometry


def verdict_text(verdict: Verdict, evidence: Evidence, now: datetime) -> str:
    """
    Say what is there, why it was gone on with, and what is lacking.

    Parameters
    ----------
    verdict
        A verdict to go on.
    evidence
        What it was given on.
    now
        When it was given.

    Returns
    -------
    str
        Such as "29 of about 31 slices: 2 missing between the first and the last; went on after 120 s".
    """
    parts = [_slices(evidence.geometry), _why(verdict, evidence, now)]
    if VerdictCode.STILL_ARRIVING in verdict.reasons:
        parts.append("still arriving")
    if evidence.wanting:
        parts.append(f"required series not there or not whole: {', '.join(evidence.wanting)}")
    return "; ".join(parts)


def _slices(geometry: SeriesGeometry) -> str:
    n = geometry.n_instances
    if geometry.is_whole:
        return f"{n} slices, none missing between the first and the last"
    others = [p.replace("_", " ") for p in geometry.reasons if p is not GeometryProblem.MISSING_SLICES]
    if geometry.n_missing:
        missing = f"{geometry.n_missing} missing between the first and the last"
        return f"{n} of about {n + geometry.n_missing} slices: {', '.join([missing, *others])}"
    return f"{n} {'instance' if n == 1 else 'instances'}, not one whole stack: {', '.join(others)}"


def _why(verdict: Verdict, evidence: Evidence, now: datetime) -> str:
    if VerdictCode.FORCED in verdict.reasons:
        return "went on because an operator said so"
    if VerdictCode.CAP in verdict.reasons:
        return f"went on after {seconds_since(evidence.arrival.began_at, now):.0f} s"
    return f"quiet for {seconds_since(evidence.arrival.last_at, now):.0f} s"
