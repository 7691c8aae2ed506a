"""DICOM over TLS: both sides show certificates, nothing older than TLS 1.2, and a line in the log for whoever fails."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ingest.listening.configuration import ListenerConfiguration, TLSFiles
from ingest.listening.protocol import AbortReason, encode_abort
from ingest.tally import Count
from ingest.telling import listener_configuration
from tests import pdus
from tests.integration.knocking import TIMEOUT_SECONDS, connect, parts, read_pdu, read_to_end
from tests.integration.listener_log import Line, listener_log, reasons
from tests.integration.listening import (
    AE_TITLE,
    STUDY,
    Station,
    data_set_of,
    echo,
    listening,
    make_ct,
    make_station,
    own_database,
)
from tests.neighbours.certificates import KeyPair, make_authority
from tests.neighbours.dcmtk import counted_by_storescu, run_dcmtk
from tests.neighbours.starting import free_port, wait_until
from voorrang.clock import ManualClock

pytestmark = pytest.mark.integration

IDLE = 150


@dataclass(frozen=True, slots=True)
class Keys:
    """Everybody's files."""

    authority: Path
    server: KeyPair
    sender: KeyPair
    stranger: KeyPair


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("keys")
    ours, others = make_authority(folder / "ours"), make_authority(folder / "others")
    return Keys(ours.own.certificate, ours.sign("server"), ours.sign("sender"), others.sign("stranger"))


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock, keys: Keys) -> Iterator[Station]:
    with own_database(tmp_path) as database:
        made = make_station(
            database,
            tmp_path / "data",
            clock,
            dicom_tls_port=free_port(),
            tls_certificate=keys.server.certificate,
            tls_key=keys.server.key,
            tls_authorities=keys.authority,
        )
        with listening(made) as open_station:
            yield open_station


@pytest.fixture
def log() -> Iterator[Callable[[], list[Line]]]:
    with listener_log() as read:
        yield read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "slice.dcm"
    make_ct(PatientName="Müller^Jürgen").save_as(path, enforce_file_format=True)
    return path


def tls_port(station: Station) -> int:
    return station.runtime.settings.dicom_tls_port


def storescu(station: Station, file: Path, *options: str | Path) -> subprocess.CompletedProcess[str]:
    """Send a file with dcmtk to the port for TLS."""
    return run_dcmtk("storescu", "-v", *options, "-aec", AE_TITLE, "127.0.0.1", str(tls_port(station)), file)


def client_context(keys: Keys, pair: KeyPair | None) -> ssl.SSLContext:
    """Return what a sender shakes hands with."""
    context = ssl.create_default_context(cafile=keys.authority)
    context.check_hostname = False
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


def secured(station: Station, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(connect(tls_port(station)))


def test_a_sender_with_a_certificate_of_a_known_authority_is_served(
    station: Station, file: Path, keys: Keys, log: Callable[[], list[Line]]
) -> None:
    done = storescu(station, file, "+tls", keys.sender.key, keys.sender.certificate, "+cf", keys.authority)
    assert done.returncode == 0, done.stdout
    assert counted_by_storescu(done.stdout) == 1
    part10 = station.runtime.archive.read(station.stored()[0])
    assert data_set_of(part10) == data_set_of(file.read_bytes())
    assert [line["event"] for line in log()] == ["association opened", "association released"]


def require_refused(station: Station, log: Callable[[], list[Line]], *why: str) -> None:
    """Check that nothing was stored, that the log says why in one line, and that others are served."""
    tally = station.receiver.tally
    wait_until(lambda: tally.read(Count.ASSOCIATIONS_REJECTED) == 1, TIMEOUT_SECONDS, "nobody was refused")
    assert station.stored() == []
    (line,) = log()
    assert line["event"] == "connection refused"
    assert line["reason"] in why
    assert (line["level"], line["peer"]) == ("warning", "127.0.0.1")
    assert line.keys() == {"event", "level", "reason", "peer", "service", "timestamp"}
    assert echo(station.port) == 0


def test_a_sender_without_a_certificate_is_refused_and_told(
    station: Station, file: Path, keys: Keys, log: Callable[[], list[Line]]
) -> None:
    done = storescu(station, file, "+tla", "+cf", keys.authority)
    assert done.returncode != 0
    require_refused(station, log, "peer_did_not_return_a_certificate")


def test_a_sender_with_a_certificate_of_another_authority_is_refused_and_told(
    station: Station, file: Path, keys: Keys, log: Callable[[], list[Line]]
) -> None:
    done = storescu(station, file, "+tls", keys.stranger.key, keys.stranger.certificate, "+cf", keys.authority)
    assert done.returncode != 0
    require_refused(station, log, "certificate_verify_failed")


def test_a_sender_that_does_not_know_our_authority_sends_nothing(
    station: Station, file: Path, keys: Keys, log: Callable[[], list[Line]]
) -> None:
    done = storescu(station, file, "+tls", keys.sender.key, keys.sender.certificate)
    assert done.returncode != 0
    require_refused(station, log, "tlsv1_alert_unknown_ca")


def test_a_sender_without_tls_is_refused_and_told(station: Station, file: Path, log: Callable[[], list[Line]]) -> None:
    done = storescu(station, file)
    assert done.returncode != 0
    require_refused(station, log, "wrong_version_number", "unexpected_eof_while_reading", "record_layer_failure")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_1_is_refused_and_told(station: Station, keys: Keys, log: Callable[[], list[Line]]) -> None:
    context = client_context(keys, keys.sender)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError, match=r"(?i)version|protocol"):
        secured(station, context)
    require_refused(station, log, "unsupported_protocol")


def test_a_suite_outside_of_bcp_195_is_refused_and_told(
    station: Station, keys: Keys, log: Callable[[], list[Line]]
) -> None:
    context = client_context(keys, keys.sender)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA256:AES128-GCM-SHA256")
    with pytest.raises(OSError, match=r"(?i)handshake"):
        secured(station, context)
    require_refused(station, log, "no_shared_cipher")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken(station: Station, keys: Keys, version: ssl.TLSVersion) -> None:
    context = client_context(keys, keys.sender)
    context.minimum_version = context.maximum_version = version
    with secured(station, context) as connection:
        connection.sendall(pdus.associate_request() + pdus.echo_message())
        assert [read_pdu(connection)[0] for _ in range(2)] == [pdus.ACCEPTED, pdus.DATA]


def test_many_who_do_not_shake_hands_starve_nobody(station: Station, keys: Keys) -> None:
    with ExitStack() as held:
        for _ in range(IDLE):
            held.enter_context(connect(tls_port(station)))
        with secured(station, client_context(keys, keys.sender)) as connection:
            connection.sendall(pdus.associate_request() + pdus.echo_message())
            assert [read_pdu(connection)[0] for _ in range(2)] == [pdus.ACCEPTED, pdus.DATA]


def test_a_listener_that_is_closed_amid_an_instance_ends_it_within_tls_and_keeps_nothing(
    tmp_path: Path, clock: ManualClock, keys: Keys
) -> None:
    large = pdus.store_message(f"{STUDY}.1.1", bytes(6_000_000), [100_000] * 60)
    with own_database(tmp_path) as database, ExitStack() as held:
        made = make_station(
            database,
            tmp_path / "data",
            clock,
            dicom_tls_port=free_port(),
            tls_certificate=keys.server.certificate,
            tls_key=keys.server.key,
            tls_authorities=keys.authority,
        )
        with listening(made) as station:
            connection = held.enter_context(secured(station, client_context(keys, keys.sender)))
            connection.sendall(pdus.associate_request())
            assert read_pdu(connection)[0] == pdus.ACCEPTED
            connection.sendall(large[:-50_000])
            wait_until(lambda: len(parts(station)) == 1, TIMEOUT_SECONDS, "no part file")
        assert why_it_ended(connection) != "WRONG_VERSION_NUMBER"  # as it is when a goodbye comes in the clear
        assert station.stored() == []
        assert parts(station) == []


def why_it_ended(connection: ssl.SSLSocket) -> str:
    """Read until the listener hangs up; return what TLS says of it, nothing when it did so properly."""
    try:
        assert read_to_end(connection) in (encode_abort(AbortReason.NOT_SPECIFIED), b"")
    except ssl.SSLError as error:
        return error.reason or ""
    return ""


# What is told to whoever sets it up.


def run_listener(told: ListenerConfiguration) -> subprocess.CompletedProcess[str]:
    told.archive_dir.mkdir(parents=True, exist_ok=True)
    told.secret_file.write_text("s" * 64)
    return subprocess.run(
        [sys.executable, "-m", "ingest.listening", told.to_json()],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"certificate": "missing"}, ("missing.pem is not a file", "VOORRANG_TLS_CERTIFICATE")),
        ({"key": "missing"}, ("missing.pem is not a file", "VOORRANG_TLS_KEY")),
        ({"authorities": "missing"}, ("missing.pem is not a file", "VOORRANG_TLS_AUTHORITIES")),
        ({"key": "other"}, ("server.pem, sender.key", "key values mismatch")),
        ({"authorities": "empty"}, ("empty.pem", "cannot be used")),
    ],
)
def test_files_that_cannot_be_used_are_told_in_one_line_with_what_to_do(
    station: Station, tmp_path: Path, keys: Keys, changes: dict[str, str], words: tuple[str, str]
) -> None:
    paths = {"missing": tmp_path / "missing.pem", "other": keys.sender.key, "empty": tmp_path / "empty.pem"}
    paths["empty"].touch()
    files = TLSFiles(keys.server.certificate, keys.server.key, keys.authority)
    told = listener_configuration(station.runtime.settings)
    done = run_listener(
        replace(
            told,
            archive_dir=tmp_path / "another",
            secret_file=tmp_path / "secret",
            tls_port=free_port(),
            tls=replace(files, **{name: paths[word] for name, word in changes.items()}),
        )
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("voorrang: TLS: ")
    assert all(word in line for word in words)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"VOORRANG_DICOM_TLS_PORT": "2762"}, "dicom_tls_port needs VOORRANG_TLS_CERTIFICATE"),
        ({"VOORRANG_DICOM_PORT": "0"}, "nobody could send"),
    ],
)
def test_settings_that_cannot_work_are_told_in_one_line(tmp_path: Path, variables: dict[str, str], words: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VOORRANG_")}
    done = subprocess.run(
        [sys.executable, "-m", "voorrang", "ingest", "listen"],
        env={**environment, "VOORRANG_DATA_DIR": str(tmp_path), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert words in line


def test_whoever_speaks_tls_where_none_is_spoken_is_hung_up_on(
    station: Station, keys: Keys, log: Callable[[], list[Line]]
) -> None:
    with pytest.raises(OSError, match=r"."), socket.create_connection(("127.0.0.1", station.port)) as plain:
        client_context(keys, keys.sender).wrap_socket(plain)
    wait_until(lambda: bool(reasons(log())), 20, "a line is written after the abort, and was not")
    assert reasons(log()) == ["unrecognised_pdu"]
