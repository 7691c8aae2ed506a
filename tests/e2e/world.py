"""What the end-to-end tests share: demo studies as files, a patient wait, and a look at the processes."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from threading import Event as Flag
from typing import Any, TypeVar

import httpx
from pydicom import Dataset

from voorrang.demo.scratch import AE_TITLE, ScratchStack
from voorrang.demo.sending import Outgoing, outgoing_study, send_studies
from voorrang.demo.studies import DemoStudy, demo_study

T = TypeVar("T")
NOW = datetime.now(UTC)
REPOSITORY = Path(__file__).parents[2]
# A client of its own for each question costs 25 ms of processor; a connection is closed after its answer.
ASKING = httpx.Client(timeout=5, limits=httpx.Limits(max_keepalive_connections=0))
DATA = Path(os.environ.get("VOORRANG_TEST_DATA", REPOSITORY.parent / "shared" / "data"))


def built_in(*names: str) -> list[DemoStudy]:
    """Return studies of the demo by name, in the order of arrival."""
    return [_made(name) for name in names]


@cache
def _made(name: str) -> DemoStudy:
    """Make a study once: that takes seconds."""
    return demo_study(name, NOW)


def uid_of(study: DemoStudy) -> str:
    """Return the UID of a study."""
    return str(study.instances[0].StudyInstanceUID)


def write_study(instances: Sequence[Dataset], folder: Path) -> Path:
    """Write a study as Part 10 files."""
    folder.mkdir(parents=True)
    for number, ds in enumerate(instances):
        ds.save_as(folder / f"{number:04d}.dcm", enforce_file_format=True)
    return folder


def send(stack: ScratchStack, studies: Sequence[DemoStudy]) -> None:
    """Send studies with our own sender; every instance must be answered Success."""
    outgoing: list[Outgoing] = [outgoing_study(study.instances) for study in studies]
    for sent in send_studies(outgoing, "127.0.0.1", stack.dicom_port, AE_TITLE):
        assert sent.refused == 0


def until(look: Callable[[], T | None], what: str, seconds: float = 200) -> T:
    """Look until there is something to return, or fail saying what was waited for."""
    deadline, pause = time.monotonic() + seconds, Flag()
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        pause.wait(0.2)
    raise AssertionError(f"waited {seconds} s for {what}")


def settled(stack: ScratchStack, studies: Sequence[DemoStudy]) -> dict[str, dict[str, Any]]:
    """Wait until each study is scored, out of scope or failed; return its item by name of the study."""
    names = {uid_of(study): study.name for study in studies}

    def look() -> dict[str, dict[str, Any]] | None:
        items = {
            names[uid]: item
            for item in listed(stack)
            for uid in item["study_instance_uids"]
            if uid in names and item["state"] in ("scored", "out_of_scope", "failed")
        }
        return items if len(items) == len(names) else None

    return until(look, f"{len(studies)} studies to be answered")


def listed(stack: ScratchStack) -> list[dict[str, Any]]:
    """Return the items of the list; none while the worklist is being restarted."""
    try:
        items: list[dict[str, Any]] = stack.worklist()["items"]
    except httpx.HTTPError:
        return []
    return items


def listens(stack: ScratchStack) -> bool:
    """Tell whether somebody listens for DICOM."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", stack.dicom_port)) == 0


def child_pid(stack: ScratchStack, words: str) -> int:
    """Return the one process of a stack whose command line holds these words."""
    pids = child_pids(stack, words)
    assert len(pids) == 1, f"{words}: {pids}"
    return pids[0]


def child_pids(stack: ScratchStack, words: str) -> list[int]:
    """Return the processes of a stack whose command lines hold these words."""
    children = subprocess.run(["pgrep", "-P", str(stack.pid), "-f", words], capture_output=True, text=True, check=False)
    return [int(pid) for pid in children.stdout.split()]
