"""Processes of the listener that end before they are ready: killed, one is replaced; one that gives up, or is killed
again and again, ends all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="a process asks Linux to be killed with its parent"),
]

PROGRAM = """
import os, signal, sys
from pathlib import Path
from threading import Event
from ingest.listening import workers as module
from ingest.listening.workers import Workers

marker, how = Path(sys.argv[1]), sys.argv[2]
died = []

def work(number, on_ready):
    if number == 1 and (how == "always" or not marker.exists()):
        marker.touch()
        if how != "gave up":
            os.kill(os.getpid(), signal.SIGKILL)
        return 1
    on_ready()
    signal.pause()
    return 0

module.REPLACE_AFTER_SECONDS = 0.0
workers = Workers(2, work, lambda number, pid: died.append(number))
print(workers.start(Event()), set(died), len(died))
workers.end()
"""


@pytest.mark.parametrize(
    ("how", "said"), [("killed", "True {1} 1"), ("gave up", "False set() 0"), ("always", "False {1} 40")]
)
def test_a_process_that_was_killed_before_it_was_ready_is_replaced(tmp_path: Path, how: str, said: str) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "marker"), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == said  # after the log


GATE = """
import os, signal, sys
from threading import Event
from ingest.listening.workers import Workers

told = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def work(number, on_ready):
    os.write(told, b"recovered\\n")
    on_ready()
    os.write(told, b"hears\\n")
    signal.pause()
    return 0

workers = Workers(3, work, lambda number, pid: None)
workers.start(Event())
os.write(told, b"told\\n")
workers.let_go_on()
while os.fstat(told).st_size < len("told ") + 3 * len("recovered hears "):
    Event().wait(0.01)
workers.end()
"""


def test_nobody_is_heard_before_every_process_has_recovered(tmp_path: Path) -> None:
    told = tmp_path / "told"
    subprocess.run([sys.executable, "-c", GATE, str(told)], timeout=60, check=True)
    assert told.read_text().split() == ["recovered"] * 3 + ["told"] + ["hears"] * 3
