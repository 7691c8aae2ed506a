"""Gives a row to every instance that is on disk without one: what neither the ledger nor its log speaks of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from ingest import store
from ingest.admission import Request as StoreRequest
from ingest.admission import purpose_of
from ingest.identities import study_identity
from ingest.intake import IntakeWorker
from ingest.part10 import kept_purpose
from ingest.received import HEAD_BYTES, UnreadableInstanceError, read_head, received_head
from ingest.taking import ReceivedInstance
from voorrang.logs import get_logger
from voorrang.runtime import Runtime

CHUNK = 500


def recover(runtime: Runtime, intake: IntakeWorker, before: datetime | None = None) -> int:
    """
    Take in every stored instance that has no row; return how many.

    It finds what a damaged ledger lost, or what came after a backup of the database that was restored. The file says
    who sent it to whom and what for (PS3.10, group 0002), so its purpose is what it was when it came, whatever the
    settings say now; its time is that of the file.

    Parameters
    ----------
    runtime, intake
        The service.
    before
        Younger files are not looked at, since the ledger speaks of them; None: all are.
    """
    recovered = 0
    locators = runtime.archive.instances()
    while (chunk := list(islice(locators, CHUNK))) and not runtime.stop.is_set():
        with runtime.database.read() as connection:
            known = store.known_locators(connection, chunk)
        found = _read(runtime, [locator for locator in chunk if locator not in known])
        batch = [one for one in found if before is None or one.received_at < before]
        if batch:
            intake.take(batch)
            recovered += len(batch)
    if recovered:
        get_logger().warning("recovered instances without a row", count=recovered)
    return recovered


def _read(runtime: Runtime, locators: list[str]) -> Iterator[ReceivedInstance]:
    settings = runtime.settings
    for locator in locators:
        try:
            path = runtime.archive.path(locator)
            with path.open("rb") as file:
                beginning = file.read(HEAD_BYTES)
            ds = read_head(beginning, is_whole=len(beginning) < HEAD_BYTES)
            head = received_head(ds)
        except FileNotFoundError:
            continue  # retention was quicker
        except UnreadableInstanceError:
            get_logger().error("stored instance cannot be read")
            continue
        sender = str(ds.file_meta.get("SendingApplicationEntityTitle", "")).strip()
        called = str(ds.file_meta.get("ReceivingApplicationEntityTitle", "")).strip()
        rule = settings.senders.get(sender)
        identity = study_identity(head, runtime.keys, rule.default_issuer if rule else "")
        header = head.header
        request = StoreRequest(header.sop_class_uid, header.sop_instance_uid, sender, called)
        yield ReceivedInstance(
            header_values=header.to_json(),
            patient_key=identity.patient.patient_key,
            order_key=identity.order_key,
            identity=runtime.keys.identity_digest(repr(head).encode()),
            purpose=kept_purpose(ds.file_meta) or purpose_of(request, settings.called_ae_titles) or settings.purpose,
            sender=sender,
            locator=locator,
            size_bytes=path.stat().st_size,
            received_at=datetime.fromtimestamp(path.stat().st_mtime, UTC),
            outcome="new",
        )
