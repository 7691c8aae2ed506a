"""A demo or a bench that is killed leaves no stack behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.neighbours.starting import wait_until

pytestmark = pytest.mark.integration

WITHIN_SECONDS = 30.0
# What a stack does that matters here: it says that it is ready and stays until it is told to stop.
STACK = """
import os, signal
os.write(int(os.environ["VOORRANG_READY_FD"]), b"ready\\n")
signal.pause()
"""
DEMO = """
import os, sys, time
from pathlib import Path
from voorrang.demo.scratch import ScratchStack
os.environ["PYTHONPATH"] = sys.argv[1]
stack = ScratchStack(folder=Path(sys.argv[2]))
stack.start()
print(stack.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_stack_ends_when_the_demo_is_killed(tmp_path: Path, by: signal.Signals) -> None:
    module = tmp_path / "fake" / "voorrang"
    module.mkdir(parents=True)
    (module / "__init__.py").touch()
    (module / "__main__.py").write_text(STACK)
    command = [sys.executable, "-c", DEMO, str(module.parent), str(tmp_path / "stack")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as demo:
        try:
            assert demo.stdout is not None
            pid = int(demo.stdout.readline())
            assert is_running(pid)
            demo.send_signal(by)
            wait_until(lambda: not is_running(pid), WITHIN_SECONDS, "the stack is still there")
        finally:
            demo.kill()


def is_running(pid: int) -> bool:
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # the latter when it ends while it is read
        return False
    return told.rsplit(")", 1)[1].split()[0] != "Z"
