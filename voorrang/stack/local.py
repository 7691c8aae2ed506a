"""What `voorrang up` runs: which children, in which order."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

from voorrang.errors import ConfigurationError
from voorrang.settings import Settings
from voorrang.stack.broker import broker_child, require_free_port
from voorrang.stack.child import Child

VERBS = {"ingest": "serve", "inference": "work", "worklist": "serve", "monitoring": "serve"}
PORTS = (
    *("dicom_port", "dicom_tls_port", "hl7_port", "hl7_tls_port", "worklist_port"),
    *(f"{service}_metrics_port" for service in VERBS),
)


def local_children(settings: Settings) -> Sequence[Sequence[Child]]:
    """
    Return broker and services as children: what needs nobody, the broker where it is embedded, what needs the broker.

    Raises
    ------
    ConfigurationError
        When a port is taken or the disk is full.
    """
    require_room(settings)
    for name in [name for name in PORTS if getattr(settings, name)]:
        require_free_port(getattr(settings, name), name.replace("_", " "), f"VOORRANG_{name.upper()}")
    listener, assembler = ingest_children()
    services = [assembler, *(_service(name, verb) for name, verb in VERBS.items() if name != "ingest")]
    if settings.kafka_bootstrap:
        return [[listener], services]
    return [[listener], [broker_child(settings.kafka_embedded_port)], services]


def ingest_children() -> tuple[Child, Child]:
    """Return the two processes of ingest: the listener, which needs no broker, and the one that assembles."""
    return _service("ingest", "listen"), _service("ingest", "assemble")


def _service(name: str, verb: str) -> Child:
    command = [sys.executable, "-m", "voorrang", name, verb]
    return Child(f"{name} {verb}", command, dict(os.environ))


def require_room(settings: Settings) -> None:
    """
    Check that the data folder's disk has room above its reserve.

    Raises
    ------
    ConfigurationError
        When it has not, or the folder cannot be made.
    """
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"data folder {settings.data_dir}: {error.strerror}; set VOORRANG_DATA_DIR") from error
    look_for_room(settings)


def look_for_room(settings: Settings) -> None:
    """
    Check the same without making the folder.

    Raises
    ------
    ConfigurationError
        When there is less room than the reserve, or the disk cannot be looked at.
    """
    folder = settings.data_dir.resolve()
    try:
        free = shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free
    except OSError as error:
        raise ConfigurationError(f"data folder {settings.data_dir}: {error.strerror}; set VOORRANG_DATA_DIR") from error
    if free < settings.disk_reserve_bytes:
        raise ConfigurationError(
            f"disk full: {free // 1_000_000} MB free for {settings.data_dir}, below the reserve of "
            f"{settings.disk_reserve_bytes // 1_000_000} MB; free some, or set VOORRANG_DISK_RESERVE_BYTES"
        )
