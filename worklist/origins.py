"""About whom an event of the worklist is: the first study of its item."""

from __future__ import annotations

from voorrang.runtime import Origin, Runtime
from worklist.facts import ItemFacts


def origin_of(runtime: Runtime, facts: ItemFacts) -> Origin:
    """Return what the envelope of an event about an item says; an item whose studies have moved speaks for itself."""
    first = facts.studies[0] if facts.studies else None
    subject = first.study_instance_uid if first else facts.item_key
    return Origin(
        subject,
        first.patient_key if first else "",
        "" if facts.item_key == subject else facts.item_key,
        runtime.keys.traceparent(subject),
        runtime.settings.purpose,
    )
