"""A listener for orders in a process of its own; with `die` it is killed between the write and the answer."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from threading import Event as Flag

from sqlalchemy.engine import URL

from ingest.orders import listener
from ingest.orders.acknowledging import Answer
from tests.builders import make_runtime
from tests.integration.orders_world import AGREED
from voorrang.clock import SystemClock
from voorrang.database import Database


def main(folder: Path, port: int, how: str) -> None:
    """Listen until killed."""
    database = Database(URL.create("sqlite", database=str(folder / "voorrang.sqlite")))
    runtime = make_runtime("ingest", database, folder, clock=SystemClock(), hl7_port=port, **AGREED)

    def die(answer: Answer, *_: object) -> bytes:
        """End as a power cut would: what is answered is written by now."""
        os.kill(os.getpid(), signal.SIGKILL)
        return b""

    if how == "die":
        setattr(listener, "acknowledgement", die)  # noqa: B010 - the name that the listener calls
    ports = listener.open_ports(runtime.settings, None)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    listener.MessageListener(runtime, ports, Flag()).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
