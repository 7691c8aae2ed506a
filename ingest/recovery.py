"""After a crash: gives a row to every instance that is on disk without one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from ingest import store
from ingest.admission import Request as StoreRequest
from ingest.admission import purpose_of
from ingest.intake import IntakeWorker
from ingest.part10 import kept_purpose
from ingest.received import ReceivedInstance, UnreadableInstanceError, header_and_identity, read_head
from voorrang.logs import get_logger
from voorrang.runtime import Runtime

CHUNK = 500


def recover(runtime: Runtime, intake: IntakeWorker) -> int:
    """
    Take in every stored instance that has no row; return how many.

    The file says who sent it to whom and what for (PS3.10, group 0002), so its purpose is what it was when it came,
    whatever the settings say now; its time is that of the file.
    """
    recovered = 0
    locators = runtime.archive.instances()
    while chunk := list(islice(locators, CHUNK)):
        with runtime.database.read() as connection:
            known = store.known_locators(connection, chunk)
        batch = list(_read(runtime, [locator for locator in chunk if locator not in known]))
        if batch:
            intake.take(batch)
            recovered += len(batch)
    if recovered:
        get_logger().warning("recovered instances without a row", count=recovered)
    return recovered


def _read(runtime: Runtime, locators: list[str]) -> Iterator[ReceivedInstance]:
    settings = runtime.settings
    for locator in locators:
        path = runtime.archive.path(locator)
        try:
            ds = read_head(path.read_bytes())
            sender = str(ds.file_meta.get("SendingApplicationEntityTitle", "")).strip()
            called = str(ds.file_meta.get("ReceivingApplicationEntityTitle", "")).strip()
            rule = settings.senders.get(sender)
            header, identity = header_and_identity(ds, runtime.keys, rule.default_issuer if rule else "")
        except UnreadableInstanceError:
            get_logger().error("stored instance cannot be read")
            continue
        request = StoreRequest(header.sop_class_uid, header.sop_instance_uid, sender, called)
        yield ReceivedInstance(
            header=header,
            identity=identity,
            purpose=kept_purpose(ds.file_meta) or purpose_of(request, settings.called_ae_titles) or settings.purpose,
            sender=sender,
            locator=locator,
            size_bytes=path.stat().st_size,
            received_at=datetime.fromtimestamp(path.stat().st_mtime, UTC),
            is_conflict=runtime.archive.is_conflict(locator),
        )
