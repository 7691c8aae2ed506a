"""Takes one instance from the network to the disk, and says what to answer."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from queue import Full, Queue

from ingest.admission import Refusal, Request, StoreStatus, check_header, check_identifiers, purpose_of
from ingest.part10 import part10_file
from ingest.received import (
    ReceivedInstance,
    RefusedInstance,
    UnreadableInstanceError,
    header_and_identity,
    read_head,
)
from voorrang.archive import Archive, ArchiveFullError
from voorrang.clock import Clock
from voorrang.identifiers import SiteKeys
from voorrang.logs import get_logger
from voorrang.metrics import INSTANCES_RECEIVED
from voorrang.purpose import Purpose
from voorrang.settings import Settings

Intake = Queue[ReceivedInstance | RefusedInstance]


@dataclass(frozen=True, slots=True)
class Receiver:
    """
    Stores instances; whatever it answers Success to is on disk under its name, synced, and in the intake.

    Parameters
    ----------
    archive, keys, clock, settings
        What it works with.
    intake
        Where stored and refused instances wait for their rows; a full one refuses the next before it is stored.
    """

    archive: Archive
    keys: SiteKeys
    clock: Clock
    settings: Settings
    intake: Intake

    def receive(self, request: Request, transfer_syntax_uid: str, data_set: bytes) -> StoreStatus:
        """
        Store one instance as a Part 10 file and return the status to answer.

        Parameters
        ----------
        request
            What the command set says, and who is talking to whom.
        transfer_syntax_uid
            In what the data set is encoded.
        data_set
            The bytes as they came.
        """
        purpose = purpose_of(request, self.settings.called_ae_titles)
        if purpose is None:
            return self._refuse(Refusal(StoreStatus.NOT_AUTHORISED, "unknown_called_ae_title"), None)
        if self.intake.full():
            return self._refuse(Refusal(StoreStatus.OUT_OF_RESOURCES, "intake_full"), None)
        part10 = part10_file(request, transfer_syntax_uid, purpose, data_set)
        if refusal := check_identifiers(request):
            return self._refuse(refusal, part10)
        return self._store(request, part10, purpose)

    def _store(self, request: Request, part10: bytes, purpose: Purpose) -> StoreStatus:
        rule = self.settings.senders.get(request.calling_ae_title.strip())
        try:
            header, identity = header_and_identity(read_head(part10), self.keys, rule.default_issuer if rule else "")
        except UnreadableInstanceError:
            return self._refuse(Refusal(StoreStatus.CANNOT_UNDERSTAND, "unreadable_data_set"), part10)
        if refusal := check_header(request, header):
            return self._refuse(refusal, part10)
        try:
            stored = self.archive.store_instance(
                header.study_instance_uid, header.series_instance_uid, header.sop_instance_uid, part10
            )
        except ArchiveFullError:
            return self._refuse(Refusal(StoreStatus.OUT_OF_RESOURCES, "disk_full"), None)
        instance = ReceivedInstance(
            header=header,
            identity=identity,
            purpose=purpose,
            sender=request.calling_ae_title.strip(),
            locator=stored.locator,
            size_bytes=stored.size_bytes,
            received_at=self.clock.now(),
            is_conflict=self.archive.is_conflict(stored.locator),
        )
        try:
            self.intake.put(instance, timeout=5)
        except Full:
            return self._refuse(Refusal(StoreStatus.OUT_OF_RESOURCES, "intake_full"), None)
        INSTANCES_RECEIVED.labels(stored.outcome).inc()
        return StoreStatus.SUCCESS

    def _refuse(self, refusal: Refusal, part10: bytes | None) -> StoreStatus:
        locator = None
        if part10 is not None:
            try:
                locator = self.archive.quarantine(part10, refusal.reason)
            except ArchiveFullError:
                get_logger().error("quarantine full", reason=refusal.reason)
        with suppress(Full):  # then the quarantine alone has the reason, and the metric the count
            self.intake.put_nowait(RefusedInstance(refusal.reason, locator, self.clock.now()))
        INSTANCES_RECEIVED.labels("refused").inc()
        get_logger().warning("instance refused", reason=refusal.reason, status=f"0x{refusal.status:04X}")
        return refusal.status
