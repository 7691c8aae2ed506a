"""Ingest as its own processes on a broker of its own, and what the archive, the database and the metrics then hold."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func
from sqlalchemy import select as select_rows

from ingest.tables import conflict, instance, position
from ingest.tally import Count, read_tallies
from tests.e2e.modality import Outgoing
from tests.e2e.world import ASKING
from tests.integration.listening import data_set_of
from tests.neighbours.embedded import EmbeddedBroker, running_embedded_broker
from tests.neighbours.starting import answers, free_port, wait_until
from voorrang.archive import Archive
from voorrang.commands.migrate import prepare
from voorrang.database import Database
from voorrang.dicom.manifest import instances_digest
from voorrang.events.envelope import Event, decode
from voorrang.parent import end_with_parent
from voorrang.readiness import READY_VARIABLE
from voorrang.settings import Settings
from voorrang.tables import outbox

START_SECONDS = 120.0
STOP_SECONDS = 60.0
SETTLE_SECONDS = 120.0
RESERVE_BYTES = 50_000_000


@dataclass(slots=True)
class Program:
    """One of our commands as a process, its output in a file."""

    command: Sequence[str]
    environment: dict[str, str]
    log: Path
    _process: subprocess.Popen[bytes] | None = None
    _ready: int = -1

    def start(self) -> None:
        """Start it; from the main thread, since it ends when the thread that started it does."""
        reading, writing = os.pipe()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "voorrang", *self.command],
                env={**self.environment, READY_VARIABLE: str(writing)},
                pass_fds=(writing,),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent,
            )
        os.close(writing)
        self._ready = reading

    def wait_ready(self) -> None:
        """
        Wait until it says that it is ready.

        Raises
        ------
        TimeoutError
            When it does not; with what it said last.
        """
        found = select.select([self._ready], [], [], START_SECONDS)[0]
        if not found or os.read(self._ready, 16) != b"ready\n":
            raise TimeoutError(f"{' '.join(self.command)} not ready: {self.said()[-1000:]}")

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid if self._process else 0

    def children(self) -> list[int]:
        """Return the process ids of its children."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def is_running(self) -> bool:
        """Tell whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it with no chance to say goodbye."""
        assert self.is_running(), f"{' '.join(self.command)} ended by itself: {self.said()[-1000:]}"
        self._end(signal.SIGKILL)

    def stand_still(self) -> None:
        """Stop it and its children where they are: nothing more happens until `go_on`, or they are killed."""
        self._signal_all(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it and its children go on."""
        self._signal_all(signal.SIGCONT)

    def stop(self) -> None:
        """End it in order."""
        if self.is_running():
            self._end(signal.SIGTERM)

    def said(self) -> str:
        """Return what it wrote, over all its starts."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in (self.pid, *self.children()):
            os.kill(pid, number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._ready)


@dataclass(slots=True)
class IngestWorld:
    """The two processes of ingest, not started yet, and what they work on."""

    settings: Settings
    environment: dict[str, str]
    broker: EmbeddedBroker
    database: Database
    folder: Path
    programs: list[Program] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Where the listener answers."""
        return self.settings.dicom_port

    @property
    def archive(self) -> Archive:
        """The archive, as anybody reads it."""
        return Archive(self.settings.archive_dir)

    def program(self, verb: str) -> Program:
        """Return `voorrang ingest VERB`, not started."""
        made = Program(["ingest", verb], self.environment, self.folder / f"{verb}.log")
        self.programs.append(made)
        return made

    def listens(self) -> bool:
        """Tell whether somebody listens for DICOM."""
        return answers(self.port)

    def taken_in_to(self) -> list[tuple[str, int, int]]:
        """Return, for each ledger, the segment and the offset to which it was taken in."""
        found = self.rows(select_rows(position.c.name, position.c.segment, position.c.offset))
        return sorted((row.name, row.segment, row.offset) for row in found)

    def count(self, what: Count) -> int:
        """Return a counter of the listener."""
        return read_tallies(self.settings.archive_dir, what)

    def rows(self, query: Any) -> list[Any]:
        """Run a query."""
        with self.database.read() as connection:
            return list(connection.execute(query))

    def events(self, event_type: str) -> list[Event[Any]]:
        """Return the events of a type that the broker has acknowledged, in the order in which they were written."""
        query = select_rows(outbox.c.payload).where(outbox.c.published_at.is_not(None)).order_by(outbox.c.id)
        found = [decode(row.payload) for row in self.rows(query)]
        return [event for event in found if event.type == event_type]

    def metric(self, name: str) -> float:
        """Return a value of /metrics without labels; -1 while nobody answers."""
        try:
            text = ASKING.get(f"http://127.0.0.1:{self.settings.ingest_metrics_port}/metrics").text
        except httpx.HTTPError:
            return -1.0
        samples = [s for family in text_string_to_metric_families(text) for s in family.samples if s.name == name]
        return samples[0].value if samples else -1.0

    def stored(self) -> dict[str, bytes]:
        """Return the data set of every instance in the archive, by the UID in its name; no two have one."""
        archive = self.archive
        locators = list(archive.instances())
        found = {Path(locator).stem: data_set_of(archive.read(locator)) for locator in locators}
        assert len(found) == len(locators)
        return found


@contextmanager
def ingest_world(folder: Path, empty_database: Path, **settings: Any) -> Iterator[IngestWorld]:
    """
    Make a data folder, a broker and a database for ingest; everything that was started is ended at the end.

    Parameters
    ----------
    folder
        Where to live.
    empty_database
        A migrated SQLite file, to be copied.
    settings
        Beside folder, ports and broker.
    """
    data_dir = folder / "data"
    data_dir.mkdir(exist_ok=True)
    shutil.copyfile(empty_database, data_dir / "voorrang.sqlite")
    with ExitStack() as undo:
        broker = undo.enter_context(running_embedded_broker())
        values: dict[str, Any] = {
            "data_dir": data_dir,
            "kafka_bootstrap": broker.bootstrap,
            "dicom_port": free_port(),
            "ingest_metrics_port": free_port(),
            "disk_reserve_bytes": RESERVE_BYTES,
            "write_ahead_log_bytes": 64 << 20,
            **settings,
        }
        outside = {name: value for name, value in os.environ.items() if not name.startswith("VOORRANG_")}
        environment = outside | {f"VOORRANG_{name.upper()}": str(value) for name, value in values.items()}
        made = Settings(**values)
        prepare(made)
        database = Database(made.url())
        undo.callback(database.close)
        world = IngestWorld(made, environment, broker, database, folder)
        undo.callback(_stop_all, world.programs)
        yield world


def _stop_all(programs: Iterable[Program]) -> None:
    for program in programs:
        program.stop()


def require_same(world: IngestWorld, sent: Sequence[Outgoing]) -> None:
    """Check that the sender's list is the archive's list, byte by byte, each instance with one row and no conflict."""
    mine = {one.sop_instance_uid: one.data_set for one in sent}
    try:
        wait_until(lambda: _count(world) >= len(mine), SETTLE_SECONDS, "rows of everything that was sent")
    except TimeoutError as error:
        pytest.fail(f"{error}: {_what_is_missing(world, set(mine))}")
    stored = world.stored()
    assert stored.keys() == mine.keys()
    assert [uid for uid in mine if stored[uid] != mine[uid]] == []
    rows = world.rows(select_rows(instance.c.sop_instance_uid, instance.c.locator))
    assert Counter(row.sop_instance_uid for row in rows) == Counter(mine.keys())
    assert {Path(row.locator).stem for row in rows} == set(mine)
    assert world.rows(select_rows(conflict.c.locator)) == []
    # The assembler writes a manifest there at any moment, and takes it away with its name.
    wait_until(lambda: not any(world.archive.incoming.iterdir()), SETTLE_SECONDS, "no half-written file to be left")


def _what_is_missing(world: IngestWorld, sent: set[str]) -> str:
    """Say which instances have no row, where they are, and what the programs said last."""
    missing = sent - {row.sop_instance_uid for row in world.rows(select_rows(instance.c.sop_instance_uid))}
    archive = world.settings.archive_dir
    files = [str(path.relative_to(archive)) for uid in missing for path in archive.rglob(f"*{uid}*")]
    said = "".join(f"\n{' '.join(one.command)}: {one.said()[-3000:]}" for one in world.programs)
    return f"{len(missing)} of {len(sent)}; files {files}; taken in to {world.taken_in_to()}{said}"


def require_complete(world: IngestWorld, sent: Sequence[Outgoing]) -> None:
    """Check that the last revision announced of every series holds all that was sent of it."""
    of_series: dict[str, list[str]] = {}
    for one in sent:
        of_series.setdefault(one.series_instance_uid, []).append(one.sop_instance_uid)
    wanted = {uid: instances_digest(mine) for uid, mine in of_series.items()}
    wait_until(lambda: _last_digests(world) == wanted, SETTLE_SECONDS, "the last revision of every series")


def require_accounted(world: IngestWorld, sent: Sequence[Outgoing]) -> None:
    """Check that the gauges, once they speak of all that was sent, say that nothing is unaccounted."""
    waiting = "voorrang_waiting_instances"
    wait_until(lambda: world.metric(waiting) == len(sent), SETTLE_SECONDS, "the gauges to be set")
    assert world.metric("voorrang_unaccounted_instances") == 0
    assert world.metric("voorrang_associations_open") == 0


def _count(world: IngestWorld) -> int:
    return int(world.rows(select_rows(func.count()).select_from(instance))[0][0])


def _last_digests(world: IngestWorld) -> dict[str, str]:
    last: dict[str, Any] = {}
    for event in world.events("series-completed"):
        before = last.get(event.data.series_instance_uid)
        if before is None or event.data.series_revision > before.series_revision:
            last[event.data.series_instance_uid] = event.data
    return {uid: record.instances_digest for uid, record in last.items()}
