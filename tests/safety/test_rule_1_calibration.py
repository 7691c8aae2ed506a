"""Rule 1: a calibration counts only as it was activated, and a model's own number never does."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.integration.worklist_world import (
    BY,
    DIGESTS,
    NOON,
    World,
    make_answer,
    make_pathway,
    make_study,
    make_version,
    worklist_world,
)
from voorrang import register
from voorrang.calibration import bounds, file_of
from voorrang.purpose import Purpose
from voorrang.register import EnvelopeFacts, Influence

GONE = "the calibration of head for stroke is gone or was changed: the order is without it"


@pytest.fixture
def calibration() -> bytes:
    counted = {"schema_version": 1, "flagged": 20, "true_positives": 10, "positives": 12}
    about = {"pathway": "stroke", "model_id": "head", "weights_digest": DIGESTS["head"], "operating_point": 0.5}
    said = {"site": "site", "made_by": "Vermeulen", "made_on": "2026-11-01", "source": "reports of October"}
    return json.dumps({**counted, **about, **said}).encode()


def activate(world: World, calibration: bytes) -> None:
    digest = hashlib.sha256(calibration).hexdigest()
    folder = world.runtime.settings.calibrations_dir
    folder.mkdir(exist_ok=True)
    file_of(folder, digest).write_bytes(calibration)
    version, pathway = make_version("head"), world.runtime.pathways["stroke"]
    facts = EnvelopeFacts(Purpose.CLINICAL, "site")
    with world.database.write() as connection:
        register.register_model(connection, version, NOON)
        register.activate(connection, pathway, version, Influence.RANK, BY, NOON, facts, digest)


def test_changed_calibration_takes_the_influence_away_and_says_so(world: World, calibration: bytes) -> None:
    activate(world, calibration)
    world.tell(*(make_study(n) for n in (1, 2, 3)), make_answer(2, 0.99))
    world.ranking.step()
    assert world.order() == [2, 1, 3]
    assert GONE not in world.lister.listing().banners

    kept = file_of(world.runtime.settings.calibrations_dir, hashlib.sha256(calibration).hexdigest())
    kept.write_bytes(calibration.replace(b'"true_positives": 10', b'"true_positives": 11'))
    world.ranking.step()
    assert world.order() == [1, 2, 3]
    assert GONE in world.lister.listing().banners

    kept.write_bytes(calibration)
    world.ranking.step()
    assert world.order() == [2, 1, 3]


def test_own_number_of_a_model_is_never_a_probability(world: World, calibration: bytes) -> None:
    activate(world, calibration)
    world.tell(make_study(1), make_study(2), make_answer(1, 0.6), make_answer(2, 0.99))
    assert world.order() == [1, 2]
    assert world.row(2).pathways[0].probability == pytest.approx(bounds(10, 20)[0])


def test_without_a_calibration_a_flag_goes_before_what_nothing_speaks_for_and_no_further(tmp_path: Path) -> None:
    """Somebody gave the model influence on the rank: it has one, the least there is."""
    chest = make_pathway("lung-nodule", (("lung", 0.5),), lift_to="routine", read_within_minutes=1440)
    with worklist_world(tmp_path, {"lung-nodule": chest}) as world:
        world.activate("lung", "lung-nodule")
        world.tell(*(make_study(n, claims=[(1, "lung-nodule")]) for n in (1, 2, 3)))
        world.tell(make_answer(3, 0.99, pathway="lung-nodule", model="lung"))

        assert world.order() == [3, 1, 2]
        assert (world.row(3).tier, world.row(3).pathways[0].probability) == ("routine", None)
        assert "how sure was not counted here" in world.row(3).explanation["en"]


def test_target_that_a_pathway_file_changes_takes_the_influence_away(tmp_path: Path) -> None:
    with worklist_world(tmp_path) as world:
        world.activate()
        world.runtime.pathways["stroke"] = make_pathway(read_within_minutes=5)
        world.tell(*(make_study(n) for n in (1, 2)), make_answer(2, 0.99))

        assert world.order() == [1, 2]
        banners = world.lister.listing().banners
        assert "pathway stroke differs from what was activated for head: the order is without it" in banners


def test_without_a_calibration_flags_of_one_target_go_by_arrival(world: World) -> None:
    world.activate()
    world.tell(*(make_study(n) for n in (1, 2, 3)), make_answer(3, 0.99), make_answer(2, 0.51))
    assert world.order() == [2, 3, 1]
    assert world.row(3).pathways[0].probability is None
