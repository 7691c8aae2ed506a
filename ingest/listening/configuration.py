"""What the listener is told when it starts: a few plain values, so that it needs no library for settings."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from voorrang.purpose import Purpose


@dataclass(frozen=True, slots=True)
class Sender:
    """What is agreed with one calling AE title, as far as the listener is concerned."""

    default_issuer: str = ""
    sop_classes: tuple[str, ...] = ()  # empty: every storage class
    max_instances_per_second: float = 0.0  # 0: no limit
    is_urgent: bool = False  # goes first when others send too


@dataclass(frozen=True, slots=True)
class TLSFiles:
    """PEM files: our certificate and key, and the authorities whose certificates senders must show."""

    certificate: Path
    key: Path
    authorities: Path


@dataclass(frozen=True, slots=True)
class ListenerConfiguration:
    """
    Everything that the listener is told.

    Parameters
    ----------
    host, port
        Where it listens without TLS; port 0 listens nowhere.
    tls_port, tls
        Where it listens with TLS.
    archive_dir, secret_file
        Its files.
    called_ae_titles
        The titles that are answered, each with the purpose that it gives.
    senders
        By calling AE title.
    known_senders_only
        Whether a calling AE title without a rule is rejected.
    max_associations
        At once.
    max_instance_bytes
        Of one file; what is larger is refused, and what is twice as large ends its association.
    reserve_bytes
        Room that stays free on the archive's disk.
    idle_seconds
        How long an association may be silent between messages.
    request_seconds
        How long a connection may take to shake hands and to ask for its association (ARTIM, PS3.8 section 9.1.5).
    message_seconds
        How long a message may take to come in, beside what its size takes at the slowest rate that is borne.
    log_bytes
        Room for the write-ahead log, for each process.
    is_durable
        False answers before bytes are on disk: for benchmarks only.
    """

    host: str
    port: int
    archive_dir: Path
    secret_file: Path
    called_ae_titles: dict[str, Purpose]
    senders: dict[str, Sender] = field(default_factory=dict)
    known_senders_only: bool = False
    max_associations: int = 64
    max_instance_bytes: int = (4 << 30) + (64 << 20)
    reserve_bytes: int = 0
    idle_seconds: float = 60.0
    request_seconds: float = 10.0
    message_seconds: float = 60.0
    tls_port: int = 0
    tls: TLSFiles | None = None
    log_bytes: int = 256 << 20
    is_durable: bool = True
    log_level: str = "INFO"

    def sender(self, calling_ae_title: str) -> Sender:
        """Return what is agreed with a calling AE title; the defaults when nothing is."""
        return self.senders.get(calling_ae_title, Sender())

    def has_urgent_senders(self) -> bool:
        """Tell whether anybody is agreed to go before others."""
        return any(sender.is_urgent for sender in self.senders.values())

    def to_json(self) -> str:
        """Return what `from_json` reads."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` gave."""
        values: dict[str, Any] = json.loads(text)
        values["archive_dir"] = Path(values["archive_dir"])
        values["secret_file"] = Path(values["secret_file"])
        values["called_ae_titles"] = {title: Purpose(word) for title, word in values["called_ae_titles"].items()}
        values["senders"] = {
            title: Sender(**{**rule, "sop_classes": tuple(rule["sop_classes"])})
            for title, rule in values["senders"].items()
        }
        if values["tls"] is not None:
            values["tls"] = TLSFiles(**{name: Path(path) for name, path in values["tls"].items()})
        return cls(**values)
