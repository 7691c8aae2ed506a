"""Inference workers, each a process, on an embedded broker, with series in an archive and models that sleep."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from inference.tables import result
from tests.builders import make_event, make_series_completed
from tests.integration.inference.archived import archive_series
from tests.integration.inference.faulty_models import SLEEP
from tests.neighbours.embedded import running_embedded_broker
from tests.neighbours.starting import free_port, wait_until
from voorrang.archive import Archive
from voorrang.bus import Message
from voorrang.database import Database
from voorrang.events.envelope import decode, encode
from voorrang.kafka_bus import KafkaAddress, KafkaBrokerAdmin, KafkaMessageProducer
from voorrang.migrating import migrate
from voorrang.settings import Settings
from voorrang.site_secret import make_secret
from voorrang.stack.child import Child
from voorrang.tables import outbox, receipt
from voorrang.topics import SERIES_COMPLETED_URGENT, TOPICS

SERIES = "1.2.826.0.1.3680043.8.498.77"
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class WorkersWorld:
    """A data folder, its database, and a broker; workers are started and killed by name."""

    settings: Settings
    database: Database
    workers: dict[str, Child]

    def start(self, *names: str) -> None:
        """Start workers and wait until each has joined the group."""
        for name in names:
            self.workers[name] = Child(name, [sys.executable, "-m", "tests.e2e.sleeping_worker"], self._environment())
            self.workers[name].start()
        wait_until(lambda: all(self.workers[n].check_ready() for n in names), PATIENCE_SECONDS, "workers to be ready")

    def kill(self, name: str) -> None:
        """End a worker with no chance to say goodbye."""
        os.kill(self.workers[name].pid, signal.SIGKILL)
        self.workers[name].wait_stopped(10.0)

    def end(self) -> None:
        """Stop every worker in order."""
        for worker in self.workers.values():
            worker.ask_to_stop()
        for worker in self.workers.values():
            worker.wait_stopped(10.0)

    def put(self, count: int, sleep_seconds: float) -> None:
        """Put studies of one series each before the workers; a model takes so long for each."""
        archive = Archive(self.settings.archive_dir)
        manifest = archive_series(archive, SERIES, SLEEP + int(sleep_seconds * 1000))
        address = KafkaAddress(self.settings.bootstrap)
        admin = KafkaBrokerAdmin(address)
        admin.create_topics(TOPICS)
        producer = KafkaMessageProducer(address, admin)
        for number in range(count):
            study = f"1.2.826.0.1.3680043.8.498.{number}"
            record = make_series_completed(
                study_instance_uid=study, series_instance_uid=f"{SERIES}.{number}", manifest=manifest
            )
            message = encode(make_event(record, subject=study))
            producer.send([Message(SERIES_COMPLETED_URGENT.name, study, message)])
        producer.close()
        admin.close()

    def answered(self) -> int:
        """Return how many events are answered to their end."""
        with self.database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(receipt)).scalar_one())

    def results(self) -> Counter[str]:
        """Return how many results there are of each series."""
        with self.database.read() as connection:
            return Counter(connection.execute(select(result.c.series_instance_uid)).scalars())

    def told(self) -> Counter[str]:
        """Return how often the answer about each series was announced."""
        with self.database.read() as connection:
            payloads = connection.execute(select(outbox.c.payload)).scalars().all()
        return Counter(decode(payload).data.series_instance_uid for payload in payloads)

    def _environment(self) -> dict[str, str]:
        outside = {name: value for name, value in os.environ.items() if not name.startswith("VOORRANG_")}
        return outside | {
            "VOORRANG_DATA_DIR": str(self.settings.data_dir),
            "VOORRANG_KAFKA_BOOTSTRAP": self.settings.kafka_bootstrap,
            "VOORRANG_INFERENCE_METRICS_PORT": str(free_port()),
        }


@contextmanager
def workers_world(folder: Path) -> Iterator[WorkersWorld]:
    """Make a world without workers; whatever runs at the end is ended."""
    with ExitStack() as undo:
        broker = undo.enter_context(running_embedded_broker())
        settings = Settings(data_dir=folder, kafka_bootstrap=broker.bootstrap)
        make_secret(settings.secret_file)
        database = Database(settings.url())
        undo.callback(database.close)
        migrate(database)
        world = WorkersWorld(settings, database, {})
        undo.callback(world.end)
        yield world
