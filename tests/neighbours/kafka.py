"""
Apache Kafka 4, one node in KRaft mode, from the jars that `KAFKA_HOME` names.

The start commands are those of the README beside the jars; the command-line tools are not among them.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.neighbours.starting import answers, free_port, wait_until
from voorrang.errors import RetryableError
from voorrang.kafka_bus import KafkaAddress, KafkaBrokerAdmin
from voorrang.parent import end_with_parent

START_SECONDS = 60.0
CLUSTER_ID = "dm9vcnJhbmctdGVzdHMtMQ"  # 16 bytes in base64
STOP_SECONDS = 60.0

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""


def kafka_missing() -> str:
    """Return why real Kafka cannot be run here; empty when it can."""
    home = os.environ.get("KAFKA_HOME")
    if not home or not (Path(home) / "libs").is_dir():
        return "KAFKA_HOME names no folder with libs/"
    if shutil.which("java") is None:
        return "no java"
    return ""


@dataclass(slots=True)
class KafkaNode:
    """One node with its data in a folder."""

    home: Path
    folder: Path
    port: int = field(default_factory=free_port)
    controller_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Address for clients."""
        return f"127.0.0.1:{self.port}"

    def format(self) -> None:
        """Prepare the folder."""
        text = PROPERTIES.format(port=self.port, controller_port=self.controller_port, folder=self.folder)
        self._properties.write_text(text)
        self._java("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._properties))

    def start(self) -> None:
        """Start the node and wait until it listens."""
        with (self.folder / "kafka.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, "-Xmx512m", "kafka.Kafka", str(self._properties)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        try:
            wait_until(self._listens, START_SECONDS, f"Kafka: see {self.folder}/kafka.log")
            wait_until(self._coordinates, START_SECONDS, f"Kafka: see {self.folder}/kafka.log")
        except BaseException:
            self.stop(signal.SIGKILL)
            raise

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        """End the node by its own process id."""
        if self._process is None:
            return
        self._process.send_signal(by)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _listens(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"Kafka ended: see {self.folder}/kafka.log")
        return answers(self.port)

    def _coordinates(self) -> bool:
        # The first question about a group makes the topic of offsets; until that is there, groups must wait.
        try:
            admin = KafkaBrokerAdmin(KafkaAddress(self.bootstrap))
        except RetryableError:
            return False
        try:
            admin.committed("nobody")
        except RetryableError:
            return False
        finally:
            admin.close()
        return True

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _command(self) -> list[str]:
        return ["java", "-cp", f"{self.home}/libs/*", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]

    def _java(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*self._command, *arguments], check=True, capture_output=True, timeout=START_SECONDS)


@contextmanager
def running_kafka(folder: Path) -> Iterator[KafkaNode]:
    """Run one node with its data in a folder; `kafka_missing` says whether it can be."""
    node = KafkaNode(Path(os.environ["KAFKA_HOME"]), folder)
    node.format()
    node.start()
    try:
        yield node
    finally:
        node.stop()
