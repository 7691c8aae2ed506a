"""Reading over the API and on the page: who may, what is answered, what a browser and a fuzzer get out of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok

from tests.integration.worklist_world import World, make_answer, make_study, serving, uid, worklist_world
from voorrang.errors import ConfigurationError
from voorrang.settings import load_settings

pytestmark = pytest.mark.integration

READERS = {"anna": "radiologist", "bram": "resident"}
ITEM = f"/api/worklist/items/{uid(1)}"
HOSTILE = '"><script>alert(1)</script>\u202e'
EXAMPLES = 8
ACTS = ("open", "hand-back", "done", "judgement", "undo", "acknowledge")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with worklist_world(tmp_path, readers=READERS) as made:
        made.activate()
        made.tell(make_study(1), make_study(2), make_answer(2, 0.9))
        yield made


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    with serving(world) as server, httpx.Client(base_url=server.address, timeout=20) as made:
        yield made


def test_a_day_of_one_reader(client: httpx.Client) -> None:
    opened = client.post("/api/worklist/next", json={"reader": "anna"})
    assert opened.status_code == 200
    assert (opened.json()["item_key"], opened.json()["reader"]) == (uid(2), "anna")
    item = f"/api/worklist/items/{uid(2)}"
    taken = client.post(f"{item}/open", json={"reader": "bram"})
    assert (taken.status_code, taken.json()["refusal"]) == (409, "taken")
    said = client.post(f"{item}/judgement", json={"reader": "anna", "judgement": "ai_wrong", "because": "artefact"})
    assert said.status_code == 200
    row = client.get("/api/worklist").json()["items"][0]["reading"]
    assert (row["reader"], row["judgement"], row["because"]) == ("anna", "ai_wrong", "artefact")
    assert client.post(f"{item}/undo", json={"reader": "anna"}).json() == said.json()
    seen = client.get("/api/worklist").json()["items"][0]["studies_to_read"]
    done = client.post(f"{item}/done", json={"reader": "anna", "studies": seen})
    assert (done.status_code, done.json()["studies_done"], done.json()["studies_to_read"]) == (200, [uid(2)], [])
    assert client.get("/api/worklist").json()["total"] == 1
    again = client.post(f"{item}/done", json={"reader": "anna", "studies": seen})
    assert (again.status_code, again.json()["refusal"]) == (409, "closed")


def test_the_page_says_that_a_judgement_was_of_what_ai_had_shown_before(client: httpx.Client, world: World) -> None:
    item, words = f"/api/worklist/items/{uid(2)}", "anna, of what AI had shown before: agree"
    client.post(f"{item}/judgement", json={"reader": "anna", "judgement": "agree"}).raise_for_status()
    assert words not in client.get("/rows").text
    world.tell(make_answer(2, 0.1, revision=2))

    assert words in client.get("/rows").text


@pytest.mark.parametrize("body", [{}, {"studies": []}, {"studies": [""]}, {"studies": uid(1)}, {"studies": None}])
def test_who_does_not_say_what_was_read_has_read_nothing(body: dict[str, Any], client: httpx.Client) -> None:
    assert client.post(f"{ITEM}/done", json={"reader": "anna"} | body).status_code == 422
    assert client.get("/api/worklist").json()["total"] == 2


def test_a_study_that_the_caller_had_not_seen_is_answered_and_stays(client: httpx.Client, world: World) -> None:
    world.tell(*(make_study(n) for n in (3, 4)), order_key="o_1")
    said = client.post("/api/worklist/items/o_1/done", json={"reader": "anna", "studies": [uid(3)]}).json()
    assert (said["studies_done"], said["studies_to_read"]) == ([uid(3)], [uid(4)])
    assert world.row(4).studies_done == (uid(3),)
    other = client.post("/api/worklist/items/o_1/done", json={"reader": "anna", "studies": [uid(3)]})

    assert (other.status_code, other.json()["refusal"]) == (409, "other_studies")


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("body", [{"reader": "carla"}, {"reader": ""}, {}])
def test_who_is_not_known_here_does_nothing(act: str, body: dict[str, str], client: httpx.Client, world: World) -> None:
    said: dict[str, dict[str, Any]] = {"judgement": {"judgement": "agree"}, "done": {"studies": [uid(1)]}}

    assert client.post(f"{ITEM}/{act}", json=body | said.get(act, {})).status_code == 403
    assert world.announced("reading-opened") == []


def test_without_readers_nobody_acts_and_the_page_offers_nothing(tmp_path: Path) -> None:
    with worklist_world(tmp_path) as world:
        world.tell(make_study(1))
        with serving(world) as server, httpx.Client(base_url=server.address, timeout=20) as client:
            assert client.post("/api/worklist/next", json={}).status_code == 403
            assert "<button" not in client.get("/").text


def test_one_reader_need_not_say_who(tmp_path: Path) -> None:
    with worklist_world(tmp_path, readers={"anna": "radiologist"}) as world:
        world.tell(make_study(1))
        with serving(world) as server:
            opened = httpx.post(f"{server.address}/api/worklist/next", json={}, timeout=20).json()

    assert opened["reader"] == "anna"


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_another_page_acts_nowhere(headers: dict[str, str], client: httpx.Client, world: World) -> None:
    for act in ACTS:
        assert client.post(f"{ITEM}/{act}", json={"reader": "anna"}, headers=headers).status_code == 403
    assert client.post("/api/worklist/next", json={"reader": "anna"}, headers=headers).status_code == 403
    assert world.announced("reading-opened") == []


@pytest.mark.parametrize(
    "body",
    [
        {"judgement": "ai_wrong"},
        {"judgement": "agree", "because": "artefact"},
        {"judgement": "ai_wrong", "because": "the patient is Jansen"},
        {"judgement": "agree", "note": "x"},
    ],
)
def test_a_reason_is_one_of_those_that_are_known(body: dict[str, str], client: httpx.Client) -> None:
    assert client.post(f"{ITEM}/judgement", json={"reader": "anna"} | body).status_code == 422


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.8", "worklist.hospital.example"])  # noqa: S104
def test_without_a_login_nobody_acts_from_elsewhere(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOORRANG_SHOW_NAMES", "false")
    monkeypatch.setenv("VOORRANG_BIND_HOST", host)
    monkeypatch.setenv("VOORRANG_READERS", '{"anna": "radiologist"}')
    with pytest.raises(ConfigurationError, match="there is no login"):
        load_settings()


def test_a_hostile_reader_stays_text(tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>"
    with worklist_world(tmp_path, readers={evil: "radiologist"}) as world:
        world.activate()
        world.tell(make_study(1), make_answer(1, 0.9))
        with serving(world) as server, httpx.Client(base_url=server.address, timeout=20) as client:
            client.post(f"{ITEM}/open", json={"reader": evil}).raise_for_status()
            client.post(f"{ITEM}/judgement", json={"reader": evil, "judgement": "agree"}).raise_for_status()
            text = client.get("/").text

    assert evil not in text
    assert text.count("&lt;img src=x onerror=alert(1)&gt;") == 3


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_makes_the_api_fail(mode: GenerationMode, tmp_path: Path) -> None:
    """schemathesis makes requests of the API's own description, and of what contradicts it."""
    tried, statuses = set(), set()
    with worklist_world(tmp_path, readers={"anna": "radiologist"}) as world, serving(world) as server:
        world.activate()
        world.name(1, HOSTILE, HOSTILE)
        world.tell(make_study(1), make_study(2), make_answer(2, 0.9))
        schema = schemathesis.openapi.from_url(f"{server.address}/openapi.json")

        for found in schema.exclude(path="/changes").get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()

            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: Any) -> None:
                if "item_key" in case.path_parameters and case.path_parameters["item_key"] == "0":
                    case.path_parameters["item_key"] = uid(2)  # the simplest that it makes: one that is there
                answer = case.call()
                case.validate_response(answer, checks=[not_a_server_error])
                statuses.add(answer.status_code)

            with suppress(Unsatisfiable):  # nothing contradicts an operation that asks for nothing
                ask()
                tried.add(operation.label)

    assert "POST /api/worklist/items/{item_key}/judgement" in tried
    assert len(tried) >= 9
    assert max(statuses) < 500
    assert statuses >= ({200, 409} if mode is GenerationMode.POSITIVE else {422})
