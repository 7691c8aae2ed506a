"""A stack of the demo's own: scratch folder, free ports, purpose demo; gone when the demo is over."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from random import SystemRandom
from types import TracebackType
from typing import Any, Self

import httpx

from voorrang.errors import ConfigurationError
from voorrang.parent import end_with_parent
from voorrang.readiness import READY_VARIABLE
from voorrang.settings import Settings

START_SECONDS = 90
STOP_SECONDS = 40
AE_TITLE = "VOORRANG"
_NOT_OF_CONNECTIONS = range(12_000, 20_000)  # Linux gives connections 32768 and above, other systems 49152
_PORTS = (
    "kafka_embedded_port",
    "dicom_port",
    "hl7_port",
    "worklist_port",
    "ingest_metrics_port",
    "inference_metrics_port",
    "worklist_metrics_port",
    "monitoring_metrics_port",
)


class ScratchStack:
    """
    `voorrang up` in a scratch folder, as a context.

    Parameters
    ----------
    extra
        Settings beside folder, ports and purpose, by their names.
    folder
        Where to live; None makes a folder that is removed at the end.
    """

    def __init__(self, extra: Mapping[str, str] | None = None, folder: Path | None = None) -> None:
        self._made = folder is None
        self.folder = folder if folder is not None else Path(tempfile.mkdtemp(prefix="voorrang-demo-"))
        values = {
            "data_dir": str(self.folder),
            "purpose": "demo",
            "site": "demo",
            "disk_reserve_bytes": "200000000",
            "write_ahead_log_bytes": str(64 << 20),
        }
        values |= dict(zip(_PORTS, map(str, free_ports(len(_PORTS))), strict=True))
        self.values = values | dict(extra or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._asking = httpx.Client(base_url=self.address, timeout=10)  # a client for each question costs 25 ms

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self._clean)
            self.start()
            undo.pop_all()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()
        self._asking.close()
        self._clean()

    @property
    def settings(self) -> Settings:
        """The settings of this stack."""
        values: dict[str, Any] = dict(self.values)
        return Settings(**values)

    @property
    def environment(self) -> dict[str, str]:
        """Environment of every process of this stack: nobody's own settings leak in."""
        outside = {name: value for name, value in os.environ.items() if not name.startswith("VOORRANG_")}
        return outside | {f"VOORRANG_{name.upper()}": value for name, value in self.values.items()}

    @property
    def address(self) -> str:
        """Where the worklist answers."""
        return f"http://127.0.0.1:{self.values['worklist_port']}"

    @property
    def dicom_port(self) -> int:
        """Where the listener answers."""
        return int(self.values["dicom_port"])

    @property
    def hl7_port(self) -> int:
        """Where orders and reports are taken."""
        return int(self.values["hl7_port"])

    @property
    def log_file(self) -> Path:
        """What the services wrote."""
        return self.folder / "services.log"

    @property
    def pid(self) -> int:
        """Process id of `voorrang up`."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """
        Start everything and wait until it is ready.

        Raises
        ------
        ConfigurationError
            When it could not start; with the last line that it wrote.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        reading, writing = os.pipe()
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "voorrang", "up"],
                env={**self.environment, READY_VARIABLE: str(writing)},
                pass_fds=(writing,),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=partial(end_with_parent, signal.SIGTERM),
            )
        os.close(writing)
        ready = bool(select.select([reading], [], [], START_SECONDS)[0]) and os.read(reading, 16) == b"ready\n"
        os.close(reading)
        if not ready:
            self.stop()
            lines = self.log_file.read_text(errors="replace").strip().splitlines()
            raise ConfigurationError("the stack did not start: " + " / ".join(lines[-2:]))

    def stop(self) -> None:
        """End everything in order."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def command(self, *arguments: str) -> str:
        """
        Run one of our commands against this stack and return what it printed.

        Raises
        ------
        ConfigurationError
            When it fails, with what it said.
        """
        done = subprocess.run(  # noqa: S603 - our own command, no shell
            [sys.executable, "-m", "voorrang", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ConfigurationError(f"voorrang {' '.join(arguments[:2])}: {done.stderr.strip()}")
        return done.stdout

    def worklist(self) -> dict[str, Any]:
        """Return what `GET /api/worklist` says."""
        found: dict[str, Any] = self._ask("worklist")
        return found

    def settled(self) -> list[dict[str, Any]]:
        """Return what `GET /api/settled` says: what left the list."""
        found: list[dict[str, Any]] = self._ask("settled")
        return found

    def _ask(self, what: str) -> Any:
        answer = self._asking.get(f"/api/{what}", params={"limit": 1000})
        answer.raise_for_status()
        return json.loads(answer.text)

    def _clean(self) -> None:
        if self._made:
            shutil.rmtree(self.folder, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """
    Return ports on loopback that nobody has just now.

    They are below those that the system gives to connections, so that none is taken while its service starts again.

    Raises
    ------
    ConfigurationError
        When there are not so many.
    """
    found: list[int] = []
    for port in SystemRandom().sample(_NOT_OF_CONNECTIONS, len(_NOT_OF_CONNECTIONS)):
        if len(found) == count:
            return found
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
    raise ConfigurationError(f"fewer than {count} ports of {_NOT_OF_CONNECTIONS} are free; end what listens there")
