"""The DICOM listener: C-ECHO and C-STORE on pynetdicom."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID, AllTransferSyntaxes
from pynetdicom import AE, evt
from pynetdicom.presentation import AllStoragePresentationContexts
from pynetdicom.sop_class import Verification

from ingest.admission import Request, StoreStatus
from ingest.receiving import Receiver
from voorrang.errors import ConfigurationError
from voorrang.logs import get_logger
from voorrang.settings import Settings

PREAMBLE = b"\0" * 128 + b"DICM"
MAX_PDU_BYTES = 131_072
NETWORK_TIMEOUT_SECONDS = 60
IMPLEMENTATION_CLASS_UID = UID("2.25.134400964248564754242726009364896958219")


class Listener:
    """
    Answers associations until closed.

    Parameters
    ----------
    settings
        Port, AE titles and limits.
    receiver
        Gets every instance.
    """

    def __init__(self, settings: Settings, receiver: Receiver) -> None:
        self._settings = settings
        self._receiver = receiver
        self._ae = AE(ae_title=next(iter(settings.called_ae_titles)))
        self._ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        self._ae.implementation_version_name = "VOORRANG"
        self._ae.maximum_associations = settings.max_associations
        self._ae.maximum_pdu_size = MAX_PDU_BYTES
        self._ae.network_timeout = NETWORK_TIMEOUT_SECONDS
        self._ae.add_supported_context(Verification)
        for context in AllStoragePresentationContexts:
            self._ae.add_supported_context(context.abstract_syntax, list(AllTransferSyntaxes))

    def open(self) -> None:
        """
        Start to listen.

        Raises
        ------
        ConfigurationError
            When the port is taken.
        """
        address = (self._settings.bind_host, self._settings.dicom_port)
        handlers = [(evt.EVT_C_STORE, self._on_store), (evt.EVT_C_ECHO, self._on_echo)]
        try:
            self._ae.start_server(address, block=False, evt_handlers=handlers)
        except OSError as error:
            raise ConfigurationError(
                f"DICOM port {address[1]} on {address[0]}: {error.strerror}; set VOORRANG_DICOM_PORT"
            ) from error

    def close(self) -> None:
        """Stop to listen and end what is open."""
        self._ae.shutdown()

    def _on_echo(self, event: Any) -> int:
        known = event.assoc.acceptor.primitive.called_ae_title in self._settings.called_ae_titles
        return int(StoreStatus.SUCCESS if known else StoreStatus.NOT_AUTHORISED)

    def _on_store(self, event: Any) -> int:
        association = event.assoc.requestor.primitive
        request = Request(
            sop_class_uid=str(event.request.AffectedSOPClassUID),
            sop_instance_uid=str(event.request.AffectedSOPInstanceUID),
            calling_ae_title=association.calling_ae_title,
            called_ae_title=association.called_ae_title,
        )
        try:
            return int(self._receiver.receive(request, part10_file(event, request)))
        except Exception as error:  # noqa: BLE001 - answered with a code, counted by the sender; the listener goes on
            get_logger().error("C-STORE failed", reason=type(error).__name__)
            get_logger().debug("C-STORE failed", exc_info=True)
            return int(StoreStatus.OUT_OF_RESOURCES)


def part10_file(event: Any, request: Request) -> bytes:
    """Return the Part 10 file (PS3.10) of a C-STORE request: the data set as received, and who sent it to whom."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = UID(request.sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(request.sop_instance_uid)
    meta.TransferSyntaxUID = UID(str(event.context.transfer_syntax))
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.SendingApplicationEntityTitle = request.calling_ae_title
    meta.ReceivingApplicationEntityTitle = request.called_ae_title
    buffer = DicomBytesIO()
    buffer.write(PREAMBLE)
    write_file_meta_info(buffer, meta, enforce_standard=False)
    buffer.write(event.request.DataSet.getvalue())
    return buffer.getvalue()
