"""Rule 8: every human act has an actor; what shows names is reached from loopback alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from tests.integration.worklist_world import BY, World, make_study, serving, worklist_world
from voorrang.__main__ import main
from voorrang.errors import ConfigurationError
from voorrang.settings import load_settings
from voorrang.tables import operator_log

NAMES = ("Testnaam", "Alida", "19511213", "1951-12-13", "ACC000001", "CT hersenen")


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    world.name(1)
    world.tell(make_study(1))
    with serving(world) as server, httpx.Client(base_url=server.address, timeout=20) as made:
        yield made


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "worklist.hospital.example", "127.0.0.1.example", ""])  # noqa: S104
def test_page_with_names_does_not_bind_beyond_loopback(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOORRANG_SHOW_NAMES", "true")
    if not host:
        monkeypatch.delenv("VOORRANG_BIND_HOST", raising=False)
        assert load_settings().bind_host == "127.0.0.1"
        return
    monkeypatch.setenv("VOORRANG_BIND_HOST", host)
    with pytest.raises(ConfigurationError, match="binds to loopback only"):
        load_settings()


def test_names_are_shown_by_default_and_so_the_default_is_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOORRANG_BIND_HOST", "10.0.0.8")
    with pytest.raises(ConfigurationError, match="show_names"):
        load_settings()


def test_page_without_names_may_bind_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOORRANG_BIND_HOST", "10.0.0.8")
    monkeypatch.setenv("VOORRANG_SHOW_NAMES", "false")

    assert load_settings().bind_host == "10.0.0.8"


@pytest.mark.parametrize("path", ["/", "/rows", "/api/worklist"])
def test_names_are_shown_where_they_may_be(path: str, client: httpx.Client) -> None:
    assert "Testnaam" in client.get(path).text


@pytest.mark.parametrize("path", ["/", "/rows", "/api/worklist", "/api/worklist?show_names=true", "/openapi.json"])
def test_without_names_no_answer_has_any(path: str, tmp_path: Path) -> None:
    with worklist_world(tmp_path, show_names=False) as world:
        world.name(1)
        world.tell(make_study(1))
        with serving(world) as server:
            text = httpx.get(f"{server.address}{path}", headers={"X-Show-Names": "true"}, timeout=20).text

    assert not [name for name in NAMES if name in text]


@pytest.mark.parametrize("path", ["/", "/rows", "/changes", "/api/worklist", "/static/page.js"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.8", "[::2]"],
)
def test_request_by_a_foreign_name_is_refused(host: str, path: str, client: httpx.Client) -> None:
    answer = client.get(path, headers={"Host": host})

    assert answer.status_code == 400
    assert not [name for name in NAMES if name in answer.text]


def test_forwarding_header_opens_no_door(client: httpx.Client) -> None:
    headers = {"Host": "evil.example", "X-Forwarded-Host": "127.0.0.1", "Forwarded": "host=127.0.0.1"}

    assert client.get("/api/worklist", headers=headers).status_code == 400


def test_page_of_another_origin_may_not_read_the_answer(client: httpx.Client) -> None:
    for method in ("GET", "OPTIONS"):
        headers = client.request(method, "/api/worklist", headers={"Origin": "https://evil.example"}).headers
        assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize("verb", ["activate", "suspend"])
@pytest.mark.parametrize("missing", ["--actor", "--role", "--reason"])
def test_command_about_a_model_wants_to_know_who(verb: str, missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    who = {"--actor": "Vermeulen", "--role": "physicist", "--reason": "validated"}
    given = [part for flag, value in who.items() if flag != missing for part in (flag, value)]
    influence = ["--influence", "rank"] if verb == "activate" else []
    with pytest.raises(SystemExit) as ended:
        main(["model", verb, "reference-head", "--pathway", "stroke", *influence, *given])

    assert ended.value.code == 2
    assert missing in capsys.readouterr().err


def test_act_is_logged_with_actor_role_and_time(world: World) -> None:
    world.activate()
    with world.database.read() as connection:
        (row,) = connection.execute(select(operator_log)).all()

    assert (row.actor, row.role, row.detail) == (BY.actor, BY.role, BY.reason)
    assert row.at.replace(tzinfo=world.clock.now().tzinfo) == world.clock.now()
