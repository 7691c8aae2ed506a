"""Log lines: service, level and time in each; no UID above DEBUG, however it got in."""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest

from tests.integration.worklist_world import logging_restored
from voorrang.logs import UID_PATTERN, configure_logging, get_logger, of_defect

UID = "1.2.826.0.1.3680043.8.498.77"
UUID_UID = "2.25.329800735698586629295641978511506172918"
LogLines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def log_lines(capsys: pytest.CaptureFixture[str]) -> Iterator[LogLines]:
    """What was written as JSON lines since the last call; logging is as before at the end."""
    with logging_restored():
        yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_line_is_json_with_service_level_and_time(log_lines: LogLines) -> None:
    configure_logging("ingest", "INFO")
    get_logger().info("series complete", study_key="s_123", count=28)

    (line,) = log_lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "series complete", "service": "ingest", "level": "info", "study_key": "s_123", "count": 28}


def test_line_of_another_thread_names_the_service(log_lines: LogLines) -> None:
    configure_logging("ingest", "INFO")
    thread = Thread(target=lambda: get_logger().warning("waits"))
    thread.start()
    thread.join()

    assert log_lines()[0]["service"] == "ingest"


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
@pytest.mark.parametrize("uid", [UID, UUID_UID, "1.2.3.4.5", "1.3.6.1.4.1.5962.1.2.0.977067309.6001.0"])
@pytest.mark.parametrize(
    "wrap",
    [
        str,
        lambda uid: f"study_{uid} cannot be read",
        lambda uid: [uid],
        lambda uid: ("x", {"uid": uid}),
        lambda uid: {uid: 1},
        lambda uid: {uid},
        lambda uid: ValueError(f"no study {uid}"),
        lambda uid: uid.encode(),
    ],
    ids=["text", "within_text", "list", "nested", "key", "set", "error", "bytes"],
)
def test_no_uid_above_debug(wrap: Callable[[str], Any], uid: str, level: str, log_lines: LogLines) -> None:
    configure_logging("ingest", level)
    get_logger().info(f"about {uid}", value=wrap(uid))
    get_logger().bind(bound=wrap(uid)).error("failed")

    written = json.dumps(log_lines())
    assert written.count("(uid)") == 3
    assert uid not in written


def test_traceback_is_written_at_debug_only(log_lines: LogLines) -> None:
    configure_logging("ingest", "DEBUG")
    try:
        raise ValueError("Testnaam^Alida")
    except ValueError:
        get_logger().error("handler failed", exc_info=True)
        get_logger().debug("handler failed", exc_info=True)

    above, at_debug = log_lines()
    assert "Alida" not in json.dumps(above)
    assert "ValueError: Testnaam^Alida" in at_debug["exception"]


def test_a_defect_says_where_it_was_and_not_of_whom(log_lines: LogLines) -> None:
    configure_logging("ingest", "INFO")
    try:
        raise KeyError("Testnaam^Alida")
    except KeyError as error:
        get_logger().error("service ends", **of_defect(error))

    [line] = log_lines()
    assert line["reason"] == "KeyError"
    assert re.fullmatch(r"voorrang/test_logs\.py:\d+", line["at"])


def test_debug_lines_are_dropped_at_info(log_lines: LogLines) -> None:
    configure_logging("ingest", "INFO")
    get_logger().debug("study", uid=UID)

    assert log_lines() == []


@pytest.mark.filterwarnings("default")
def test_warning_of_a_library_is_silent_above_debug(log_lines: LogLines) -> None:
    configure_logging("ingest", "INFO")
    warnings.warn("Invalid value for VR LO: 'Testnaam^Alida'", stacklevel=1)
    logging.getLogger("pydicom").error("Testnaam^Alida")

    assert log_lines() == []


@pytest.mark.parametrize(
    "text", ["127.0.0.1:11112", "3.0.12", "2026-11-02T12:00:00.123456Z", "0.123456789012345678901"]
)
def test_addresses_versions_times_and_numbers_are_no_uids(text: str) -> None:
    assert UID_PATTERN.search(text) is None
