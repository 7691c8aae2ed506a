"""Gives a row to every instance that is on disk without one: what neither the ledger nor its log speaks of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from ingest import store
from ingest.admission import Request as StoreRequest
from ingest.admission import purpose_of
from ingest.identities import study_identity
from ingest.intake import IntakeWorker
from ingest.part10 import kept_purpose
from ingest.received import HEAD_BYTES, UnreadableInstanceError, read_file_meta, read_head, received_head, sender_of
from ingest.taking import ReceivedInstance
from voorrang.dicom.headers import InstanceHeader
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
    locators = runtime.archive.instances(_tell_of_folder)
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


def _tell_of_folder(error: OSError) -> None:
    get_logger().error("a folder of the archive cannot be read", reason=type(error).__name__)


def _read(runtime: Runtime, locators: list[str]) -> Iterator[ReceivedInstance]:
    for locator in locators:
        try:
            yield _received(runtime, locator)
        except FileNotFoundError:
            continue  # retention was quicker
        except UnreadableInstanceError as error:
            get_logger().error("stored instance cannot be read", reason=str(error))
        except OSError as error:  # the disk does not give it: it is looked for at the next start again
            get_logger().error("stored instance cannot be read", reason=type(error).__name__)


def _received(runtime: Runtime, locator: str) -> ReceivedInstance:
    with runtime.archive.path(locator).open("rb") as file:
        beginning = file.read(HEAD_BYTES)
        stat = os.fstat(file.fileno())
    ds = read_head(beginning, is_whole=len(beginning) < HEAD_BYTES)
    head, file_meta = received_head(ds), read_file_meta(ds)
    header = head.header
    if runtime.archive.uids(locator) != (
        header.study_instance_uid,
        header.series_instance_uid,
        header.sop_instance_uid,
    ):
        raise UnreadableInstanceError("UIDs are not those of its name")  # cut off before them, or another file's blocks
    header_values = header.to_json()
    if not InstanceHeader.can_be_rebuilt(header_values):
        raise UnreadableInstanceError("no SOP class or transfer syntax")
    settings = runtime.settings
    sender = sender_of(ds)
    called = str(file_meta.get("ReceivingApplicationEntityTitle", "")).strip()
    rule = settings.senders.get(sender)
    identity = study_identity(head, runtime.keys, rule.default_issuer if rule else "")
    request = StoreRequest(header.sop_class_uid, header.sop_instance_uid, sender, called)
    return ReceivedInstance(
        header_values=header_values,
        patient_key=identity.patient.patient_key,
        order_key=identity.order_key,
        identity=runtime.keys.identity_digest(repr(head).encode()),
        purpose=kept_purpose(file_meta) or purpose_of(request, settings.called_ae_titles) or settings.purpose,
        sender=sender,
        locator=locator,
        size_bytes=stat.st_size,
        received_at=datetime.fromtimestamp(stat.st_mtime, UTC),
        outcome="new",
    )
