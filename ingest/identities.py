"""Whose an instance is: the opaque keys that travel, and the identity that only the identity store gets."""

from __future__ import annotations

from ingest.received import ReceivedHead
from voorrang.identifiers import SiteKeys
from voorrang.identity import PatientIdentity, StudyIdentity


def study_identity(head: ReceivedHead, keys: SiteKeys, default_issuer: str) -> StudyIdentity:
    """
    Return whose a study is by one of its instances.

    Parameters
    ----------
    head
        Of the instance.
    keys
        Makes the opaque keys.
    default_issuer
        Domain of ids that name no issuer, by the sender's rule.
    """
    patient_issuer = head.patient_issuer or default_issuer
    order_issuer = head.order_issuer or default_issuer
    study = head.header.study_instance_uid
    patient_key, order_key = keys.for_study(
        study, (patient_issuer, head.patient_id), (order_issuer, head.accession_number)
    )
    patient = PatientIdentity(
        patient_key,
        head.patient_id,
        patient_issuer,
        head.patient_name,
        head.patient_birth_date,
        head.patient_sex,
    )
    accession = head.accession_number
    issuer = order_issuer if accession else ""
    return StudyIdentity(study, patient, order_key, accession, issuer, head.header.study_description)
