"""What assembles stands back behind the listener, also where Linux shares the processors out by sessions."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_TELL = (
    "import os; from pathlib import Path; group = Path('/proc/self/autogroup'); "
    "print(os.nice(0), *(group.read_text().split()[-1:] if group.exists() else []))"
)
_STAND_BACK = "from ingest.standing_back import stand_back; stand_back(); "
# Who changes its user is owner of its own /proc again only when it says so (PR_SET_DUMPABLE), or by the next exec.
_AS_NOBODY = """
import contextlib, ctypes, os
from ingest.standing_back import stand_back
with contextlib.suppress(OSError):  # in a container whose users are few there is no other
    os.getuid() or os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1)
stand_back()
"""


def _niceness(code: str, *, has_own_session: bool) -> list[str]:
    """Of a process and, where Linux shares out by sessions (a container's first session may have no share), of its."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, start_new_session=has_own_session
    )
    return done.stdout.split()


@pytest.mark.parametrize("has_own_session", [True, False])
def test_it_is_nice_among_sessions_too_but_never_for_a_session_of_others(has_own_session: bool) -> None:
    _, *of_session = _niceness(_TELL, has_own_session=has_own_session)
    expected = ["10" for _ in of_session] if has_own_session else of_session
    told = _niceness(_STAND_BACK + _TELL, has_own_session=has_own_session)
    assert told == [str(min(19, os.nice(0) + 10)), *expected]


def test_several_that_start_at_once_and_are_not_root_all_stand_back() -> None:
    of_session = ["10" for _ in _niceness(_TELL, has_own_session=True)[1:]]
    for _ in range(4):
        assert _niceness(_AS_NOBODY + _TELL, has_own_session=True)[1:] == of_session
