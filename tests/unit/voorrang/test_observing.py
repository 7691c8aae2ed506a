"""A scrape that is broken off says nothing on stderr that is not a line of the log."""

from __future__ import annotations

import pytest

from voorrang.observing import serve_metrics


def test_a_reader_that_hangs_up_leaves_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    server = serve_metrics("127.0.0.1", 0, lambda: True)
    try:
        raise BrokenPipeError(32, "Broken pipe")
    except BrokenPipeError:
        server.handle_error(None, ("10.1.2.3", 40_000))  # type: ignore[arg-type]
    finally:
        server.shutdown()
        server.server_close()
    assert "Traceback" not in capsys.readouterr().err
