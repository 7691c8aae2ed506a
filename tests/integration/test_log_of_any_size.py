"""The write-ahead log may be told any size: what is written past the page cache begins at a block all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.admission import StoreStatus
from tests.integration.listener_process import LOG_BYTES, listener_process
from tests.integration.listening import CT, CT_CONTEXT, encoded, make_ct
from tests.neighbours.raw_scu import RawSCU

pytestmark = pytest.mark.integration


def test_a_log_whose_size_is_no_multiple_of_a_block_is_written(tmp_path: Path) -> None:
    ds = make_ct(1)
    with (
        listener_process(tmp_path, log_bytes=LOG_BYTES + 5000) as listener,
        RawSCU(listener.port, [CT_CONTEXT]) as scu,
    ):
        assert scu.store(CT_CONTEXT, CT, str(ds.SOPInstanceUID), encoded(ds)) == StoreStatus.SUCCESS
