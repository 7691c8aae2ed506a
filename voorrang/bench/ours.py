"""Our own listener as it ships: `ingest listen` and `ingest assemble`, beside the embedded broker."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from voorrang.bench.names import DURABLE, SENDER, VOLATILE
from voorrang.bench.processes import cpu_seconds, peak_rss_bytes, process_tree, wait_until
from voorrang.bench.programs import environment
from voorrang.bench.receiver import (
    REST_SECONDS,
    Receiver,
    ReceiverError,
    Usage,
    answers_echo,
    logged,
    start_child,
    stop_child,
)
from voorrang.bench.slices import Batch
from voorrang.bench.taken_in import hashed_rows_of, rows_of, unjudged_series_of
from voorrang.database import Database
from voorrang.demo.counting import accounted_instances
from voorrang.demo.scratch import free_ports
from voorrang.observing import READY_PATH
from voorrang.settings import Settings
from voorrang.stack.broker import broker_child
from voorrang.stack.child import Child

TAKE_IN_SECONDS = 60.0
QUIET_SECONDS = 4.0  # not the pathway's 10, for which each run would have to be waited for; after what is measured
HASH_METRIC = "voorrang_hash_cpu_seconds_total"
_HTTP_SECONDS = 5


class Voorrang(Receiver):
    """
    Our listener and what stands behind it.

    Parameters
    ----------
    folder
        Data folder; made.
    is_volatile
        Whether it answers before an instance is on disk, which it never does but in a bench.
    is_sender_urgent
        Whether who sends what is measured goes before others.
    """

    def __init__(self, folder: Path, *, is_volatile: bool, is_sender_urgent: bool = False) -> None:
        ports = {name: str(port) for name, port in zip(_PORTS, free_ports(len(_PORTS)), strict=True)}
        super().__init__(VOLATILE if is_volatile else DURABLE, folder, int(ports["dicom_port"]))
        values = {"data_dir": str(folder), "purpose": "demo", "site": "bench", "disk_reserve_bytes": "200000000"}
        senders: dict[str, dict[str, Any]] = {SENDER: {"quiet_seconds": QUIET_SECONDS}}
        senders[SENDER] |= {"lane": "urgent"} if is_sender_urgent else {}
        settings: dict[str, Any] = values | ports
        self.settings = Settings(**settings, senders=senders)
        settings["senders"] = json.dumps(senders)
        self._environment = environment(**{f"VOORRANG_{name.upper()}": str(value) for name, value in settings.items()})
        self._log = folder / "services.log"
        self._undo = ExitStack()
        self._broker = broker_child(self.settings.kafka_embedded_port)
        listen = ["listen", "--volatile"] if is_volatile else ["listen"]
        self._listener = self._child(listen, lambda: answers_echo(self.port))
        self._assembler = self._child(["assemble"], lambda: self._get(READY_PATH) is not None)
        self._database: Database | None = None

    def start(self) -> None:
        """Prepare the data folder, start the broker and both processes, and wait until they are ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "voorrang", "migrate"]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise ReceiverError(f"voorrang migrate: {done.stderr.strip()}")
        with ExitStack() as undo:
            for child in (self._broker, self._listener, self._assembler):
                undo.callback(stop_child, child)
                start_child(child, self._log)
            self._database = Database(self.settings.url())
            undo.callback(self._database.close)
            self._undo = undo.pop_all()

    def stop(self) -> None:
        """End everything; the broker last."""
        self._undo.close()

    @property
    def pids(self) -> list[int]:
        """Listener and assembler; the broker is not ours."""
        return [self._listener.pid, self._assembler.pid]

    def listener_peak_rss_mb(self) -> float:
        """Return the most memory that the process that answers DICOM has had."""
        peaks = [peak_rss_bytes(pid) for pid in process_tree(self._listener.pid)]
        return round(max(peaks) / 1e6, 1)

    def usage(self) -> Usage:
        """Return the CPU seconds of both processes; those of the hash are told apart."""
        own = {"listener": cpu_seconds(self._listener.pid), "assembler": cpu_seconds(self._assembler.pid)}
        return Usage(own, {"broker": cpu_seconds(self._broker.pid)}, self.metric(HASH_METRIC))

    def prepare(self) -> None:
        """Do nothing: what was received stays, as it would."""

    def settle(self, batch: Batch) -> str:
        """Wait until every instance of a batch has its row and its hash."""
        return self.wait_taken_in([batch.study_instance_uid], len(batch.files))

    def rest(self, batch: Batch) -> None:
        """Wait, beside that, until its series are judged complete: reading them again is work for the processors."""
        if (database := self._database) is not None:
            wait_until(lambda: not unjudged_series_of(database, [batch.study_instance_uid]), REST_SECONDS)
        super().rest(batch)

    def wait_taken_in(self, study_instance_uids: list[str], instances: int, seconds: float = TAKE_IN_SECONDS) -> str:
        """Wait until so many instances of studies have a row and a hash; return what is wrong, or nothing."""
        if self._database is None:
            return "not started"
        database = self._database
        for count, what in ((rows_of, "row"), (hashed_rows_of, "content hash")):
            if not wait_until(lambda count=count: count(database, study_instance_uids) >= instances, seconds):  # type: ignore[misc]
                there = count(database, study_instance_uids)
                return f"{instances - there} of {instances} instances have no {what} after {seconds:.0f} s"
        return ""

    def stored(self, batch: Batch) -> int:
        """Count the instances with a row and a file that can be read."""
        return accounted_instances(self.settings, [batch.study_instance_uid])

    def metric(self, name: str) -> float | None:
        """Return the value of one of the assembler's metrics without labels; None when it has none of that name."""
        for line in (self._get("/metrics") or "").splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        return None

    def _child(self, arguments: list[str], is_ready: Any) -> Child:
        command = logged([sys.executable, "-m", "voorrang", "ingest", *arguments], self._log)
        return Child(f"ingest {arguments[0]}", command, self._environment, is_ready, is_quiet=True)

    def _get(self, path: str) -> str | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.ingest_metrics_port, timeout=_HTTP_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.read().decode() if answer.status == http.HTTPStatus.OK else None
        except OSError:
            return None
        finally:
            connection.close()


# Every port that is open by default, so that nothing of ours meets another stack on this machine.
_PORTS = tuple(name for name, one in Settings.model_fields.items() if name.endswith("_port") and one.default)
