"""An exam that waits too long moves up when it is due, says so, and the rest is not looked at."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.integration.worklist_world import DIGESTS, STROKE, make_study, make_version, worklist_world
from voorrang.calibration import file_of
from voorrang.commands.keeping_calibrations import keep_calibration
from voorrang.errors import ConfigurationError
from voorrang.metrics import ITEMS_EXPIRED
from voorrang.settings import Settings
from worklist import item_store

DAY = 24 * 60


def test_expired_exam_is_keyed_anew_when_due_and_counted(tmp_path: Path) -> None:
    with worklist_world(tmp_path) as world:
        world.tell(make_study(1, claims=[], minutes=1), make_study(2, claims=[], minutes=600))
        world.ranking.step()
        with world.database.read() as connection:
            assert item_store.item_keys(connection, due_at=world.clock.now()) == []

        world.clock.advance(DAY * 60)
        with world.database.read() as connection:
            assert len(item_store.item_keys(connection, due_at=world.clock.now())) == 1
        world.ranking.step()
        world.ranking.step()

        assert ITEMS_EXPIRED.labels("routine")._value.get() == 1
        assert world.order() == [1, 2]
        assert "beyond its cap, moved up · routine · waits 14" in world.row(1).explanation["en"]
        assert any("1 routine exam waits beyond the cap" in line for line in world.lister.listing().banners)
        with world.database.read() as connection:
            assert item_store.item_keys(connection, due_at=world.clock.now()) == []


def test_command_keeps_a_calibration_under_its_digest_and_refuses_one_of_another_site(tmp_path: Path) -> None:
    counted = {"schema_version": 1, "flagged": 20, "true_positives": 10, "positives": 12}
    about = {"pathway": "stroke", "model_id": "head", "weights_digest": DIGESTS["head"], "operating_point": 0.5}
    said = {"made_by": "Vermeulen", "made_on": "2026-11-01", "source": "reports of October"}
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({**counted, **about, **said, "site": "here"}))
    here = Settings(data_dir=tmp_path, site="here")

    digest = keep_calibration(path, STROKE, make_version("head"), here)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert file_of(here.calibrations_dir, digest).read_bytes() == path.read_bytes()

    with pytest.raises(ConfigurationError, match="calibration's site is here"):
        keep_calibration(path, STROKE, make_version("head"), Settings(data_dir=tmp_path, site="elsewhere"))
