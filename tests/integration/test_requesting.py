from __future__ import annotations

from pathlib import Path

import pytest
from pynetdicom import AE

from tests.integration.listening import AE_TITLE, CT_CONTEXT, listening, make_ct, make_station
from tests.neighbours.starting import wait_until
from voorrang.clock import ManualClock
from voorrang.database import Database
from voorrang.dicom.requesting import associate

pytestmark = pytest.mark.integration


def test_an_answer_that_pynetdicoms_second_thread_took_reaches_whoever_waits_for_it(
    database: Database, tmp_path: Path, clock: ManualClock
) -> None:
    with listening(make_station(database, tmp_path, clock)) as station:
        ae = AE(ae_title="SCANNER")
        ae.dimse_timeout = 5
        ae.add_requested_context(*CT_CONTEXT)
        association = associate(ae, "127.0.0.1", station.port, AE_TITLE)
        send = association.dimse.send_msg

        def send_and_let_the_answer_be_taken(message: object, context_id: int) -> None:
            send(message, context_id)
            queue = association.dimse.msg_queue
            wait_until(lambda: not queue.empty(), 10, "an answer")
            taken_in_context, answer = queue.get()
            association._serve_request(answer, taken_in_context)  # as its `_run_reactor` does

        association.dimse.send_msg = send_and_let_the_answer_be_taken
        assert association.send_c_store(make_ct()).get("Status") == 0
        association.release()
