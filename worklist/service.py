"""Wires the worklist."""

from __future__ import annotations

import socket

import uvicorn

from voorrang.errors import ConfigurationError
from voorrang.register import SERVICE as REGISTER
from voorrang.relaying import Relay
from voorrang.runtime import start
from voorrang.settings import Settings
from worklist.handlers import handlers
from worklist.listing import Lister
from worklist.ranking import Ranking
from worklist.web.application import application

LOOK_EVERY_SECONDS = 2.0


def serve(settings: Settings) -> int:
    """Run the worklist until it is told to stop; return the exit code."""
    runtime = start("worklist", settings, settings.worklist_metrics_port)
    listening = _listen(settings)
    ranking = Ranking(runtime)
    lister = Lister(runtime.database, runtime.pathways, runtime.clock, settings.show_names, settings.calibrations_dir)
    app = application(lister, settings, runtime.stop.is_set)
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=2, lifespan="off")
    )
    runtime.consume(handlers(runtime, ranking))
    # The register's commands leave their events in the outbox and end; this service relays them.
    register_relay = Relay(REGISTER, runtime.database, runtime.producer, runtime.admin, runtime.clock)
    runtime.work("register-relay", lambda: register_relay.run(runtime.stop))
    runtime.every(LOOK_EVERY_SECONDS, "ranking", ranking.step)
    runtime.work("web", lambda: server.run(sockets=[listening]))

    def stop_web() -> None:
        """Let open answers end, take no new ones."""
        server.should_exit = True

    return runtime.run(on_stop=stop_web)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.bind_host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.bind_host, settings.worklist_port))
    except OSError as error:
        listening.close()
        where = f"worklist port {settings.worklist_port} on {settings.bind_host}"
        raise ConfigurationError(f"{where}: {error.strerror}; set VOORRANG_WORKLIST_PORT") from error
    return listening
