"""About whom an event of the worklist is: the study that its item is known by."""

from __future__ import annotations

from voorrang.runtime import Origin, Runtime
from worklist.facts import ItemFacts


def origin_of(runtime: Runtime, facts: ItemFacts) -> Origin:
    """Return what the envelope of an event about an item says; an item whose studies have moved speaks for itself."""
    study = facts.known_by
    subject = study.study_instance_uid if study else facts.item_key
    return Origin(
        subject,
        study.patient_key if study else "",
        "" if facts.item_key == subject else facts.item_key,
        runtime.keys.traceparent(subject),
        runtime.settings.purpose,
    )
