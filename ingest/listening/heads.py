"""Indexes the head of an instance while it is in memory: fast where it is as usual, by pydicom where it is odd."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ingest.listening.entries import common_members, own_members
from ingest.received import read_head, received_head
from voorrang.dicom.head_values import CommonHead, ScannedHead
from voorrang.dicom.header_scanning import scan_head
from voorrang.dicom.headers import InstanceHeader, Vector
from voorrang.identifiers import SiteKeys

_MAX_CACHED = 512


class IndexedHead(NamedTuple):
    """What an instance is, and as JSON what the ledger says of it: whose it is by opaque keys, and its header."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    own_members: str
    common_members: str


class _Series(NamedTuple):
    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    members: str


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
    _cached: dict[tuple[CommonHead, str], _Series] = field(default_factory=dict)

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
        if scanned is not None:
            return self._of_scanned(scanned, default_issuer)
        head = received_head(read_head(bytes(part10), is_whole=is_whole))
        patient = (head.patient_issuer or default_issuer, head.patient_id)
        order = (head.order_issuer or default_issuer, head.accession_number)
        series = self._series(head.header, patient, order, repr(head).encode())
        own = (head.header.sop_instance_uid, head.header.instance_number, head.header.image_position_mm)
        return _indexed(series, *own)

    def look_ahead(
        self, part10: memoryview, data_set_at: int, transfer_syntax_uid: str, default_issuer: str
    ) -> IndexedHead | None:
        """Read the head of a file of which only the beginning is there; None when that does not tell."""
        scanned = scan_head(part10[data_set_at:], transfer_syntax_uid)
        return None if scanned is None else self._of_scanned(scanned, default_issuer)

    def _of_scanned(self, scanned: ScannedHead, default_issuer: str) -> IndexedHead:
        common = scanned.common
        series = self._cached.get((common, default_issuer))
        if series is None:
            patient = (common.issuer_of_patient_id or default_issuer, common.patient_id)
            order = (common.order_issuer or default_issuer, common.accession_number)
            series = self._series(common.header, patient, order, common.identity)
            if len(self._cached) >= _MAX_CACHED:
                self._cached = {}
            self._cached[common, default_issuer] = series
        return _indexed(series, scanned.sop_instance_uid, scanned.instance_number, scanned.image_position_mm)

    def _series(
        self, header: InstanceHeader, patient: tuple[str, str], order: tuple[str, str], identity: bytes
    ) -> _Series:
        patient_key, order_key = self.keys.for_study(header.study_instance_uid, patient, order)
        members = common_members(header, patient_key, order_key, self.keys.identity_digest(identity))
        return _Series(header.study_instance_uid, header.series_instance_uid, header.sop_class_uid, members)


def _indexed(
    series: _Series, sop_instance_uid: str, instance_number: int | None, image_position_mm: Vector | None
) -> IndexedHead:
    own = own_members(sop_instance_uid, instance_number, image_position_mm)
    study_uid, series_uid, class_uid, members = series
    return IndexedHead(study_uid, series_uid, sop_instance_uid, class_uid, own, members)
