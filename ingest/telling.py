"""What the listener is told, out of the settings."""

from __future__ import annotations

from ingest.listening.configuration import ListenerConfiguration, Sender, TLSFiles
from voorrang.settings import Settings


def listener_configuration(settings: Settings, *, is_durable: bool = True) -> ListenerConfiguration:
    """
    Return what the listener is told.

    Parameters
    ----------
    settings
        Everything that can be set.
    is_durable
        False answers before bytes are on disk: for benchmarks only.
    """
    files = settings.tls_files()
    return ListenerConfiguration(
        host=settings.bind_host,
        port=settings.dicom_port,
        archive_dir=settings.archive_dir,
        secret_file=settings.secret_file,
        called_ae_titles=settings.called_ae_titles,
        senders={
            title: Sender(rule.default_issuer, rule.sop_classes, rule.max_instances_per_second, rule.lane == "urgent")
            for title, rule in settings.senders.items()
        },
        known_senders_only=settings.known_senders_only,
        max_associations=settings.max_associations,
        max_instance_bytes=settings.max_instance_bytes,
        reserve_bytes=settings.disk_reserve_bytes,
        idle_seconds=settings.association_idle_seconds,
        log_bytes=settings.write_ahead_log_bytes,
        tls_port=settings.dicom_tls_port,
        tls=TLSFiles(*files) if files and settings.dicom_tls_port else None,
        is_durable=is_durable,
        log_level=settings.log_level,
    )
