"""What assembles stands back behind the listener, also where Linux shares the processors out by sessions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ASK = (
    "import os; from pathlib import Path; from ingest.standing_back import stand_back; stand_back(); "
    "group = Path('/proc/self/autogroup'); print(os.nice(0), group.read_text().split()[-1] if group.exists() else 10)"
)


@pytest.mark.parametrize(("has_own_session", "of_session"), [(True, "10"), (False, None)])
def test_it_is_nice_among_sessions_too_but_never_for_a_session_of_others(
    has_own_session: bool, of_session: str | None
) -> None:
    group = Path("/proc/self/autogroup")
    before = group.read_text().split()[-1] if group.exists() else "10"
    done = subprocess.run(
        [sys.executable, "-c", _ASK], capture_output=True, text=True, check=True, start_new_session=has_own_session
    )
    assert done.stdout.split() == [str(min(19, os.nice(0) + 10)), of_session or before]
