"""Which instances count: those that came for what their study is for, and are not rejected."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select

from ingest.tables import instance, rejection, series, study


def serves() -> ColumnElement[bool]:
    """Return whether an instance came for the purpose of its study, as SQL over `ingest_instance`."""
    purpose = (
        select(study.c.purpose)
        .join(series, series.c.study_instance_uid == study.c.study_instance_uid)
        .where(series.c.series_instance_uid == instance.c.series_instance_uid)
    )
    return instance.c.purpose == purpose.correlate(instance).scalar_subquery()


def stands() -> ColumnElement[bool]:
    """Return whether an instance serves and is not rejected, as SQL over `ingest_instance`."""
    return serves() & ~is_rejected()


def is_rejected() -> ColumnElement[bool]:
    """Return whether a note rejects an instance, as SQL over `ingest_instance`."""
    r = rejection.c
    named = (
        select(r.sop_instance_uid)
        .join(series, (series.c.series_instance_uid == r.series_instance_uid) & same_study())
        .where(
            r.sop_instance_uid == instance.c.sop_instance_uid, r.series_instance_uid == instance.c.series_instance_uid
        )
    )
    return named.correlate(instance).exists()


def same_study() -> ColumnElement[bool]:
    """Return whether a rejected series is of the study that its note names: a note reaches no further."""
    return series.c.study_instance_uid == rejection.c.study_instance_uid
