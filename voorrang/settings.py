"""Settings: `VOORRANG_*` variables over one YAML file over defaults; an unknown key is an error."""

from __future__ import annotations

import os
from email.utils import getaddresses
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    YamlConfigSettingsSource,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from voorrang.errors import ConfigurationError
from voorrang.events.records import Lane, Tier
from voorrang.purpose import Purpose

CONFIG_VARIABLE = "VOORRANG_CONFIG"
MAX_INSTANCE_BYTES = (4 << 30) + (64 << 20)  # the longest element (PS3.5 section 7.1), and room for the others
MAX_NAME, MAX_ROLE = 128, 64  # of who acts, as the log of acts has room for


class SenderRule(BaseModel):
    """What is agreed with one calling AE title."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prefetch: bool = False
    default_issuer: str = ""
    quiet_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    lane: Lane | None = None
    sop_classes: tuple[str, ...] = Field(default=(), description="what it may store; empty: every storage class")
    max_instances_per_second: float = Field(default=0.0, ge=0, allow_inf_nan=False, description="0: no limit")


class MessageSenderRule(BaseModel):
    """What is agreed with one application that sends orders and reports (MSH-3)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default_issuer: str = ""
    character_set: str = Field(default="", description="of messages that name none, as MSH-18 would")
    urgencies: dict[str, Tier] = Field(default_factory=dict, description="its own words for an urgency")
    accession_from: Literal["", "IPC-1", "OBR-18", "OBR-3", "ORC-3"] = ""


class Settings(BaseSettings):
    """Everything that can be set from outside. A model's influence is not among it: only the register has that."""

    model_config = SettingsConfigDict(
        env_prefix="VOORRANG_", extra="forbid", frozen=True, env_ignore_empty=True, populate_by_name=True
    )

    purpose: Purpose = Purpose.CLINICAL
    site: str = Field(default="site", pattern=r"^[a-z0-9-]{1,32}$")
    data_dir: Path = Path("data")
    database_url: str = Field(default="", description="empty: SQLite in data_dir")
    database_password_file: Path | None = None
    kafka_bootstrap: str = Field(default="", description="host:port; empty: `up` starts the embedded broker")
    kafka_embedded_port: int = Field(default=19092, ge=1, le=65535)
    kafka_fetch_wait_ms: int = Field(default=100, ge=1, le=500)
    kafka_session_timeout_ms: int = Field(default=6000, ge=6000)
    bind_host: str = "127.0.0.1"
    show_names: bool = True
    dicom_port: int = Field(default=11112, ge=0, le=65535, description="0: with TLS only")
    dicom_tls_port: int = Field(default=0, ge=0, le=65535, description="0: without TLS")
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_authorities: Path | None = None
    ae_titles: dict[str, Purpose] = Field(
        default_factory=dict,
        description="called AE title -> purpose; empty: VOORRANG for the stack's purpose",
    )
    senders: dict[str, SenderRule] = Field(default_factory=dict)
    known_senders_only: bool = Field(default=False, description="reject a calling AE title that `senders` lacks")
    hl7_port: int = Field(default=0, ge=0, le=65535, description="0: no orders and reports over MLLP")
    hl7_tls_port: int = Field(default=0, ge=0, le=65535, description="0: without TLS")
    hl7_senders: dict[str, MessageSenderRule] = Field(default_factory=dict, description="by MSH-3")
    hl7_max_message_bytes: int = Field(default=4 << 20, ge=4096)
    hl7_keep_days: int = Field(default=90, ge=1, description="rows of messages; refused ones until settled")
    hl7_idle_seconds: float = Field(default=3600.0, gt=0, allow_inf_nan=False)
    association_idle_seconds: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    max_associations: int = Field(default=64, ge=1)
    max_instance_bytes: int = Field(default=MAX_INSTANCE_BYTES, ge=1 << 20, description="what is larger is refused")
    disk_reserve_bytes: int = Field(default=2_000_000_000, ge=0)
    write_ahead_log_bytes: int = Field(default=256 << 20, ge=64 << 20, description="for each process of the listener")
    disk_low_bytes: int | None = Field(default=None, ge=0, description="none: 2.5 times the reserve; 0: never")
    retention_days_unclaimed: int = Field(default=14, ge=0, description="0: never deleted by age")
    worklist_port: int = Field(default=8080, ge=1, le=65535)
    ingest_metrics_port: int = Field(default=9101, ge=1, le=65535)
    inference_metrics_port: int = Field(default=9102, ge=1, le=65535)
    worklist_metrics_port: int = Field(default=9103, ge=1, le=65535)
    monitoring_metrics_port: int = Field(default=9104, ge=1, le=65535)
    readers: dict[str, str] = Field(
        default_factory=dict, description="who may act on the list from this machine -> role; on loopback only"
    )
    escalation_smtp: str = Field(default="", pattern=r"^([^\s:]+:[0-9]{1,5})?$", description="host:port; empty: none")
    escalation_from: str = ""
    escalation_to: str = Field(default="", description="on-call radiology; empty: no e-mail")
    escalation_webhook: str = Field(default="", pattern=r"^(https?://\S+)?$", description="empty: none")
    inference_device: Literal["auto", "cpu", "cuda"] = "auto"
    inference_time_limit_seconds: float = Field(
        default=600.0, gt=0, allow_inf_nan=False, description="for one model on one series"
    )
    inference_memory_bytes: int = Field(
        default=0, ge=0, description="of the models' process; 0: 0.8 of the machine's, or the container's"
    )
    cpu_hour_cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    gpu_hour_cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    pathways_dir: Path | None = Field(default=None, description="none: the pathways of the package")
    time_zone: str = "Europe/Amsterdam"
    log_level: str = Field(default="INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR)$")

    @field_validator("time_zone")
    @classmethod
    def _zone_is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{name} is not known here: name one such as Europe/Paris") from error
        return name

    @model_validator(mode="after")
    def _names_only_on_loopback(self) -> Self:
        if self.show_names and self.bind_host not in {"127.0.0.1", "::1", "localhost"}:
            raise ValueError(
                "show_names: a page that shows names binds to loopback only until it knows who is there; "
                "set VOORRANG_SHOW_NAMES=false or VOORRANG_BIND_HOST=127.0.0.1"
            )
        return self

    @model_validator(mode="after")
    def _readers_only_on_loopback(self) -> Self:
        if self.readers and self.bind_host not in {"127.0.0.1", "::1", "localhost"}:
            raise ValueError(
                "readers: there is no login, so only who sits at this machine may act on the list; "
                "unset VOORRANG_READERS or set VOORRANG_BIND_HOST=127.0.0.1"
            )
        if not all(name.strip() and role.strip() for name, role in self.readers.items()):
            raise ValueError("readers: each has a name and a role, such as {vermeulen: radiologist}")
        if any(len(name) > MAX_NAME or len(role) > MAX_ROLE for name, role in self.readers.items()):
            raise ValueError(f"readers: a name has at most {MAX_NAME} characters, a role {MAX_ROLE}")
        return self

    @model_validator(mode="after")
    def _mail_is_whole(self) -> Self:
        if any(parts := (self.escalation_smtp, self.escalation_from, self.escalation_to)) and not all(parts):
            raise ValueError("escalation by e-mail needs escalation_smtp, escalation_from and escalation_to")
        return self

    @field_validator("escalation_from", "escalation_to")
    @classmethod
    def _mail_has_somewhere_to_go(cls, text: str) -> str:
        addresses = [address.partition("@") for _, address in getaddresses([text])]
        if text and not (text.isprintable() and all(name and host for name, _, host in addresses)):
            raise ValueError("is no mail address, nor several with commas between them")
        return text

    @field_validator("escalation_smtp", "escalation_webhook")
    @classmethod
    def _address_has_a_port_that_there_is(cls, address: str) -> str:
        where = urlsplit(address if "://" in address else f"smtp://{address}")
        if address and (not where.hostname or where.port == 0):  # `port` raises ValueError above 65535
            raise ValueError("names no host, or port 0")
        return address

    @model_validator(mode="after")
    def _somebody_can_take(self) -> Self:
        if (self.escalation_smtp or self.escalation_webhook) and not self.readers:
            raise ValueError(
                "escalation: messages go on until a reader takes the item, and there is no reader; "
                "set VOORRANG_READERS, or unset VOORRANG_ESCALATION_SMTP and VOORRANG_ESCALATION_WEBHOOK"
            )
        return self

    @model_validator(mode="after")
    def _low_before_the_reserve(self) -> Self:
        if self.disk_low_bytes and self.disk_low_bytes < self.disk_reserve_bytes:
            raise ValueError(
                "disk_low_bytes is below disk_reserve_bytes: images would be refused before retention makes room; "
                "raise VOORRANG_DISK_LOW_BYTES, or set it to 0 so that it never does"
            )
        return self

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        files = (self.tls_certificate, self.tls_key, self.tls_authorities)
        for name in ("dicom_tls_port", "hl7_tls_port"):
            if getattr(self, name) and None in files:
                raise ValueError(
                    f"{name} needs VOORRANG_TLS_CERTIFICATE, VOORRANG_TLS_KEY and VOORRANG_TLS_AUTHORITIES"
                )
        if not self.dicom_port and not self.dicom_tls_port:
            raise ValueError("dicom_port and dicom_tls_port are both 0: nobody could send; set one")
        return self

    def tls_files(self) -> tuple[Path, Path, Path] | None:
        """Return certificate, key and authorities; None without TLS."""
        certificate, key, authorities = self.tls_certificate, self.tls_key, self.tls_authorities
        if not (self.dicom_tls_port or self.hl7_tls_port) or certificate is None or key is None or authorities is None:
            return None
        return certificate, key, authorities

    @property
    def low_bytes(self) -> int:
        """Free room below which retention takes what is answered before its limit; 0: never."""
        return self.disk_reserve_bytes * 5 // 2 if self.disk_low_bytes is None else self.disk_low_bytes

    @property
    def called_ae_titles(self) -> dict[str, Purpose]:
        """Called AE titles that are answered, each with the purpose that it gives."""
        return self.ae_titles or {"VOORRANG": self.purpose}

    @property
    def archive_dir(self) -> Path:
        """Folder of the archive."""
        return self.data_dir / "archive"

    @property
    def pictures_dir(self) -> Path:
        """Folder of the key pictures: beside the archive, so that its writer and its reader need not see images."""
        return self.data_dir / "pictures"

    @property
    def calibrations_dir(self) -> Path:
        """Folder of the calibrations that were activated, named by their digest."""
        return self.data_dir / "calibrations"

    @property
    def bundles_dir(self) -> Path:
        """Folder of the model bundles that were added."""
        return self.data_dir / "bundles"

    @property
    def secret_file(self) -> Path:
        """File of the site's secret."""
        return self.data_dir / "site-secret"

    @property
    def bootstrap(self) -> str:
        """Address of the broker, embedded or not."""
        return self.kafka_bootstrap or f"127.0.0.1:{self.kafka_embedded_port}"

    def url(self) -> URL:
        """
        Return the database's URL, with the password from its file.

        Raises
        ------
        ConfigurationError
            When the URL or the password file cannot be read.
        """
        if not self.database_url:
            return URL.create("sqlite", database=str(self.data_dir / "voorrang.sqlite"))
        try:
            url = make_url(self.database_url)
            if self.database_password_file is not None:
                url = url.set(password=self.database_password_file.read_text().strip())
        except ArgumentError as error:
            raise ConfigurationError("database_url is not a URL such as postgresql+psycopg://user@host/name") from error
        except OSError as error:
            raise ConfigurationError(f"database_password_file cannot be read: {error.strerror}") from error
        return url

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, variables, then the YAML file; no .env file, no secrets folder."""
        path = os.environ.get(CONFIG_VARIABLE)
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
        return (*sources, YamlConfigSettingsSource(settings_cls, yaml_file=path)) if path else sources


def load_settings(**overrides: Any) -> Settings:
    """
    Read the settings; a mistake is named with the key and the remedy.

    Raises
    ------
    ConfigurationError
        When the file cannot be read, or a key is unknown or out of range.
    """
    path = os.environ.get(CONFIG_VARIABLE)
    if path:
        _refuse_what_is_no_map(path)
    _refuse_unknown_variables()
    try:
        return Settings(**overrides)
    except SettingsError as error:  # it names the setting between double quotes, and not what was in it
        _, name, _ = str(error).split('"', 2)
        form = f'{{"NAME": …}} with its words in double quotes, or a map in the file that {CONFIG_VARIABLE} names'
        raise ConfigurationError(f"VOORRANG_{name.upper()}: a map in a variable is JSON; write {form}") from error
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors()]
        raise ConfigurationError("settings: " + "; ".join(lines)) from error


def _refuse_what_is_no_map(path: str) -> None:
    if not Path(path).is_file():
        raise ConfigurationError(f"{CONFIG_VARIABLE} names {path}, which is not a file")
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(f"{path}:{line}: not YAML: {error.problem}; mend the syntax there") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}; save it as a UTF-8 text file") from error
    if values is not None and not (isinstance(values, dict) and all(isinstance(name, str) for name in values)):
        raise ConfigurationError(f"{path}: no map of settings; write lines such as `site: example-hospital`")


def _refuse_unknown_variables() -> None:
    known = {f"VOORRANG_{name.upper()}" for name in Settings.model_fields}
    known |= {CONFIG_VARIABLE, "VOORRANG_READY_FD", "VOORRANG_TEST_DATA", "VOORRANG_TEST_WEIGHTS"}
    unknown = sorted(name for name in os.environ if name.startswith("VOORRANG_") and name not in known)
    if unknown:
        raise ConfigurationError(f"unknown setting {', '.join(unknown)}: see docs/settings.md for the names")
