"""Rule 1: a model influences nothing until it is activated. Every way round it that we know of, tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from pydantic import ValidationError
from sqlalchemy import select

from tests.integration.worklist_world import (
    BY,
    DIGESTS,
    NOON,
    PATHWAYS,
    World,
    consuming,
    make_answer,
    make_event,
    make_pathway,
    make_study,
    make_version,
    serving,
    worklist_world,
)
from voorrang import register
from voorrang.errors import ConfigurationError
from voorrang.events.records import ModelActivated, ModelIdentity, ModelSuspended, ScoringState
from voorrang.pathways.loading import load_pathways
from voorrang.pathways.pathway import Pathway
from voorrang.purpose import Purpose
from voorrang.register import Actor, EnvelopeFacts, Influence
from voorrang.settings import load_settings
from voorrang.tables import model_activation, model_version, operator_log
from worklist.ranking import Ranking
from worklist.service import LOOK_EVERY_SECONDS
from worklist.web.application import application

HEAD = ModelIdentity(model_id="head", version_label="1.0", weights_digest=DIGESTS["head"])
WITHOUT = "head is not activated for stroke: the order is without it"
BY_ARRIVAL = [1, 2, 3]
WITH_HEAD = [2, 1, 3]


def fill(world: World) -> None:
    """Three studies; a model would put the second first."""
    world.tell(*(make_study(n) for n in BY_ARRIVAL))
    world.tell(make_answer(1, 0.1), make_answer(2, 0.99), make_answer(3, 0.2))


def table_rows(world: World) -> list[list[Any]]:
    with world.database.read() as connection:
        return [
            list(connection.execute(select(table)).all()) for table in (model_version, model_activation, operator_log)
        ]


def influences(world: World) -> list[Influence]:
    with world.database.read() as connection:
        return [found.influence for found in register.activations(connection)]


def test_registered_model_moves_nothing(world: World) -> None:
    with world.database.write() as connection:
        register.register_model(connection, make_version("head"), NOON)
    fill(world)

    assert world.order() == BY_ARRIVAL
    assert {row.state for row in world.rows()} == {"out_of_scope"}
    assert not any(pathway.flagged or pathway.score for row in world.rows() for pathway in row.pathways)
    assert WITHOUT in world.lister.listing().banners


def test_activated_model_moves_the_order(world: World) -> None:
    """Without this the other tests here would prove nothing."""
    world.activate()
    fill(world)

    assert world.order() == WITH_HEAD
    assert not [line for line in world.lister.listing().banners if "head" in line]


def test_displayed_model_is_shown_and_moves_nothing(world: World) -> None:
    world.activate(influence=Influence.DISPLAY)
    fill(world)

    assert world.order() == BY_ARRIVAL
    assert world.row(2).pathways[0].flagged
    assert "head is shown for stroke but moves nothing" in world.lister.listing().banners


@pytest.mark.parametrize(
    "name",
    [
        "VOORRANG_INFLUENCE",
        "VOORRANG_MODELS",
        "VOORRANG_MODEL_INFLUENCE",
        "VOORRANG_ACTIVATE",
        "VOORRANG_HEAD_INFLUENCE",
        "VOORRANG_OPERATING_POINT",
        "VOORRANG_LIFT_TO",
        "VOORRANG_SHADOW",
    ],
)
def test_environment_variable_about_a_model_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "rank")
    with pytest.raises(ConfigurationError, match=name):
        load_settings()


@pytest.mark.parametrize("key", ["influence", "models", "operating_point", "lift_to", "activations"])
def test_key_about_a_model_in_the_settings_file_is_refused(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump({key: {"head": "rank"}}))
    monkeypatch.setenv("VOORRANG_CONFIG", str(path))
    with pytest.raises(ConfigurationError, match=key):
        load_settings()


def test_no_setting_is_about_models() -> None:
    words = ("influence", "model", "activ", "operating", "lift", "harm", "rank", "shadow")

    assert [name for name in type(load_settings()).model_fields if any(word in name for word in words)] == []


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.update(influence="rank"),
        lambda p: p.update(active=True),
        lambda p: p["models"][0].update(influence="rank"),
        lambda p: p["models"][0].update(state="active"),
        lambda p: p["models"][0].update(weights_digest="a" * 64),
        lambda p: p["delay"].update(influence="rank"),
    ],
)
def test_key_about_influence_in_a_pathway_file_is_refused(change: Callable[[Any], None], tmp_path: Path) -> None:
    values = pathway_values(make_pathway())
    (tmp_path / "stroke.yaml").write_text(yaml.safe_dump(values))
    assert load_pathways(tmp_path) == {"stroke": make_pathway()}

    change(values)
    (tmp_path / "stroke.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigurationError, match="remove this key; a model's state is given by `voorrang model"):
        load_pathways(tmp_path)


def pathway_values(pathway: Pathway) -> dict[str, Any]:
    values: dict[str, Any] = pathway.model_dump(mode="json", by_alias=True)
    return values


@pytest.mark.parametrize(
    ("kind", "claimed"),
    [
        (ModelActivated, {"influence": "rank", "operating_point": 0.5, "lift_to": "urgent", "harm_per_minute": 1.0}),
        (ModelActivated, {"influence": "rank", "operating_point": 0.0, "lift_to": "stat", "harm_per_minute": 1e9}),
        (ModelSuspended, {}),
    ],
)
@pytest.mark.parametrize("source", ["register", "worklist", "nobody"])
def test_forged_event_of_the_register_changes_nothing(
    kind: type[ModelActivated | ModelSuspended], claimed: dict[str, Any], source: str, world: World
) -> None:
    fill(world)
    before = table_rows(world)
    forged = kind(activation=99, pathway="stroke", model=HEAD, **claimed)
    with consuming(world) as publish:
        publish(make_event(forged, source=source))
    world.ranking.step()

    assert world.order() == BY_ARRIVAL
    assert WITHOUT in world.lister.listing().banners
    assert table_rows(world) == before


def test_forged_suspension_takes_nothing_away(world: World) -> None:
    world.activate()
    fill(world)
    with consuming(world) as publish:
        publish(make_event(ModelSuspended(activation=99, pathway="stroke", model=HEAD), source="register"))

    assert world.order() == WITH_HEAD


@pytest.mark.parametrize("score", [0.0, 0.99])
@pytest.mark.parametrize(
    "who",
    [
        {"digest": "f" * 64},
        {"version": "9.9"},
        {"digest": "f" * 64, "version": "9.9", "revision": 50, "run": 50},
        {"digest": "f" * 64, "state": ScoringState.FAILED, "revision": 50},
    ],
    ids=["digest", "version", "later", "failed"],
)
def test_answer_of_another_version_neither_lifts_nor_lowers(who: dict[str, Any], score: float, world: World) -> None:
    world.activate()
    fill(world)
    shown = [row.model_dump(exclude={"ranked_at"}) for row in world.rows()]
    for n in BY_ARRIVAL:
        world.tell(make_answer(n, score, **who))

    assert world.order() == WITH_HEAD
    assert [row.model_dump(exclude={"ranked_at"}) for row in world.rows()] == shown


def test_answer_of_another_version_that_came_first_is_not_seen(world: World) -> None:
    world.activate()
    world.tell(make_study(1), make_study(2))
    world.tell(make_answer(2, 0.99, digest="f" * 64))

    assert world.order() == [1, 2]
    assert (world.row(2).state, world.row(2).pathways[0].score) == ("running", None)


def test_operating_point_in_an_answer_lowers_nothing(world: World) -> None:
    world.activate()
    world.tell(make_study(1), make_study(2))
    world.tell(make_answer(1, 0.1), make_answer(2, 0.3, operating_point=0.0))

    assert world.order() == [1, 2]
    assert not world.row(2).pathways[0].flagged


def test_answer_on_another_pathway_than_was_activated_moves_nothing(world: World) -> None:
    world.activate()
    world.tell(make_study(1), make_study(2, claims=[(1, "stroke"), (1, "lung-nodule")]))
    world.tell(make_answer(2, 0.99, pathway="lung-nodule"))

    assert world.order() == [1, 2]


def test_no_request_changes_anything(world: World) -> None:
    fill(world)
    before = table_rows(world), [row.model_dump() for row in world.rows()]
    app = application(world.lister, world.runtime.settings, lambda: False, world.reading)
    paths = {getattr(route, "path", "") for route in app.routes} | {
        "/api/worklist",
        "/api/models",
        "/api/models/head/activate",
        "/static/page.js",
        "/metrics",
    }
    body = {"influence": "rank", "model": "head", "pathway": "stroke", "actor": "a", "role": "b", "reason": "c"}
    assert {"/", "/rows", "/changes", "/api/worklist"} <= paths
    with serving(world) as server, httpx.Client(base_url=server.address, timeout=20, follow_redirects=True) as client:
        for path in sorted(paths):
            for method in ("PUT", "POST", "PATCH", "DELETE"):
                # What readers may do is refused before anything else: here nobody is known to sit at this machine.
                refused = {403, 404, 405, 422} if path.startswith("/api/worklist/") else {404, 405}
                assert client.request(method, path, json=body).status_code in refused, (method, path)
        assert client.get("/api/worklist", params=body).status_code == 200

    assert (table_rows(world), [row.model_dump() for row in world.rows()]) == before


def test_restart_changes_no_influence(tmp_path: Path) -> None:
    with worklist_world(tmp_path) as world:
        fill(world)
    for _ in range(2):
        with worklist_world(tmp_path) as world:
            world.ranking.step()
            assert world.order() == BY_ARRIVAL
            assert influences(world) == []
    with worklist_world(tmp_path) as world:
        world.activate()
        world.suspend()
    with worklist_world(tmp_path) as world:
        world.ranking.step()
        assert world.order() == BY_ARRIVAL
        assert influences(world) == [Influence.NONE]


CHANGES = {
    "operating_point": make_pathway(models=(("head", 0.05),)),
    "operating_point_up": make_pathway(models=(("head", 0.9),)),
    "lift_to": make_pathway(lift_to="stat"),
    "harm": make_pathway(harm_per_minute=1000.0),
    "reading": make_pathway(reading_minutes=0.1),
}


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES.keys())
def test_changed_pathway_file_takes_the_influence_away(changed: Pathway, tmp_path: Path) -> None:
    with worklist_world(tmp_path) as world:
        world.activate()
        fill(world)
        assert world.order() == WITH_HEAD
    with worklist_world(tmp_path, {**PATHWAYS, "stroke": changed}) as world:
        world.ranking.step()

        assert world.order() == BY_ARRIVAL
        assert "pathway stroke differs from what was activated for head: the order is without it" in (
            world.lister.listing().banners
        )
        assert {row.state for row in world.rows()} == {"out_of_scope"}
    with worklist_world(tmp_path) as world:
        world.ranking.step()
        assert world.order() == WITH_HEAD


def test_second_operating_point_for_one_model_in_a_file_is_refused() -> None:
    with pytest.raises(ValidationError, match="a model is named twice"):
        make_pathway(models=(("head", 0.5), ("head", 0.01)))


def test_suspending_gives_the_order_without_the_model_at_once_on_its_event(world: World) -> None:
    world.activate()
    fill(world)
    world.ranking.step()
    version = world.lister.version()
    world.suspend()
    with consuming(world) as publish:
        publish(*world.announced("model-suspended"))

    assert world.order() == BY_ARRIVAL
    assert "head is suspended for stroke: the order is without it" in world.lister.listing().banners
    assert world.lister.version() > version


def test_suspending_gives_the_order_without_the_model_without_any_event(world: World) -> None:
    world.activate()
    fill(world)
    world.ranking.step()
    world.suspend()
    assert "head is suspended for stroke: the order is without it" in world.lister.listing().banners

    world.ranking.step()  # the service does so every 2 s
    assert world.order() == BY_ARRIVAL
    assert not any(pathway.flagged for row in world.rows() for pathway in row.pathways)


def test_suspending_takes_the_lifted_items_down_before_it_looks_at_the_rest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long list is gone through in many steps; the order is right after the first of them."""
    world.activate()
    world.tell(*(make_study(n) for n in range(1, 60)))
    world.tell(make_answer(30, 0.9), make_answer(59, 0.9))
    world.ranking.step()
    world.suspend()
    orders = []
    rank_some = Ranking._rank_some

    def look_after(ranking: Ranking, keys: Sequence[str]) -> None:
        rank_some(ranking, keys)
        orders.append(world.order())

    monkeypatch.setattr(Ranking, "_rank_some", look_after)
    world.ranking.step()

    assert len(orders) > 1
    assert orders[0] == orders[-1] == list(range(1, 60))


def test_service_looks_at_the_register_every_two_seconds() -> None:
    assert LOOK_EVERY_SECONDS <= 2


def test_other_worker_hears_of_a_suspension_too(world: World) -> None:
    other = Ranking(world.runtime)
    world.activate()
    fill(world)
    other.step()
    world.suspend()
    world.ranking.step()
    other.step()

    assert world.order() == BY_ARRIVAL


@pytest.mark.parametrize("missing", ["actor", "role", "reason"])
def test_activation_needs_actor_role_and_reason(missing: str, world: World) -> None:
    values = {"actor": "Vermeulen", "role": "physicist", "reason": "validated", missing: "  "}
    with pytest.raises(ConfigurationError, match="actor, a role and a reason"):
        world.activate(by=Actor(**values))

    assert influences(world) == []


def test_every_decision_stays_in_the_log(world: World) -> None:
    world.activate(influence=Influence.DISPLAY)
    first = table_rows(world)[2]
    world.activate()
    world.suspend()

    log = table_rows(world)[2]
    assert log[:1] == first
    assert [(row.actor, row.role, row.action, row.detail) for row in log] == [
        (BY.actor, BY.role, f"model influence {influence}", BY.reason) for influence in ("display", "rank", "none")
    ]


def test_nothing_in_the_platform_changes_or_removes_a_decision() -> None:
    root = Path(__file__).parents[2]
    for package in ("voorrang", "worklist", "ingest", "inference", "monitoring"):
        for path in (root / package).rglob("*.py"):
            text = path.read_text()
            for name in ("model_activation", "operator_log", "model_version"):
                assert f"update({name})" not in text, path
                assert f"delete({name})" not in text, path
                assert f"{name}.delete" not in text, path
                assert f"{name}.update" not in text, path


def test_weights_that_were_never_registered_cannot_be_activated(world: World) -> None:
    fill(world)
    with world.database.write() as connection:
        register.register_model(connection, make_version("head"), NOON)
        with pytest.raises(ConfigurationError):
            register.activate(
                connection,
                world.runtime.pathways["stroke"],
                make_version("head", digest="f" * 64),
                Influence.RANK,
                BY,
                NOON,
                EnvelopeFacts(Purpose.CLINICAL, "site"),
            )
    world.ranking.step()

    assert world.order() == BY_ARRIVAL
