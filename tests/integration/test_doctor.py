"""`voorrang doctor` looks where things are, says what is wrong in one line, and changes nothing."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import insert

from tests.neighbours.starting import free_port
from voorrang.commands import doctor
from voorrang.commands.doctor import Check, checks, service_checks
from voorrang.database import Database
from voorrang.observing import serve_metrics
from voorrang.settings import Settings
from voorrang.site_secret import make_secret
from voorrang.stack.local import VERBS
from voorrang.tables import outbox

pytestmark = pytest.mark.integration

SERVICES = list(VERBS)
EVERYWHERE = "0.0.0.0"  # noqa: S104 - as in a container


@pytest.fixture
def settings(tmp_path: Path, migrated_sqlite: Path) -> Settings:
    """A stack that was prepared and does not run."""
    made = settings_at(tmp_path)
    make_secret(made.secret_file)
    shutil.copyfile(migrated_sqlite, made.data_dir / "voorrang.sqlite")
    return made


def settings_at(folder: Path, **given: Any) -> Settings:
    ports: dict[str, Any] = {f"{service}_metrics_port": free_port() for service in VERBS}
    nobody = f"127.0.0.1:{free_port()}"
    return Settings(data_dir=folder / "data", kafka_bootstrap=nobody, disk_reserve_bytes=0, **(ports | given))


def of(settings: Settings, *names: str) -> list[Check]:
    found = {check.name: check for check in service_checks(settings)}
    return [found[name] for name in names]


@contextmanager
def serving(settings: Settings, service: str, host: str = "127.0.0.1", *, is_ready: bool = True) -> Iterator[None]:
    server = serve_metrics(host, getattr(settings, f"{service}_metrics_port"), lambda: is_ready)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def answering(port: int, answer: bytes | None) -> Iterator[None]:
    """Take connections on a port and answer each so; None: never."""
    with closing(socket.create_server(("127.0.0.1", port))) as server:

        def answer_all() -> None:
            with ExitStack() as held:
                while True:
                    try:
                        taken = held.enter_context(server.accept()[0])
                    except OSError:
                        return
                    if answer is not None:
                        taken.recv(4096)
                        taken.sendall(answer)
                        taken.close()

        thread = Thread(target=answer_all)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_service_that_runs_is_ready_one_that_starts_is_not_and_one_that_is_down_does_not_run(
    settings: Settings,
) -> None:
    with serving(settings, "ingest"), serving(settings, "worklist", is_ready=False):
        found = of(settings, *SERVICES)
    assert [check.holds for check in found] == [True, False, False, False]
    assert "see its log" in found[2].text
    assert all("does not run" in found[index].text for index in (1, 3))


def test_a_service_that_takes_the_connection_and_does_not_answer_hangs_and_the_others_are_looked_at(
    settings: Settings,
) -> None:
    with answering(settings.ingest_metrics_port, None), serving(settings, "monitoring"):
        found = of(settings, *SERVICES)
    assert [check.holds for check in found] == [False, False, False, True]
    assert "hangs" in found[0].text


@pytest.mark.parametrize("answer", [b"", b"220 mail.example ESMTP\r\n"])
def test_another_program_on_a_port_is_said_to_be_one(settings: Settings, answer: bytes) -> None:
    with answering(settings.ingest_metrics_port, answer):
        (found,) = of(settings, "ingest")
    assert not found.holds
    assert "another program" in found.text


def test_services_are_asked_where_they_listen(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"bind_host": "127.0.0.2", "show_names": False})
    everywhere = settings.model_copy(update={"bind_host": EVERYWHERE, "show_names": False})
    with serving(settings, "ingest", "127.0.0.2"), serving(settings, "worklist", EVERYWHERE):
        assert [check.holds for check in of(elsewhere, "ingest", "worklist")] == [True, True]
        assert [check.holds for check in of(everywhere, "ingest", "worklist")] == [False, True]


def test_no_proxy_is_asked(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with serving(settings, "ingest"):
        assert of(settings, "ingest")[0].holds


@pytest.mark.parametrize(
    ("first_process", "here"),
    [
        ("/opt/voorrang/bin/python\0/opt/voorrang/bin/voorrang\0ingest\0serve\0", ["ingest"]),
        ("/sbin/docker-init\0--\0voorrang\0worklist\0serve\0", ["worklist"]),
        ("/opt/voorrang/bin/python\0/opt/voorrang/bin/voorrang\0doctor\0", []),
        ("python\0-m\0voorrang\0up\0", SERVICES),
        ("/sbin/init\0", SERVICES),
    ],
)
def test_in_a_container_only_its_own_service_is_looked_at(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_process: str, here: list[str]
) -> None:
    told = tmp_path / "cmdline"
    told.write_text(first_process)
    monkeypatch.setattr(doctor, "FIRST_PROCESS", told)
    for check in of(settings, *SERVICES):
        assert check.holds == (check.name not in here)
        assert ("not looked at" in check.text) == (check.name not in here)


@pytest.fixture
def without_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load no models: that takes seconds."""
    monkeypatch.setattr(doctor, "_models", lambda _: "none")


def look(settings: Settings) -> dict[str, Check]:
    found = {check.name: check for check in checks(settings)}
    assert all(len(check.text.splitlines()) == 1 for check in found.values())
    return found


def test_of_a_stack_that_was_prepared_all_holds_but_what_does_not_run(settings: Settings, without_models: None) -> None:
    failing = [check.name for check in look(settings).values() if not check.holds]
    assert failing == ["broker", *SERVICES]


def test_a_new_folder_is_looked_at_and_nothing_is_made_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_models: None
) -> None:
    monkeypatch.chdir(tmp_path)
    found = look(settings_at(Path()))
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path / "data") in found["disk"].text
    assert not found["database"].holds
    assert "voorrang migrate" in found["database"].text
    assert found["clock"].holds
    assert "not looked at" in found["clock"].text


def test_a_database_that_does_not_answer_is_named_with_its_host_and_the_reason_and_never_the_password(
    tmp_path: Path, without_models: None
) -> None:
    port = free_port()
    found = look(settings_at(tmp_path, database_url=f"postgresql+psycopg://voorrang:hush@127.0.0.1:{port}/voorrang"))
    assert not found["database"].holds
    assert f"127.0.0.1:{port}" in found["database"].text
    assert "refused" in found["database"].text
    assert "VOORRANG_DATABASE_URL" in found["database"].text
    assert "hush" not in found["database"].text
    assert "not looked at" in found["clock"].text


def test_a_file_that_is_no_database_is_named(settings: Settings, without_models: None) -> None:
    path = settings.data_dir / "voorrang.sqlite"
    path.write_bytes(b"not a database" * 100)
    found = look(settings)
    assert not found["database"].holds
    assert str(path) in found["database"].text


def test_a_clock_behind_what_was_written_fails(settings: Settings, without_models: None) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    with closing(Database(settings.url())) as database, database.write() as connection:
        row = {"event_id": "1", "service": "ingest", "topic": "study-updated", "key": "1", "payload": b"1"}
        connection.execute(insert(outbox).values(row | {"created_at": ahead}))
    found = look(settings)
    assert found["database"].holds
    assert not found["clock"].holds
