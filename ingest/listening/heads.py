"""Indexes the head of an instance while it is in memory: fast where it is as usual, by pydicom where it is odd."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.received import ReceivedHead, read_head, received_head
from voorrang.dicom.header_scanning import ScannedHead, scan_head
from voorrang.dicom.headers import InstanceHeader
from voorrang.identifiers import SiteKeys

_MAX_CACHED = 4096


@dataclass(frozen=True, slots=True)
class IndexedHead:
    """The header of an instance, and whose it is by opaque keys; `identity` tells who says the same of a patient."""

    header: InstanceHeader
    patient_key: str
    order_key: str
    identity: str


@dataclass(slots=True)
class HeadIndex:
    """
    Reads heads.

    Parameters
    ----------
    keys
        Makes the opaque keys.
    """

    keys: SiteKeys
    _cached: dict[tuple[str, str, bytes], tuple[str, str, str]] = field(default_factory=dict)

    def read(
        self, part10: memoryview, data_set_at: int, transfer_syntax_uid: str, default_issuer: str, *, is_whole: bool
    ) -> IndexedHead:
        """
        Read the head of a Part 10 file.

        Parameters
        ----------
        part10
            The file, or its beginning.
        data_set_at
            Where its data set begins.
        transfer_syntax_uid
            In what that is encoded.
        default_issuer
            Domain of ids that name no issuer, by the sender's rule.
        is_whole
            Whether the file is all there.

        Raises
        ------
        UnreadableInstanceError
            When it cannot be read, for whatever reason.
        """
        scanned = scan_head(part10[data_set_at:], transfer_syntax_uid, is_whole)
        if scanned is None:
            head = received_head(read_head(bytes(part10), is_whole=is_whole))
            return self._index(head, default_issuer, repr(head).encode())
        return self._index(scanned, default_issuer, scanned.identity)

    def look_ahead(
        self, part10: memoryview, data_set_at: int, transfer_syntax_uid: str, default_issuer: str
    ) -> IndexedHead | None:
        """Read the head of a file of which only the beginning is there; None when that does not tell."""
        scanned = scan_head(part10[data_set_at:], transfer_syntax_uid)
        return None if scanned is None else self._index(scanned, default_issuer, scanned.identity)

    def _index(self, head: ScannedHead | ReceivedHead, default_issuer: str, identity: bytes) -> IndexedHead:
        study = head.header.study_instance_uid
        cached = self._cached.get((study, default_issuer, identity))
        if cached is None:
            cached = self._keys_of(head, default_issuer, identity)
            if len(self._cached) >= _MAX_CACHED:
                self._cached = {}
            self._cached[study, default_issuer, identity] = cached
        return IndexedHead(head.header, *cached)

    def _keys_of(self, head: ScannedHead | ReceivedHead, default_issuer: str, identity: bytes) -> tuple[str, str, str]:
        issuer = head.issuer_of_patient_id if isinstance(head, ScannedHead) else head.patient_issuer
        patient = (issuer or default_issuer, head.patient_id)
        order = (head.order_issuer or default_issuer, head.accession_number)
        keys = self.keys.for_study(head.header.study_instance_uid, patient, order)
        return *keys, self.keys.identity_digest(identity)
