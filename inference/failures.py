"""Why a reading failed: a closed set of codes, each with its sentence."""

from __future__ import annotations

from enum import StrEnum


class Failure(StrEnum):
    """Reasons of *failed*; fit for a metric label."""

    MODEL_ERROR = "model_error"
    SCORE_OUT_OF_RANGE = "score_out_of_range"
    OUT_OF_MEMORY = "out_of_memory"
    TIME_LIMIT = "time_limit"
    PROCESS_DIED = "process_died"
    WORKER_DIED = "worker_died"
    MANIFEST_UNREADABLE = "manifest_unreadable"
    INSTANCE_MISSING = "instance_missing_in_archive"
    INSTANCE_DAMAGED = "instance_damaged_in_archive"
    ARCHIVE_UNREADABLE = "archive_unreadable"


_SENTENCES = {
    Failure.MODEL_ERROR: "the model failed",
    Failure.SCORE_OUT_OF_RANGE: "the model gave a score that is none",
    Failure.OUT_OF_MEMORY: "the model ran out of memory, with its smallest window too",
    Failure.TIME_LIMIT: "the model took longer than it may and was stopped",
    Failure.PROCESS_DIED: "the process of the model died, more than once",
    Failure.WORKER_DIED: "the worker died each time it began to read this series",
    Failure.MANIFEST_UNREADABLE: "the manifest of the series cannot be read",
    Failure.INSTANCE_MISSING: "an instance of the series is no longer in the archive",
    Failure.INSTANCE_DAMAGED: "an instance of the series is not as it was received: the archive's disk has damaged it",
    Failure.ARCHIVE_UNREADABLE: "the archive cannot be read",
}


def sentence(failure: Failure, detail: str = "") -> str:
    """Return the sentence of a failure; `detail` is a word of ours or the name of a type, never a text of others."""
    return _SENTENCES[failure] + (f": {detail}" if detail else "")
