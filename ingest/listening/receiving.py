"""Takes one instance from the network to the disk, and says what to answer."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ingest.admission import (
    REMOVED_MEANWHILE,
    TOO_LARGE,
    Refusal,
    Request,
    StoreStatus,
    check_header,
    check_identifiers,
    purpose_of,
)
from ingest.ledger import REFUSAL
from ingest.listening.configuration import ListenerConfiguration
from ingest.listening.entries import instance_entry
from ingest.listening.heads import HeadIndex, IndexedHead
from ingest.listening.incoming import Incoming
from ingest.listening.journaling import Journal
from ingest.part10 import before_data_set
from ingest.received import UnreadableInstanceError
from ingest.tally import Count, Tally
from voorrang.archive.archive import Archive
from voorrang.archive.durable import ArchiveFullError
from voorrang.archive.instance_files import InstanceFiles, Stored
from voorrang.archive.spare_files import SpareFiles
from voorrang.clock import Clock
from voorrang.identifiers import SiteKeys
from voorrang.logs import get_logger

_COUNTS = {"new": Count.NEW, "duplicate": Count.DUPLICATE, "conflict": Count.CONFLICT}


class Receiver:
    """
    Stores instances; whatever it answers Success to is durable, has its name, and is in the ledger.

    Parameters
    ----------
    configuration
        Titles, senders and limits.
    archive, journal, tally, clock, keys, spare
        What it works with.
    """

    def __init__(
        self,
        configuration: ListenerConfiguration,
        archive: Archive,
        journal: Journal,
        tally: Tally,
        clock: Clock,
        keys: SiteKeys,
        spare: SpareFiles | None = None,
    ) -> None:
        self.configuration = configuration
        self.archive = archive
        self.files = InstanceFiles(archive, spare)
        self.tally = tally
        self.journal = journal
        self._clock = clock
        self._heads = HeadIndex(keys)

    def incoming(self) -> Incoming:
        """Return the memory that an association needs."""
        told = self.configuration
        return Incoming(self.archive, self.files, told.max_instance_bytes, is_digested=told.is_durable)

    def begin(self, incoming: Incoming, request: Request, transfer_syntax_uid: str) -> None:
        """Begin an instance: its data set is poured into `incoming` next."""
        purpose = purpose_of(request, self.configuration.called_ae_titles)
        incoming.begin(before_data_set(request, transfer_syntax_uid, purpose))

    def look_ahead(self, incoming: Incoming, request: Request, transfer_syntax_uid: str) -> None:
        """Index the head of an instance of which the rest still comes, so that its answer does not wait for that."""
        incoming.has_new_head = False
        issuer = self.configuration.sender(request.calling_ae_title).default_issuer
        incoming.indexed = self._heads.look_ahead(incoming.head(), incoming.data_set_at, transfer_syntax_uid, issuer)

    def finish(self, incoming: Incoming, request: Request, transfer_syntax_uid: str) -> StoreStatus:
        """
        Store the instance that was poured in, and return the status to answer.

        Parameters
        ----------
        incoming
            Its bytes.
        request
            What the command set says, and who is talking to whom.
        transfer_syntax_uid
            In what the data set is encoded.
        """
        try:
            refusal = self._store(incoming, request, transfer_syntax_uid)
        except ArchiveFullError as error:
            get_logger().debug("archive full", reason=str(error))
            refusal = Refusal(StoreStatus.OUT_OF_RESOURCES, "disk_full")
        if refusal is None:
            return StoreStatus.SUCCESS
        return self._refuse(refusal, incoming, request)

    def receive(self, request: Request, transfer_syntax_uid: str, data_set: bytes) -> StoreStatus:
        """Store one instance whose data set is at hand, and return the status."""
        incoming = self.incoming()
        self.begin(incoming, request, transfer_syntax_uid)
        rest = memoryview(data_set)
        while rest:
            room = incoming.room(len(rest))
            room[:] = rest[: len(room)]
            incoming.filled(len(room))
            rest = rest[len(room) :]
        status = self.finish(incoming, request, transfer_syntax_uid)
        incoming.drop()
        return status

    def _store(self, incoming: Incoming, request: Request, transfer_syntax_uid: str) -> Refusal | None:
        if purpose_of(request, self.configuration.called_ae_titles) is None:
            return Refusal(StoreStatus.NOT_AUTHORISED, "unknown_called_ae_title")
        if incoming.is_too_large:
            return TOO_LARGE
        if refusal := check_identifiers(request):
            return refusal
        try:
            head = self._head(incoming, request, transfer_syntax_uid)
        except UnreadableInstanceError:
            return Refusal(StoreStatus.CANNOT_UNDERSTAND, "unreadable_data_set")
        if refusal := check_header(request, head):
            return refusal
        if not self.journal.has_room():
            return Refusal(StoreStatus.OUT_OF_RESOURCES, "intake_full")
        incoming.end()
        stored = self._write(incoming, head)
        entry = self._entry(stored, head, request)
        self.journal.record(entry, stored, incoming)
        if stored.outcome == "duplicate" and not self.files.is_there(stored.locator):
            return REMOVED_MEANWHILE  # it was there when it was compared; its sender still has it
        self.tally.add(_COUNTS[stored.outcome])
        self.tally.add(Count.BYTES, stored.size_bytes)
        return None

    def _head(self, incoming: Incoming, request: Request, transfer_syntax_uid: str) -> IndexedHead:
        if isinstance(incoming.indexed, IndexedHead):
            return incoming.indexed
        issuer = self.configuration.sender(request.calling_ae_title).default_issuer
        return self._heads.read(
            incoming.head(), incoming.data_set_at, transfer_syntax_uid, issuer, is_whole=incoming.is_in_memory
        )

    def _write(self, incoming: Incoming, head: IndexedHead) -> Stored:
        uids = (head.study_instance_uid, head.series_instance_uid, head.sop_instance_uid)
        if incoming.part is None:
            return self.files.store(*uids, incoming.content())
        if incoming.is_in_memory:
            stored = self.files.name(*uids, incoming.part, incoming.size_bytes)
        else:
            stored = self.files.adopt(*uids, incoming.part)
        incoming.hand_over()
        return stored

    def _entry(self, stored: Stored, head: IndexedHead, request: Request) -> bytes:
        purpose = purpose_of(request, self.configuration.called_ae_titles)
        return instance_entry(
            stored,
            head.own_members,
            head.common_members,
            sender=request.calling_ae_title,
            purpose=purpose.value if purpose else "",
            received_at=self._clock.now(),
        )

    def _refuse(self, refusal: Refusal, incoming: Incoming, request: Request) -> StoreStatus:
        locator = None
        if refusal.keeps_bytes:
            try:
                locator = self._quarantine(refusal.reason, incoming)
            except ArchiveFullError:
                get_logger().error("quarantine full", reason=refusal.reason)
        entry = {
            "kind": REFUSAL,
            "reason": refusal.reason,
            "status": int(refusal.status),
            "locator": locator,
            "sender": request.calling_ae_title[:16],
            "at": self._clock.now().isoformat(),
        }
        with suppress(ArchiveFullError):  # then the quarantine alone has the reason, and the tally the count
            self.journal.note(entry)
        self.tally.add(Count.REFUSED)
        get_logger().warning("instance refused", reason=refusal.reason, status=f"0x{refusal.status:04X}")
        return refusal.status

    def _quarantine(self, reason: str, incoming: Incoming) -> str:
        if incoming.is_in_memory:
            return self.archive.quarantine(incoming.content(), reason)
        incoming.end()
        locator = self.archive.quarantine_part(Path(incoming.part or ""), reason)
        incoming.hand_over()
        return locator
