"""What a service shows to Prometheus and to whoever asks whether it is ready."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from voorrang.errors import ConfigurationError
from voorrang.logs import get_logger

READY_PATH = "/-/ready"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 -- socketserver gives them
        # Most often a reader that hung up; the library would write lines to stderr that are no lines of a log.
        get_logger().debug("scrape broken off", exc_info=True)


def serve_metrics(host: str, port: int, is_ready: Callable[[], bool]) -> ThreadingHTTPServer:
    """
    Serve `/metrics` and `/-/ready` in a thread of its own.

    Raises
    ------
    ConfigurationError
        When the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        """Answers the two paths, and 404 to every other."""

        def do_GET(self) -> None:
            """Answer one request."""
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest())
            elif self.path == READY_PATH:
                self._answer(200 if is_ready() else 503, "text/plain", b"ready\n" if is_ready() else b"not ready\n")
            else:
                self._answer(404, "text/plain", b"/metrics or /-/ready\n")

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: a scrape every few seconds is no news."""

    try:
        server = _Server((host, port), Handler)
    except OSError as error:
        raise ConfigurationError(f"metrics port {port} on {host}: {error.strerror}; set another port") from error
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
