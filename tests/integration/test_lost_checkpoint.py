"""A write-ahead log whose checkpoint is damaged or gone is not passed over: nobody can read its records."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.write_ahead import make_log, opened, write
from voorrang.errors import ConfigurationError

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("left", [None, b"", b"\0" * 40, b"[]", b'{"serial":1}'])
def test_records_whose_checkpoint_is_damaged_or_gone_are_not_passed_over(tmp_path: Path, left: bytes | None) -> None:
    with opened(tmp_path) as log:
        write(log, 10, 20)
    checkpoint = tmp_path / "checkpoint.json"
    if left is None:
        checkpoint.unlink()
    else:
        checkpoint.write_bytes(left)
    with pytest.raises(ConfigurationError, match="move its folder out"):
        list(make_log(tmp_path).records())


def test_a_log_that_holds_nothing_begins_without_a_checkpoint(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    (tmp_path / "checkpoint.json").unlink()
    assert list(make_log(tmp_path).records()) == []
