"""The child of a worker under faults: every model of every job answers once, whatever happens to the process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Timer

import pytest

from inference.failures import Failure
from inference.running import precision, process
from inference.running.conditions import Conditions
from inference.running.messages import Job
from inference.running.process import ChildReader
from tests.integration.inference.archived import archive_series, reading
from tests.integration.inference.faulty_models import (
    ANSWER,
    COUNT,
    CRASH,
    CUT_ONCE,
    DIE_ONCE,
    EAT,
    FORGET,
    HANG,
    LOSE,
    LOSE_ONCE,
    RAISE,
)
from tests.neighbours.starting import wait_until
from voorrang.archive import Archive
from voorrang.errors import ConfigurationError, RetryableError
from voorrang.events.records import ScoringState

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="limits and death signals of Linux"),
]

UID = "1.2.826.0.1.3680043.8.498.9"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def states(reader: ChildReader, archive: Archive, *values: int) -> list[tuple[str, Failure | None, str]]:
    """Read one series after the other with every model; return state, failure and detail of each answer."""
    found = []
    for number, hu in enumerate(values):
        manifest = archive_series(archive, f"{UID}.{number}", hu)
        for _, outcome in reader.read(Job(tuple(reader.identities), manifest)):
            found.append((outcome.state.value, outcome.failure, outcome.message))
    return found


SCORED = (ScoringState.SCORED.value, None, "")


def test_what_a_model_does_to_its_process_is_answered_once_and_the_next_series_is_scored(
    tmp_path: Path, archive: Archive
) -> None:
    with reading(tmp_path, "one", memory_bytes=2 << 30) as reader:
        first = reader.pid
        assert states(reader, archive, ANSWER, RAISE, EAT, ANSWER) == [
            SCORED,
            ("failed", Failure.MODEL_ERROR, "KeyError"),
            ("failed", Failure.OUT_OF_MEMORY, "out_of_memory"),
            SCORED,
        ]
        assert reader.pid == first  # the limit made it an error, not a death
        assert states(reader, archive, CRASH, DIE_ONCE) == [
            ("failed", Failure.PROCESS_DIED, "SIGSEGV"),
            SCORED,  # killed once, as by somebody's hand: tried again
        ]


def test_a_process_that_has_lost_its_gpu_is_replaced_and_fails_no_patient_after_it(
    tmp_path: Path, archive: Archive
) -> None:
    with reading(tmp_path, "one") as reader:
        first = reader.pid
        assert states(reader, archive, LOSE_ONCE, ANSWER) == [SCORED, SCORED]
        assert reader.pid != first
        lost = ("failed", Failure.PROCESS_DIED, "its GPU was lost")
        assert states(reader, archive, LOSE, ANSWER) == [lost, SCORED]


def test_a_child_killed_in_the_middle_of_an_answer_is_replaced(tmp_path: Path, archive: Archive) -> None:
    with reading(tmp_path, "one") as reader:
        assert states(reader, archive, CUT_ONCE, ANSWER) == [SCORED, SCORED]


def test_a_model_that_hangs_is_stopped_at_its_limit_and_the_others_of_the_job_still_answer(
    tmp_path: Path, archive: Archive
) -> None:
    with reading(tmp_path, "one", "two", time_limit_seconds=0.5) as reader:
        too_long = ("failed", Failure.TIME_LIMIT, "time_limit")
        assert states(reader, archive, HANG) == [too_long, too_long]
        reader.time_limit_seconds = 60.0
        assert states(reader, archive, ANSWER) == [SCORED, SCORED]
    read = (tmp_path / "one.read").read_text().split()
    assert read == [str(HANG), str(ANSWER)]  # not tried again


def test_the_files_are_read_once_for_all_models_of_a_job(tmp_path: Path, archive: Archive) -> None:
    with reading(tmp_path, "one", "two") as reader:
        assert states(reader, archive, FORGET) == [SCORED, SCORED]  # the first removed the files
        gone = Failure.INSTANCE_MISSING
        (manifest,) = (archive.locator(path) for path in (tmp_path / "archive").rglob("*.json"))
        outcomes = [outcome for _, outcome in reader.read(Job(("one", "two"), manifest))]
        assert [outcome.failure for outcome in outcomes] == [gone, gone]


def test_numpy_multiplies_with_one_thread(tmp_path: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    with reading(tmp_path, "one") as reader:
        [(_, outcome)] = reader.read(Job(("one",), archive_series(archive, UID, COUNT)))
    assert outcome.opinion is not None
    assert outcome.opinion.score == 0.01


def test_a_child_killed_while_idle_is_replaced_and_nothing_is_lost(tmp_path: Path, archive: Archive) -> None:
    with reading(tmp_path, "one") as reader:
        os.kill(reader.pid, signal.SIGKILL)
        assert states(reader, archive, ANSWER) == [SCORED]
        assert states(reader, archive, ANSWER) == [SCORED]


def test_a_worker_that_is_told_to_stop_leaves_the_job_to_the_next(
    tmp_path: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "STOP_SECONDS", 0.2)
    with reading(tmp_path, "one") as reader:
        manifest = archive_series(archive, UID, HANG)
        Timer(0.2, reader.stop.set).start()
        with pytest.raises(RetryableError, match="told to stop"):
            list(reader.read(Job(("one",), manifest)))
        assert reader.pid == 0


def test_answers_that_nobody_waited_for_are_not_taken_for_those_of_the_next_job(
    tmp_path: Path, archive: Archive
) -> None:
    with reading(tmp_path, "one", "two") as reader:
        answers = reader.read(Job(("one", "two"), archive_series(archive, UID, ANSWER)))
        next(answers)
        answers.close()  # type: ignore[attr-defined]
        assert states(reader, archive, RAISE) == [("failed", Failure.MODEL_ERROR, "KeyError")] * 2


def test_a_child_and_the_one_after_it_compute_as_the_probe_chose(tmp_path: Path, archive: Archive) -> None:
    remembered = tmp_path / precision.FILE
    remembered.parent.mkdir()
    probes = {"float32": {"speedup": 1.2, "error": 0.0}, "bfloat16": {"speedup": 2.2, "error": 0.004}}
    remembered.write_text(json.dumps({precision.machine_key("cpu"): probes}))
    whole = Conditions("cpu", "bfloat16", 1.0, channels_last=True)
    with reading(tmp_path, "adapting", device="cpu") as reader:
        assert computed(reader, archive, ANSWER) == "bfloat16"
        remembered.unlink()
        os.kill(reader.pid, signal.SIGKILL)
        assert computed(reader, archive, EAT) == "bfloat16"
    told = (tmp_path / "conditions").read_text().splitlines()
    assert told == [str(each) for each in (whole, whole, replace(whole, window_share=0.5))]


def computed(reader: ChildReader, archive: Archive, hu: int) -> str:
    """Read one series and return in which precision its answer was computed."""
    ((_, outcome),) = reader.read(Job(("adapting",), archive_series(archive, f"{UID}.{hu}", hu)))
    assert outcome.computing is not None
    return outcome.computing.precision


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("weightless", "weightless has no weights: fetch them"),
        ("broken", r"models cannot be loaded \(broken\): ValueError"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_refused_with_the_reason(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words), reading(tmp_path, name):
        pass


def test_a_child_dies_with_its_worker_however_that_dies_and_whatever_it_is_at(tmp_path: Path, archive: Archive) -> None:
    manifest = archive_series(archive, UID, HANG)
    program = f"""
from pathlib import Path
from inference.running.messages import Job
from tests.integration.inference.archived import reading
with reading(Path({str(tmp_path)!r}), "one") as reader:
    print(reader.pid, flush=True)
    list(reader.read(Job(("one",), {manifest!r})))
"""
    worker = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    child = int(worker.stdout.readline())
    wait_until((tmp_path / "one.read").exists, 20.0, "the model to be at work")
    worker.kill()
    worker.communicate()
    wait_until(lambda: not is_alive(child), 20.0, "the child to be gone")


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be buried does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
