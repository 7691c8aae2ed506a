"""The worklist as programs and browsers meet it: REST, page, rows, stream."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from random import Random

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.worklist_world import (
    NOON,
    RESEARCH,
    World,
    make_answer,
    make_confirmation,
    make_event,
    make_study,
    serving,
    uid,
    worklist_world,
)
from voorrang.errors import RetryableError
from voorrang.events.records import ScoringState, Tier
from worklist import item_store, list_store, place_store, study_store
from worklist.facts import ItemFacts, StudyFacts
from worklist.order_without_ai import OrderWithoutAi
from worklist.ordering.places import Lift, sort_key
from worklist.states import ItemState, ItemView, PathwayView
from worklist.tables import item, study
from worklist.web import application as web

pytestmark = pytest.mark.integration

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7*7 }}{% raw %}",
    "</bdi></td></table><h1>gone",
    "\u202eetis live\u202c",
    "a\x00b\x1b[31m",
    "&lt;script&gt;",
]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with worklist_world(tmp_path) as made:
        yield made


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    with serving(world) as server, httpx.Client(base_url=server.address, timeout=20) as made:
        yield made


def test_listing_has_its_fields(world: World, client: httpx.Client) -> None:
    world.activate()
    world.name(1)
    world.tell(make_study(1), make_answer(1, 0.9))

    answer = client.get("/api/worklist")
    listing = answer.json()
    (row,) = listing["items"]
    assert answer.status_code == 200
    assert listing["statement"] == RESEARCH
    assert listing["total"] == 1
    assert listing["order_at"] == "2026-11-02T12:01:00Z"
    assert listing["banners"] == ["lung is not activated for lung-nodule: the order is without it"]
    pathways = row.pop("pathways")
    assert sorted(row.pop("explanation")) == ["en", "fr", "nl"]
    assert row == {
        "rank": 1,
        "rank_without_ai": 1,
        "item_key": uid(1),
        "tier": "urgent",
        "state": "scored",
        "shown_state": "scored",
        "provisional": False,
        "reason": "hyperdense region, bleeding possible, flagged by head",
        "study_instance_uids": [uid(1)],
        "studies_done": [],
        "studies_to_read": [uid(1)],
        "modalities": ["CT"],
        "arrived_at": "2026-11-02T12:01:00Z",
        "ranked_at": "2026-11-02T12:01:00Z",
        "last_received_at": "2026-11-02T12:01:00Z",
        "minutes_waited": 0,
        "patient": "Testnaam^Alida",
        "other_patients": [],
        "birth_date": "19511213",
        "accession_number": "ACC000001",
        "study_description": "CT hersenen",
        "order": None,
        "reading": None,
    }
    assert pathways == [
        {
            "pathway": "stroke",
            "state": "scored",
            "flagged": True,
            "provisional": False,
            "score": 0.9,
            "model_id": "head",
            "statement": RESEARCH,
            "reason_code": "",
            "reason": "",
            "position_mm": [1.0, 2.0, 3.0],
            "pictures": [],
            "probability": None,
        }
    ]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=1e9", "offset=-1", "offset=x"]
)
def test_bad_limit_is_refused(query: str, client: httpx.Client) -> None:
    assert client.get(f"/api/worklist?{query}").status_code == 422


def test_pages_of_the_list_join_into_the_list(world: World, client: httpx.Client) -> None:
    world.tell(*(make_study(n) for n in range(1, 8)))
    world.tell(make_study(9, prior=True))

    whole = client.get("/api/worklist").json()["items"]
    pages = [client.get(f"/api/worklist?limit=3&offset={at}").json() for at in (0, 3, 6, 9)]

    joined = [row for page in pages for row in page["items"]]
    assert joined == whole
    assert [row["rank"] for row in joined] == [1, 2, 3, 4, 5, 6, 7, None]
    assert {page["total"] for page in pages} == {8}


def test_page_keeps_rows_that_need_not_move_where_they_are_shown(world: World, client: httpx.Client) -> None:
    def page(shown: str = "") -> list[tuple[str, str]]:
        """Return number and item of each row."""
        text = client.get("/rows", headers={"Voorrang-Shown": shown}).text
        return list(zip(re.findall(r'class="rank">(\S+?)<', text), re.findall(r'data-item="(\S+)"', text), strict=True))

    world.activate()
    world.tell(*(make_study(n) for n in (1, 2, 3)), make_answer(2))
    before = " ".join(key for _, key in page())
    world.tell(make_answer(1))

    assert page() == [("1", uid(1)), ("2", uid(2)), ("3", uid(3))]
    assert page(before) == [("2", uid(2)), ("1", uid(1)), ("3", uid(3))]
    items = client.get("/api/worklist").json()["items"]
    assert [row["rank"] for row in items] == [1, 2, 3]
    assert (items[0]["tier"], " · routine · waits" in items[0]["explanation"]["en"]) == ("urgent", True)


def test_page_says_when_it_does_not_show_everything(
    world: World, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tell(*(make_study(n) for n in range(1, 4)))
    assert "3 exams" in client.get("/rows").text

    whole = world.lister.listing()
    monkeypatch.setattr(type(world.lister), "listing", lambda *_: whole.model_copy(update={"items": whole.items[:2]}))
    assert "the first 2 of 3 exams" in client.get("/rows").text


def test_list_of_300_stands_as_the_policy_says(world: World) -> None:
    random = Random(7)
    world.activate("head", "stroke")
    world.activate("lung", "lung-nodule")
    expected = []
    for n in random.sample(range(1, 1000), 300):
        pathway, model = random.choice([("stroke", "head"), ("lung-nodule", "lung")])
        arrived_at = NOON - timedelta(minutes=random.randrange(60))
        flagged = random.random() < 0.3
        world.tell(make_study(n, claims=[(1, pathway)], arrived_at=arrived_at))
        world.tell(make_answer(n, 0.9 if flagged else 0.1, pathway=pathway, model=model))
        lift = (
            Lift("urgent", 1.0, 8.0, target_minutes=15)
            if model == "head"
            else Lift("routine", 0.01, 12.0, target_minutes=15)
        )
        expected.append((sort_key("routine", [lift] if flagged else [], arrived_at, uid(n)), n))

    assert world.order() == [n for _, n in sorted(expected)]


tiers = st.sampled_from(["stat", "urgent", "routine"])
lifts = st.lists(
    st.builds(Lift, tiers, st.floats(0, 10), st.floats(0.5, 60), st.floats(0, 1), st.floats(5, 200)), max_size=2
)
described = st.lists(
    st.tuples(tiers, lifts, st.integers(0, 3), st.integers(0, 10**6), st.booleans()),
    max_size=8,
    unique_by=lambda one: one[3],
)


@given(items=described)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_in_sql_is_the_order_of_the_policy(
    world: World, items: list[tuple[Tier, list[Lift], int, int, bool]]
) -> None:
    ranked = []
    with world.database.write() as connection:
        connection.execute(item.delete())
        connection.execute(study.delete())
        for tier, ai, minutes, number, prior in items:
            arrived_at = NOON + timedelta(minutes=minutes, microseconds=minutes)
            one = StudyFacts(uid(number), "p", arrived_at, arrived_at, ("CT",), prior, (), (), frozenset())
            facts = ItemFacts(uid(number), tier, (one,))
            study_store.put_study(
                connection, make_event(make_study(number, prior=prior, claims=[], arrived_at=arrived_at))
            )
            state = ItemState.PRIOR if prior else ItemState.SCORED
            views = tuple(PathwayView("stroke", ItemState.SCORED, True, lift=lift) for lift in ai)
            view = ItemView(state, False, views)
            expired = number % 3 == 0
            key = sort_key(tier, view.lifts, arrived_at, facts.item_key, expired=expired)
            item_store.put_item(connection, facts, key, view, NOON, item_store.Waiting(expired))
            ranked += [] if prior else [(key, sort_key(tier, (), arrived_at, facts.item_key, expired=expired))]
        listed = [one.item_key for one in list_store.listed(connection, 100, 0) if one.state is not ItemState.PRIOR]
        places = [place_store.rank_of(connection, key) for key, _ in sorted(ranked)]
        without_ai = OrderWithoutAi().places(connection, listed)

    assert listed == [key.item_key for key, _ in sorted(ranked)]
    assert places == list(range(1, len(ranked) + 1))
    plain = sorted(key for _, key in ranked)
    assert without_ai == {key.item_key: place for place, key in enumerate(plain, start=1)}


class Page(HTMLParser):
    """What a browser would make of a page: tags, attributes, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("path", ["/", "/rows"])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str, path: str, world: World, client: httpx.Client) -> None:
    world.activate()
    world.tell(make_study(1), make_study(2))
    world.name(2)
    harmless = Page(client.get(path).text)
    world.name(1, text, text)

    page = Page(client.get(path).text)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in harmless.tags]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "style"]
    assert text in [word.strip("\n") for word in page.words]


def test_hostile_reason_of_a_model_stays_text(world: World, client: httpx.Client) -> None:
    world.activate()
    evil = make_answer(1, reason=HOSTILE[0], state=ScoringState.FAILED)
    world.tell(make_study(1), evil)

    assert HOSTILE[0] not in client.get("/rows").text
    assert client.get("/api/worklist").json()["items"][0]["reason"] == HOSTILE[0]


def test_hostile_direction_of_text_ends_with_its_cell(world: World, client: httpx.Client) -> None:
    world.tell(make_study(1))
    world.name(1, HOSTILE[5], HOSTILE[5])

    assert client.get("/rows").text.count(f"<bdi>{HOSTILE[5]}</bdi>") == 2


def test_row_with_exams_of_two_patients_under_one_number_names_both(world: World, client: httpx.Client) -> None:
    words = "also of another patient: <bdi>Andere, Bert</bdi>"
    for number, name in ((1, "Testnaam^Alida"), (2, "Andere^Bert"), (3, "Testnaam^Alida")):
        world.name(number, name)
        world.tell(make_study(number), order_key="o_1")
    assert (world.row(1).patient, world.row(1).other_patients) == ("Testnaam^Alida", ("Andere^Bert",))
    assert words in client.get("/rows").text

    gone = {"withdrawn": "wrong_worklist_entry", "withdrawn_at": NOON}
    world.tell(make_study(2, version=2).model_copy(update=gone), order_key="o_1")
    assert world.row(1).other_patients == ()
    assert words not in client.get("/rows").text


def test_very_long_name_is_on_the_page_once_and_whole_in_the_api(world: World, client: httpx.Client) -> None:
    world.tell(make_study(1))
    world.name(1, "x" * 5000, "y" * 5000)

    (row,) = client.get("/api/worklist").json()["items"]
    assert (len(row["patient"]), len(row["study_description"])) == (512, 256)
    assert client.get("/rows").text.count("x" * 512) == 1


def test_templates_have_no_inline_script_or_style() -> None:
    for template in (Path(web.__file__).parent / "templates").glob("*.html"):
        page = Page(template.read_text())
        for tag, attributes in page.tags:
            assert tag != "style"
            assert tag != "script" or attributes.get("src")
            assert not {name for name in attributes if name.startswith("on") or name == "style"}
        assert "|safe" not in re.sub(r"\s", "", template.read_text())


@pytest.mark.parametrize(
    "path", ["/", "/rows", "/api/worklist", "/static/page.js", "/nowhere", "/api/worklist?limit=0"]
)
def test_every_answer_forbids_what_the_page_does_not_need(path: str, client: httpx.Client) -> None:
    headers = client.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))

    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert set(" ".join(policy.values()).split()) == {"'none'", "'self'"}
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Testnaam^Alida^M^^dr", "Testnaam, Alida M dr"),
        ("Testnaam", "Testnaam"),
        ("^Alida", "Alida"),
        ("Yamada^Tarou=山田^太郎", "Yamada, Tarou"),
        ("=山田^太郎", "山田, 太郎"),
        ("", "unknown"),
        ("^^^", "unknown"),
    ],
)
def test_person_name_is_shown_for_people(name: str, shown: str, world: World, client: httpx.Client) -> None:
    world.tell(make_study(1))
    world.name(1, name)

    assert f"<bdi>{shown}</bdi>" in client.get("/rows").text


@pytest.mark.parametrize(
    ("minutes", "shown"), [(0, "0 min"), (59, "59 min"), (60, "1 h 0 min"), (1439, "23 h 59 min"), (1500, "1 d 1 h")]
)
def test_waiting_time_is_short_to_read(minutes: int, shown: str, world: World, client: httpx.Client) -> None:
    world.tell(make_study(1))
    world.clock.advance(minutes * 60)

    assert f">{shown}<" in client.get("/rows").text


def test_times_are_shown_in_the_zone_of_the_site(world: World, client: httpx.Client) -> None:
    world.tell(make_study(1))

    text = client.get("/").text  # noon UTC in November is one o'clock in Amsterdam
    assert ">13:01:00</time>" in text
    assert "arrived 02-11 13:01" in text


def test_provisional_negative_is_running_on_page_and_in_api(world: World, client: httpx.Client) -> None:
    world.activate()
    world.tell(make_study(1), make_answer(1, 0.1))
    assert '<span class="state">running</span>' in client.get("/rows").text
    assert client.get("/api/worklist").json()["items"][0]["shown_state"] == "running"

    world.tell(make_confirmation(1))
    assert '<span class="state">scored</span>' in client.get("/rows").text


def test_empty_list_says_that_nothing_was_received(client: httpx.Client) -> None:
    assert "No exam has been received yet." in client.get("/").text


@pytest.mark.parametrize("path", ["/", "/rows", "/api/worklist"])
def test_database_that_is_away_is_not_an_empty_list(
    path: str, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise RetryableError("database: OperationalError")

    monkeypatch.setattr("worklist.listing.Lister.listing", away)
    answer = client.get(path)

    assert answer.status_code == 503
    assert answer.headers["Retry-After"]


def test_stream_says_a_new_version_of_the_list(world: World) -> None:
    with serving(world) as server, httpx.stream("GET", f"{server.address}/changes", timeout=20) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        told = (json.loads(line[5:]) for line in stream.iter_lines() if line.startswith("data:"))
        first = next(told)
        assert first == {"version": 0, "changed": True, "at": "13:01:00"}

        world.tell(make_study(1))
        changed = next(one for one in told if one["changed"])
        assert changed["version"] == httpx.get(f"{server.address}/api/worklist").json()["version"] > first["version"]

        beat = next(one for one in told if not one["changed"])
        assert beat["version"] == changed["version"]

        world.activate()
        assert next(one for one in told if one["changed"])["version"] > beat["version"]


def test_server_ends_though_a_stream_is_open(world: World) -> None:
    with serving(world) as server, httpx.stream("GET", f"{server.address}/changes", timeout=20) as stream:
        lines = stream.iter_lines()
        next(lines)
        server.stop()
        for _ in lines:
            pass


def test_stream_ends_when_the_database_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: object) -> None:
        raise RetryableError("database: OperationalError")

    with serving(world) as server, httpx.stream("GET", f"{server.address}/changes", timeout=20) as stream:
        lines = stream.iter_lines()
        next(lines)
        monkeypatch.setattr("worklist.listing.Lister.version", away)
        for _ in lines:
            pass


def test_study_that_moves_to_an_order_leaves_one_item(world: World, client: httpx.Client) -> None:
    world.activate()
    world.tell(make_study(1), make_study(2))
    before = client.get("/api/worklist").json()
    world.tell(make_study(1, version=2), order_key="o_1")

    after = client.get("/api/worklist").json()
    assert [row["item_key"] for row in after["items"]] == ["o_1", uid(2)]
    assert after["total"] == 2
    assert after["version"] > before["version"]
    assert [row["rank_without_ai"] for row in after["items"]] == [1, 2]


def test_study_that_moves_back_is_an_item_again(world: World) -> None:
    world.tell(make_study(1))
    world.tell(make_study(1, version=2), order_key="o_1")
    world.tell(make_study(1, version=3))

    assert [row.item_key for row in world.rows()] == [uid(1)]
    ids = [event.id for event in world.announced("worklist-item-ranked")]
    assert len(ids) == len(set(ids)) == 3


@given(order=st.permutations(range(3)))
@settings(max_examples=6, deadline=None)
def test_where_a_study_stands_does_not_depend_on_the_order_of_its_events(order: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder, worklist_world(Path(folder)) as world:
        events = [(1, ""), (2, "o_1"), (3, "o_2")]
        for n in order:
            version, order_key = events[n]
            world.tell(make_study(1, version=version), order_key=order_key)

        assert [row.item_key for row in world.rows()] == ["o_2"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]", "[::1]:8080"])
def test_every_name_of_loopback_is_answered(host: str, client: httpx.Client) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200
