"""Wires the worklist."""

from __future__ import annotations

import uvicorn

from voorrang.register import SERVICE as REGISTER
from voorrang.relaying import Relay
from voorrang.runtime import start
from voorrang.settings import Settings
from worklist.handlers import handlers
from worklist.listing import Lister
from worklist.orders.waiting import count_orders
from worklist.ranking import Ranking
from worklist.reading.acts import Reading
from worklist.reading.oncall import OnCall
from worklist.reading.telling import channels
from worklist.web.application import application
from worklist.web.listening import listen

LOOK_EVERY_SECONDS = 2.0
COUNT_EVERY_SECONDS = 15.0


def serve(settings: Settings) -> int:
    """Run the worklist until it is told to stop; return the exit code."""
    runtime = start("worklist", settings, settings.worklist_metrics_port)
    listening = listen(settings.bind_host, settings.worklist_port)
    ranking = Ranking(runtime)
    lister = Lister(runtime.database, runtime.pathways, runtime.clock, settings.show_names, settings.calibrations_dir)
    reading = Reading(runtime)
    app = application(lister, settings, runtime.stop.is_set, reading)
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=2, lifespan="off")
    )
    runtime.consume(handlers(runtime, ranking))
    # The register's commands leave their events in the outbox and end; this service relays them.
    register_relay = Relay(REGISTER, runtime.database, runtime.producer, runtime.admin, runtime.clock)
    runtime.work("register-relay", lambda: register_relay.run(runtime.stop))
    runtime.every(LOOK_EVERY_SECONDS, "ranking", ranking.step)
    runtime.every(COUNT_EVERY_SECONDS, "orders", lambda: count_orders(runtime.database))
    runtime.every(LOOK_EVERY_SECONDS, "claims", reading.expire)
    runtime.every(LOOK_EVERY_SECONDS, "on-call", OnCall(runtime, channels(settings)).step)
    runtime.work("web", lambda: server.run(sockets=[listening]))

    def stop_web() -> None:
        """Let open answers end, take no new ones."""
        server.should_exit = True

    return runtime.run(on_stop=stop_web)
