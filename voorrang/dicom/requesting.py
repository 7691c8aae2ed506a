"""Requests an association of a peer by pynetdicom, and keeps the answers that pynetdicom would lose."""

from __future__ import annotations

from typing import Any

from pynetdicom import AE
from pynetdicom.association import Association

MAX_PDU_BYTES = 131_072


def associate(ae: AE, host: str, port: int, called_ae_title: str) -> Association:
    """
    Request an association.

    In pynetdicom 3.0.4 a second thread of the association may take an answer from the queue just after it was told to
    pause, when the peer answers at once and the processor is busy: it was counted in about one of 1,000 C-STOREs. That
    answer is thrown away, and `send_c_store` waits for it until its time-out. Here it goes back to the queue.

    Parameters
    ----------
    ae
        With its titles, time-outs and presentation contexts.
    host, port
        The peer.
    called_ae_title
        The peer's AE title.

    Returns
    -------
    Association
        Established or not.
    """
    association = ae.associate(host, port, ae_title=called_ae_title, max_pdu=MAX_PDU_BYTES)
    serve = association._serve_request

    def serve_or_give_back(message: Any, context_id: int) -> None:
        """Serve a request; an answer is somebody else's."""
        if message.is_valid_request:
            serve(message, context_id)
        else:
            association.dimse.msg_queue.put((context_id, message))

    association._serve_request = serve_or_give_back
    return association
