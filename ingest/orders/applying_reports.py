"""What a version of a report changes, and what is announced of it."""

from __future__ import annotations

from collections.abc import Mapping

from ingest.orders import store
from ingest.orders.applying import Applying
from ingest.orders.facts import ReportFact
from ingest.orders.merging import PLACES_OF_A_RANK, report_version
from voorrang import identity
from voorrang.events.records import ReportCorrected, ReportFinalized, ReportPreliminary, ReportRecord

_RECORDS: Mapping[str, type[ReportRecord]] = {
    "preliminary": ReportPreliminary,
    "final": ReportFinalized,
    "corrected": ReportCorrected,
}


def apply_report(applying: Applying, fact: ReportFact) -> bool:
    """Keep a version of a report; False when it says what is known already."""
    stated_at = applying.stated(fact.stated_at)
    patient_key, _ = applying.remember(fact.patient, stated_at)
    order_key = _order_of(applying, fact)
    report_key = order_key or fact.study_instance_uids[0]
    digest = applying.post.keys.identity_digest(f"{fact.status}\n{fact.text}".encode())
    known = store.reports(applying.connection, report_key)
    if any(one.content_digest == digest and one.stated_at == stated_at for one in known):
        return False
    if known and known[-1].content_digest == digest and known[-1].stated_at < stated_at:
        return False  # said once more, without a change
    first = report_version(stated_at, fact.status, 0)
    taken = sum(first <= one.report_version < first + PLACES_OF_A_RANK for one in known)
    row = store.ReportRow(
        report_key=report_key,
        report_version=report_version(stated_at, fact.status, taken),
        status=fact.status,
        order_key=order_key,
        study_instance_uids=fact.study_instance_uids,
        content_digest=digest,
        stated_at=stated_at,
        received_at=applying.post.clock.now(),
    )
    store.add_report(applying.connection, row)
    identity.keep_report(applying.connection, report_key, row.report_version, fact.text)
    record = _RECORDS[fact.status](
        report_version=row.report_version,
        study_instance_uids=fact.study_instance_uids,
        content_digest=digest,
        stated_at=stated_at,
    )
    applying.announce(record, report_key, patient_key, order_key, (report_key, row.report_version))
    return True


def _order_of(applying: Applying, report: ReportFact) -> str:
    """Return the key of a report's order: by its accession number, else the order of the study that it names."""
    if report.accession_number:
        return applying.order_key(report.issuer, report.accession_number)
    for uid in report.study_instance_uids:
        links = store.study_links(applying.connection, uid)
        own = [links.named_by or links.order_key] if links else []
        for order_key in [*own, *store.orders_naming(applying.connection, uid)]:
            if order_key:
                return order_key
    return ""
