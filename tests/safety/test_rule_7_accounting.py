"""Rule 7: everything accepted is accounted for. Ingest's own tests hold the rest; here, the gauge and the recount."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import generate_latest
from sqlalchemy import insert

from ingest.tables import instance, series
from tests.integration.worklist_world import NOON, World, uid
from voorrang.demo.counting import accounted_instances


def test_gauge_of_the_unaccounted_is_shown() -> None:
    lines = generate_latest().decode().splitlines()

    assert any(line.startswith("voorrang_unaccounted_instances ") for line in lines)


@pytest.fixture
def stored(world: World) -> list[Path]:
    """Three instances of one study: a row and a file each."""
    paths = []
    with world.database.write() as connection:
        values = {
            "series_instance_uid": uid(1, 1),
            "study_instance_uid": uid(1),
            "modality": "CT",
            "first_received_at": NOON,
            "last_received_at": NOON,
            "revision": 1,
            "instances_digest": "",
        }
        connection.execute(insert(series).values(values))
        for n in range(3):
            name = f"{uid(1, 1)}.{n}"
            kept = world.runtime.archive.store_instance(uid(1), uid(1, 1), name, b"not read here")
            row = {
                "sop_instance_uid": name,
                "series_instance_uid": uid(1, 1),
                "locator": kept.locator,
                "size_bytes": kept.size_bytes,
                "received_at": NOON,
                "header": {},
            }
            connection.execute(insert(instance).values(row))
            paths.append(world.runtime.archive.path(kept.locator))
    return paths


def test_recount_finds_what_has_a_row_and_a_file(world: World, stored: list[Path]) -> None:
    assert accounted_instances(world.runtime.settings, [uid(1)]) == 3
    assert accounted_instances(world.runtime.settings, [uid(2)]) == 0


def test_recount_misses_a_file_that_is_gone_or_empty(world: World, stored: list[Path]) -> None:
    stored[0].unlink()
    stored[1].chmod(0o600)
    stored[1].write_bytes(b"")

    assert accounted_instances(world.runtime.settings, [uid(1)]) == 1


def test_recount_misses_a_row_that_is_gone(world: World, stored: list[Path]) -> None:
    with world.database.write() as connection:
        connection.execute(instance.delete().where(instance.c.sop_instance_uid == f"{uid(1, 1)}.0"))

    assert accounted_instances(world.runtime.settings, [uid(1)]) == 2
