"""The DICOM listener: C-ECHO and C-STORE on pynetdicom."""

from __future__ import annotations

from typing import Any

import pydicom.config
from pydicom.uid import UID, AllTransferSyntaxes, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, _config, evt
from pynetdicom.presentation import AllStoragePresentationContexts
from pynetdicom.sop_class import Verification

from ingest.admission import Request, StoreStatus
from ingest.part10 import IMPLEMENTATION_CLASS_UID
from ingest.receiving import Receiver
from voorrang.errors import ConfigurationError
from voorrang.logs import get_logger
from voorrang.settings import Settings

MAX_PDU_BYTES = 131_072
NETWORK_TIMEOUT_SECONDS = 60
# The first that the sender offers too is taken. Explicit Little Endian is never lossy and names every VR, private ones
# too; the default syntax, which every sender offers and which names none, comes last.
TRANSFER_SYNTAXES = [
    ExplicitVRLittleEndian,
    *(syntax for syntax in AllTransferSyntaxes if syntax not in {ExplicitVRLittleEndian, ImplicitVRLittleEndian}),
    ImplicitVRLittleEndian,
]


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
        hear_everything()
        self._settings = settings
        self._receiver = receiver
        self._ae = AE(ae_title=next(iter(settings.called_ae_titles)))
        self._ae.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
        self._ae.implementation_version_name = "VOORRANG"
        self._ae.maximum_associations = settings.max_associations
        self._ae.maximum_pdu_size = MAX_PDU_BYTES
        self._ae.network_timeout = NETWORK_TIMEOUT_SECONDS
        self._ae.add_supported_context(Verification)
        for context in AllStoragePresentationContexts:
            self._ae.add_supported_context(context.abstract_syntax, TRANSFER_SYNTAXES)

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
            data_set = event.request.DataSet.getvalue()
            return int(self._receiver.receive(request, str(event.context.transfer_syntax), data_set))
        except Exception as error:  # noqa: BLE001 - answered with a code, counted by the sender; the listener goes on
            get_logger().error("C-STORE failed", reason=type(error).__name__)
            get_logger().debug("C-STORE failed", exc_info=True)
            return int(StoreStatus.OUT_OF_RESOURCES)


def hear_everything() -> None:
    """
    Let the libraries hand over what the network says as it is, for this process; what may be stored is ours to judge.

    pynetdicom would abort an association for a UID of 66 characters, where a refusal with a status is due; pydicom
    would write values that break their VR, names among them, to stderr.
    """
    _config.VALIDATORS["UI"] = lambda _: (True, "")
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
