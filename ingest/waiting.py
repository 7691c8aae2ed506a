"""What a study waits for in ingest, in words for a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ingest import intake_store, operating_store, store
from ingest.completeness import Patience, patience, seconds_since
from ingest.looking_up import Target
from ingest.operating_store import ClaimRow
from voorrang.database import Connection
from voorrang.dicom.geometry import series_geometry
from voorrang.pathways.pathway import Pathway
from voorrang.settings import SenderRule


def waits(
    connection: Connection,
    study_instance_uid: str,
    pathways: Mapping[str, Pathway],
    senders: Mapping[str, SenderRule],
    now: datetime,
) -> list[str]:
    """Return what a study waits for: more images, or the answers of models; empty when for nothing here."""
    if store.study_row(connection, study_instance_uid).suppressed:
        return ["nothing: an operator has suppressed it, no answer will come"]
    found: list[str] = []
    for claim in operating_store.claims_of(connection, Target(study_instance_uid, None, "")):
        pathway = pathways.get(claim.pathway)
        if pathway is None:
            found.append(f"pathway {claim.pathway}, which is not configured any more")
        elif claim.is_open:
            rule = senders.get(claim.sender)
            allowed = patience(pathway.complete, rule.quiet_seconds if rule else None)
            found.append(_more_images(connection, claim, allowed, now))
        elif claim.awaits_answer:
            found.extend(_answers(connection, claim, pathway, now))
        elif not claim.completed_revision and (
            beside := intake_store.count_beside(connection, claim.series_instance_uid)
        ):
            has = f"no images: {beside} of its {claim.pathway} series have UIDs that others had before"
            found.append(f"{has}; have them sent under UIDs of their own")
    return found


def _more_images(connection: Connection, claim: ClaimRow, allowed: Patience, now: datetime) -> str:
    headers = [one.header for one in store.series_instances(connection, claim.series_instance_uid)]
    has = f"more images: {claim.pathway} series has {len(headers)}"
    if claim.is_forced:
        return f"{has}, goes on as it is now, as an operator said"
    to_cap = allowed.cap_seconds - seconds_since(claim.began_at, now)
    to_quiet = allowed.quiet_seconds - seconds_since(claim.last_received_at, now)
    if not series_geometry(headers).is_whole:
        return f"{has}, geometry not whole, goes on as partial {_soon(to_cap)}"
    if to_quiet > 0 or to_cap <= 0:
        return f"{has}, geometry whole, goes on {_soon(min(to_quiet, to_cap))} when no more come"
    # Whole and quiet, and yet not gone on with: either it is being announced just now, or a required series wants.
    return f"{has}, geometry whole, goes on when every required series is there, as partial {_soon(to_cap)}"


def _answers(connection: Connection, claim: ClaimRow, pathway: Pathway, now: datetime) -> list[str]:
    answered = operating_store.answered_models(connection, claim)
    seconds = seconds_since(claim.completed_at, now) if claim.completed_at else 0.0
    missing = [use.name for use in pathway.models if use.name not in answered]
    return [f"the answer of {name}, running for {duration(seconds)}" for name in missing]


def duration(seconds: float) -> str:
    """Return a length of time in the unit that a person would use."""
    if seconds < 120:
        return f"{max(0.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _soon(seconds: float) -> str:
    return f"in {duration(seconds)}" if seconds > 0 else "now"
