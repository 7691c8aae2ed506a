"""`voorrang bench` knows its names."""

from __future__ import annotations

import pytest

from voorrang.__main__ import EXIT_USAGE, main


@pytest.mark.parametrize("arguments", [["bench"], ["bench", "speed"], ["bench", "ingest", "--rounds", "-1"]])
def test_an_unknown_name_or_number_is_a_mistake_of_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == EXIT_USAGE
