"""
Ties studies to orders and patients, whichever comes first.

A study belongs to the order of its own accession number and issuer; where no such order is known, to one that names it
by its StudyInstanceUID; else to none. What a study belongs to is a function of what is known, not of the order in which
it came.
"""

from __future__ import annotations

from collections.abc import Iterable

from ingest import intake_store
from ingest import store as instances
from ingest.announcing import Announcer
from ingest.orders import store
from ingest.study_announcing import announce_study
from voorrang import identity
from voorrang.database import Connection
from voorrang.pathways.claiming import claiming


def settle_studies(post: Announcer, connection: Connection, study_instance_uids: Iterable[str]) -> None:
    """Tie studies that are known to what is known of orders and patients, and announce those that changed."""
    for uid in sorted(set(study_instance_uids)):
        if settle_study(post, connection, uid):
            announce_study(post, connection, uid)


def settle_study(post: Announcer, connection: Connection, study_instance_uid: str) -> bool:
    """Tie a study to what is known of orders and patients; True when that changed it. Announces nothing."""
    links = store.study_links(connection, study_instance_uid)
    if links is None:
        return False
    patient_key = store.surviving(connection, links.patient_key)
    named_by = _named_by(connection, links.order_key, study_instance_uid)
    asked_for = links.prior and store.has_open_order(connection, links.order_key, study_instance_uid)
    if patient_key != links.patient_key:
        identity.move_patient(connection, links.patient_key, patient_key)
    changes: dict[str, str | bool] = {"patient_key": patient_key, "named_by": named_by}
    if asked_for:
        changes["prior"] = False
        if links.purpose == post.settings.purpose.value:
            _claim(post, connection, study_instance_uid)
    if (patient_key, named_by, asked_for) == (links.patient_key, links.named_by, False):
        return False
    store.link_study(connection, study_instance_uid, **changes)
    return True


def _named_by(connection: Connection, own_order_key: str, study_instance_uid: str) -> str:
    if own_order_key and store.find_order(connection, own_order_key) is not None:
        return ""
    return next(iter(store.orders_naming(connection, study_instance_uid)), "")


def _claim(post: Announcer, connection: Connection, study_instance_uid: str) -> None:
    """Open the claims on a study that was taken for a prior and is asked for after all."""
    now = post.clock.now()
    for header in instances.series_heads(connection, study_instance_uid):
        for pathway in claiming(post.pathways.values(), header):
            intake_store.open_claim(connection, header.series_instance_uid, pathway.name, now)
