"""Messages over MLLP: the client of the library `hl7`, a kill, TLS, limits, and several senders at a time."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest
from hl7.client import MLLPClient
from sqlalchemy import func, select

from ingest.listening.configuration import TLSFiles
from ingest.listening.tls import server_context
from ingest.orders.listener import MessageListener, open_ports
from ingest.tables import message as message_table
from tests.hl7_messages import adt_change, adt_merge, message, msh, omi, orm, oru, pid
from tests.integration.conftest import MEMORY
from tests.integration.listening import ROOT, Station, own_database
from tests.integration.orders_world import hearing, told
from tests.neighbours.certificates import make_authority
from tests.neighbours.starting import free_port
from voorrang.clock import ManualClock
from voorrang.errors import ConfigurationError, RetryableError
from voorrang.identity import look_up_orders, report_texts
from voorrang.tables import outbox

pytestmark = pytest.mark.integration
END = b"\x1c\r"


@contextmanager
def answering(station: Station, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Run a station's listener for orders; give the port."""
    settings, stop = station.runtime.settings, Flag()
    listener = MessageListener(station.runtime, open_ports(settings, context), stop)
    thread = Thread(target=listener.run)
    thread.start()
    try:
        yield settings.hl7_port or settings.hl7_tls_port
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def station(clock: ManualClock) -> Iterator[Station]:
    with (
        tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder,
        hearing(Path(folder), clock, hl7_port=free_port(), hl7_max_message_bytes=65_536) as opened,
    ):
        yield opened


@pytest.fixture(name="port")
def open_port(station: Station) -> Iterator[int]:
    with answering(station) as opened:
        yield opened


def code(answer: bytes) -> str:
    """Return MSA-1 and MSA-2."""
    msa = answer.decode("ascii").split("\r")[1].split("|")
    return f"{msa[1]} {msa[2]}"


def send(port: int, *texts: str | bytes) -> list[str]:
    """Send messages on one connection."""
    with MLLPClient("127.0.0.1", port) as client:
        client.socket.settimeout(20)
        return [code(client.send_message(text)) for text in texts]


def raw_connection(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def test_each_message_type_is_answered_aa(port: int, station: Station) -> None:
    texts = [orm("1"), omi("2"), oru("3"), adt_merge("4"), adt_change("5")]

    assert send(port, *texts) == ["AA 1", "AA 2", "AA 3", "AA 4", "AA 5"]
    assert len(told(station)) >= 4


def test_wrong_messages_are_answered_ae_and_those_behind_them_are_taken(port: int) -> None:
    texts = ["hello", orm("1", accession=""), message(msh("ORU^R01", "2"), pid()), orm("3", urgency="Z"), orm("4")]

    assert send(port, *texts) == ["AE ", "AE 1", "AE 2", "AE 3", "AA 4"]


def test_message_that_is_cut_off_with_its_connection_is_not_taken(port: int, station: Station) -> None:
    with raw_connection(port) as connection:
        connection.sendall(b"\x0b" + orm("1").encode())
    assert send(port, orm("2", accession="A-2")) == ["AA 2"]

    assert [event.data.order_version for event in told(station)] == [1]


def test_too_large_a_message_is_read_to_its_end_answered_ae_and_the_next_one_taken(port: int) -> None:
    large = oru("1", observed=[("F", "x" * 300_000)])
    with raw_connection(port) as connection:
        connection.sendall(b"\x0b" + large.encode() + END)
        assert code(connection.recv(4096)) == "AE 1"
        connection.sendall(b"\x0b" + orm("2").encode() + END)
        assert code(connection.recv(4096)) == "AA 2"


def test_block_without_its_beginning_is_answered_ae(port: int) -> None:
    with raw_connection(port) as connection:
        connection.sendall(orm("1").encode() + END)
        assert code(connection.recv(4096)) == "AE 1"


def test_silent_connection_is_closed(tmp_path: Path, clock: ManualClock) -> None:
    with (
        hearing(tmp_path, clock, hl7_port=free_port(), hl7_idle_seconds=0.05) as station,
        answering(station) as port,
        raw_connection(port) as connection,
    ):
        assert connection.recv(1) == b""


def test_thousand_in_a_row_are_each_answered_and_each_kept_once(port: int, station: Station) -> None:
    answers = send(port, *(orm(str(n), accession=f"A-{n}") for n in range(1000)))

    assert answers == [f"AA {n}" for n in range(1000)]
    assert station.rows(select(func.count()).select_from(message_table))[0][0] == 1000
    assert len({event.order_key for event in told(station)}) == len(told(station)) == 1000


def test_several_senders_at_a_time_are_each_answered(port: int, station: Station) -> None:
    def sender(number: int) -> list[str]:
        texts = [orm(str(n), accession=f"{number}-{n}").replace("|RIS|", f"|RIS{number}|", 1) for n in range(20)]
        return send(port, *texts)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(sender, range(8)))

    assert answers == [[f"AA {n}" for n in range(20)]] * 8
    assert len(told(station)) == 160


@pytest.mark.parametrize(("charset", "encoding"), [("8859/1", "latin-1"), ("UNICODE UTF-8", "utf-8")])
def test_dutch_and_french_words_arrive_whole(port: int, station: Station, charset: str, encoding: str) -> None:
    question, text = "méningite à exclure, patiënt suf", "Geen bloeding; œdème? ça va".replace("œ", "oe")
    sent = [orm("1", question=question, charset=charset), oru("2", observed=[("F", text)], charset=charset)]

    assert send(port, *(one.encode(encoding) for one in sent)) == ["AA 1", "AA 2"]
    key = told(station)[0].order_key
    with station.runtime.database.read() as connection:
        assert look_up_orders(connection, [key])[key].clinical_question == question
        assert list(report_texts(connection, key).values()) == [text]


def test_database_that_is_away_is_answered_ar_and_the_retry_is_taken(
    port: int, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Any:
        raise RetryableError("database: away")

    with monkeypatch.context() as patch:
        patch.setattr(station.runtime.database, "write", away)
        assert send(port, orm("1")) == ["AR 1"]
    assert send(port, orm("1")) == ["AA 1"]


def test_defect_of_ours_is_answered_ae_and_its_message_kept(
    port: int, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: object) -> bool:
        raise KeyError("defect")

    with monkeypatch.context() as patch:
        patch.setattr("ingest.orders.taking.apply_order", defect)
        assert send(port, orm("1")) == ["AE 1"]
    assert station.rows(select(message_table.c.reason)) == [("defect_of_ours",)]
    assert send(port, orm("1")) == ["AA 1"]


def test_kill_between_write_and_answer_makes_nothing_twice(tmp_path: Path) -> None:
    with own_database(tmp_path) as database:
        port = free_port()
        command = [sys.executable, "-m", "tests.integration.orders_process", str(tmp_path), str(port)]
        for how, expected in (("die", None), ("live", "AA 1")):
            process = subprocess.Popen([*command, how], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == b"listening\n"
                with raw_connection(port) as connection:
                    connection.sendall(b"\x0b" + orm("1").encode() + END)
                    answer = b"" if expected is None else connection.recv(4096)
                    if expected is None:
                        assert process.wait(20) == -9
                assert (code(answer) if answer else None) == expected
            finally:
                process.kill()
                process.communicate(timeout=20)
        with database.read() as connection:
            assert connection.execute(select(message_table.c.outcome)).scalars().all() == ["taken"]
            assert len(connection.execute(select(outbox.c.id)).all()) == 1


def test_tls_wants_a_certificate_of_the_sender(tmp_path: Path, clock: ManualClock) -> None:
    ours, theirs = make_authority(tmp_path / "ours"), make_authority(tmp_path / "theirs")
    server, sender, stranger = ours.sign("server"), ours.sign("sender"), theirs.sign("stranger")
    files = {"tls_certificate": server.certificate, "tls_key": server.key, "tls_authorities": ours.own.certificate}
    context = server_context(TLSFiles(server.certificate, server.key, ours.own.certificate))

    def answer(pair: Any) -> str:
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        client.load_verify_locations(ours.own.certificate)
        client.load_cert_chain(pair.certificate, pair.key)
        with raw_connection(port) as plain, client.wrap_socket(plain) as secure:
            secure.sendall(b"\x0b" + orm("1").encode() + END)
            return code(secure.recv(4096))

    with hearing(tmp_path, clock, hl7_tls_port=free_port(), **files) as station, answering(station, context) as port:
        assert answer(sender) == "AA 1"
        with pytest.raises((ssl.SSLError, ConnectionError, IndexError)):
            answer(stranger)
        assert len(told(station)) == 1


def test_port_that_is_taken_is_named_with_its_setting(station: Station, port: int) -> None:
    with pytest.raises(ConfigurationError, match=f"HL7 port {port} .*set VOORRANG_HL7_PORT"):
        open_ports(station.runtime.settings, None)


def test_without_a_port_nothing_listens(tmp_path: Path, clock: ManualClock) -> None:
    with hearing(tmp_path, clock) as station:
        assert open_ports(station.runtime.settings, None) == []
