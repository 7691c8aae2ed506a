"""The key picture of a finding over the API and on the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.worklist_world import World, make_answer, make_study, serving, uid, worklist_world
from voorrang.archive import PictureFolder
from voorrang.events.records import FindingsScored
from voorrang.register import Influence

pytestmark = pytest.mark.integration

PNG = b"\x89PNG\r\n\x1a\n of a finding"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with worklist_world(tmp_path) as made:
        yield made


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    with serving(world) as server, httpx.Client(base_url=server.address, timeout=20) as made:
        yield made


def folder(world: World) -> PictureFolder:
    return PictureFolder(world.runtime.settings.pictures_dir)


def with_pictures(world: World, score: float = 0.9, content: bytes = PNG, run: int = 1) -> FindingsScored:
    """Return an answer with three findings, the lowest below the operating point, each with a picture."""
    answer = make_answer(1, score, run=run)
    (finding,) = answer.findings or (make_answer(1, 0.9).findings[0].model_copy(update={"score": score}),)
    scores = (0.6, score, 0.4)
    findings = tuple(
        finding.model_copy(
            update={
                "score": each,
                "picture": folder(world).store(uid(1), uid(1, 1), str(each), content + str(each).encode()),
            }
        )
        for each in scores
    )
    return answer.model_copy(update={"findings": findings})


def addresses(client: httpx.Client) -> list[str]:
    (row,) = client.get("/api/worklist").json()["items"]
    return [address for pathway in row["pathways"] for address in pathway["pictures"]]


def test_each_finding_that_reaches_the_operating_point_has_its_picture_the_highest_first(
    world: World, client: httpx.Client
) -> None:
    world.activate()
    world.tell(make_study(1), with_pictures(world))
    first, second = addresses(client)
    answer = client.get(first)
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "image/png", PNG + b"0.9")
    assert client.get(second).content == PNG + b"0.6"
    assert client.get(f"/api/worklist/{uid(1)}/findings/1/picture").content == PNG + b"0.9"
    assert f'src="{first}"' in client.get("/rows").text


def test_a_browser_may_keep_it_but_asks_each_time(world: World, client: httpx.Client) -> None:
    world.activate()
    world.tell(make_study(1), with_pictures(world))
    first, second = addresses(client)
    answer = client.get(first)
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = client.get(first, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    assert again.headers["cache-control"] == "private, no-cache"
    assert client.get(second, headers={"If-None-Match": answer.headers["etag"]}).status_code == 200
    assert client.get("/api/worklist").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    ["x/findings/1/picture", "{item}/findings/0/picture", "{item}/findings/3/picture", "{item}/findings/-1/picture"],
)
def test_what_is_not_there_is_not_found_and_not_kept(path: str, world: World, client: httpx.Client) -> None:
    world.activate()
    world.tell(make_study(1), with_pictures(world))
    answer = client.get("/api/worklist/" + path.format(item=uid(1)))
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")


def test_a_key_that_no_database_can_be_asked_for_is_refused_before(client: httpx.Client) -> None:
    """PostgreSQL takes no NUL: it answered with a 500."""
    assert client.get("/api/worklist/%00/findings/1/picture").status_code == 422


def test_a_picture_that_went_with_its_series_is_not_found(world: World, client: httpx.Client) -> None:
    world.activate()
    world.tell(make_study(1), with_pictures(world))
    address = addresses(client)[0]
    pictures = folder(world)
    pictures.remove_series(pictures.of_series(uid(1), uid(1, 1)))
    answer = client.get(address, headers={"If-None-Match": client.get(address).headers.get("etag", '"x"')})
    assert answer.status_code == 404


def test_an_address_of_an_older_result_never_gives_the_picture_of_the_newer(world: World, client: httpx.Client) -> None:
    world.activate()
    world.tell(make_study(1), with_pictures(world))
    old = addresses(client)[0]
    world.tell(with_pictures(world, content=b"\x89PNG another ", run=2))
    new = addresses(client)[0]
    assert client.get(old).status_code == 404
    assert client.get(new).content == b"\x89PNG another 0.9"


@pytest.mark.parametrize("influence", [Influence.NONE, None])
def test_a_model_that_influences_nothing_shows_no_picture(
    influence: Influence | None, world: World, client: httpx.Client
) -> None:
    if influence is not None:
        world.activate(influence=influence)
    world.tell(make_study(1), with_pictures(world))
    assert addresses(client) == []
    assert client.get(f"/api/worklist/{uid(1)}/findings/1/picture").status_code == 404


def test_a_model_that_is_suspended_shows_it_no_more(world: World, client: httpx.Client) -> None:
    world.activate()
    world.tell(make_study(1), with_pictures(world))
    (address, _) = addresses(client)
    world.suspend()
    world.ranking.step()
    assert client.get(address).status_code == 404


def test_what_is_not_flagged_shows_none(world: World, client: httpx.Client) -> None:
    world.activate()
    world.tell(make_study(1), with_pictures(world, 0.45).model_copy(update={"score": 0.45}))
    assert addresses(client) == []


def test_a_locator_that_is_no_picture_opens_nothing(world: World, client: httpx.Client) -> None:
    """A forged event names a file of the archive, where names are."""
    world.activate()
    secret = world.runtime.settings.archive_dir / "studies" / "1.dcm"
    secret.parent.mkdir(parents=True)
    secret.write_bytes(b"Testnaam^Alida")
    answer = make_answer(1, 0.9)
    forged = answer.findings[0].model_copy(update={"picture": "studies/1.dcm"})
    world.tell(make_study(1), answer.model_copy(update={"findings": (forged,)}))
    assert client.get(addresses(client)[0]).status_code == 404
