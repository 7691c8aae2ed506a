"""Retention on real rows and files: what goes, what is written down, and a kill between any two of its steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from ingest import store
from ingest.deleting import decide
from ingest.desk import Desk
from ingest.removing import finish_removals
from ingest.retaining import RetentionWorker
from ingest.retention import DAY, DeleteReason, KeepReason
from ingest.tables import claim, conflict, instance, removal, series, study
from tests.builders import KEYS
from tests.integration.conftest import FreshDatabase
from tests.integration.retention_world import BYTES, MB, ROOT_UID, Killed, World, make_world, metric
from voorrang.archive import PictureFolder
from voorrang.archive.instance_files import InstanceFiles
from voorrang.clock import ManualClock, utc
from voorrang.dicom.manifest import instances_digest
from voorrang.errors import RetryableError
from voorrang.settings import Settings
from voorrang.tables import operator_log

pytestmark = pytest.mark.integration


@pytest.fixture
def world(fresh_database: FreshDatabase, tmp_path: Path, clock: ManualClock) -> Iterator[World]:
    with fresh_database() as database:
        yield make_world(database, tmp_path / "data", clock)


# What goes


def test_what_is_older_than_its_limit_goes_with_an_event_and_a_line_of_the_log(world: World) -> None:
    old, young = world.put(1, 91), world.put(2, 89)
    before = metric("voorrang_archive_deleted_bytes_total", reason="answered_and_older_than_limit")

    world.worker().step()

    assert world.here() == {young}
    (event,) = world.events()
    assert (event.type, event.subject, event.source) == ("series-deleted", old.rsplit(".", 2)[0], "ingest")
    assert event.data.deleted_at == world.clock.now()
    assert (event.data.series_instance_uid, event.data.why) == (old, "answered_and_older_than_limit")
    assert (event.data.instance_count, event.data.size_bytes) == (3, 3 * len(BYTES))
    (line,) = world.rows(select(operator_log))
    assert (line.actor, line.action, line.subject) == ("retention", "series-delete", f"{event.subject}/{old}")
    assert line.detail == f"answered_and_older_than_limit: 3 instances, {3 * len(BYTES)} bytes"
    gone = metric("voorrang_archive_deleted_bytes_total", reason="answered_and_older_than_limit") - before
    assert gone == 3 * len(BYTES)
    (row,) = world.rows(select(series).where(series.c.series_instance_uid == old))
    assert (utc(row.deleted_at), row.deleted_instances) == (world.clock.now(), 3)
    assert row.deleted_bytes == 3 * len(BYTES)


def test_files_manifests_and_folders_go_and_those_of_others_stay(world: World) -> None:
    gone, beside = world.put(1, 91), world.put(2, 2, study_number=3)
    stay = [path for path in world.files() if gone not in path and not path.endswith(gone.rsplit(".", 2)[0])]

    world.worker().step()

    assert [path for path in world.files() if gone in path] == []
    assert {path for path in world.files() if beside in path} <= set(stay)
    assert len(list(world.archive.instances())) == 3
    assert world.count(removal) == 0


def test_key_pictures_go_with_their_series_and_those_of_others_stay(world: World) -> None:
    gone, stays = world.put(1, 91), world.put(2, 2, study_number=3)
    pictures = PictureFolder(world.desk.settings.pictures_dir)
    locators = [pictures.store(uid.rsplit(".", 2)[0], uid, "1", b"png of " + uid.encode()) for uid in (gone, stays)]
    torn = pictures.path(locators[0]).with_name("torn.part")
    torn.write_bytes(b"half a pict")

    world.worker().step()

    assert pictures.path(locators[1]).read_bytes() == b"png of " + stays.encode()
    assert [path.name for path in pictures.root.rglob("*") if path.is_file()] == [pictures.path(locators[1]).name]
    assert not torn.parent.exists()
    assert world.count(removal) == 0


def test_rows_and_deleted_instances_stay_what_was_accepted_conflicts_too(world: World) -> None:
    uid = world.put(1, 91)
    stored = InstanceFiles(world.archive).store(uid.rsplit(".", 2)[0], uid, f"{uid}.0", memoryview(b"other"))
    with world.desk.database.write() as connection:
        row = {"locator": stored.locator, "sop_instance_uid": f"{uid}.0"}
        connection.execute(insert(conflict).values(row | {"received_at": world.clock.now() - 80 * DAY}))
    world.put(2, 3)
    assert world.accounted() == 7

    world.worker().step()

    assert world.accounted() == 7
    assert world.count(conflict) == 0
    assert world.events()[0].data.instance_count == 4
    assert len(list(world.archive.instances())) == 3


def test_held_open_active_and_awaited_stay_and_are_counted_as_why(world: World) -> None:
    world.put(1, 400, held=True)
    world.put(2, 400)
    world.put(3, 400, study_number=2)
    world.put(4, 400, study_number=4)
    world.put(5, 0.5, study_number=4)
    world.put(6, 60, answered=False)
    world.put(7, 13, answered=None)
    opened = f"{ROOT_UID}.2.1.3"
    with world.desk.database.write() as connection:
        connection.execute(update(claim).where(claim.c.series_instance_uid == opened).values(open=True))
        now = {"last_received_at": world.clock.now() - DAY / 2}
        connection.execute(update(study).where(study.c.study_instance_uid == f"{ROOT_UID}.4").values(now))

    preview = world.worker().preview()
    world.worker().step()

    assert world.deleted() == []
    assert preview.kept == {
        KeepReason.HELD: 1,
        KeepReason.OPEN: 2,
        KeepReason.ACTIVE: 2,
        KeepReason.UNANSWERED: 1,
        KeepReason.WITHIN_LIMIT: 1,
    }


def test_a_claim_that_was_completed_today_or_an_instance_put_beside_keeps_the_study(world: World) -> None:
    completed, beside = world.put(1, 400), world.put(2, 400)
    hour_ago = world.clock.now() - DAY / 24
    with world.desk.database.write() as connection:
        mine = claim.c.series_instance_uid == completed
        connection.execute(update(claim).where(mine).values(completed_at=hour_ago))
        row = {"locator": "elsewhere", "sop_instance_uid": f"{beside}.0", "received_at": hour_ago}
        connection.execute(insert(conflict).values(row))

    world.worker().step()

    assert world.here() == {completed, beside}


def test_an_open_claim_of_a_suppressed_study_keeps_nothing_for_ever(world: World) -> None:
    uid = world.put(1, 91, answered=False, suppressed_at=world.clock.now())
    with world.desk.database.write() as connection:
        connection.execute(update(claim).values(open=True))

    world.worker().step()

    assert world.deleted() == [(uid, "unanswered_and_older_than_limit")]


def test_an_unanswered_series_that_was_deleted_is_awaited_no_more(world: World) -> None:
    world.put(1, 3000, answered=False)
    assert _oldest_unanswered(world) is not None

    world.worker().step()

    assert [why for _, why in world.deleted()] == ["unanswered_and_older_than_limit"]
    assert _oldest_unanswered(world) is None


def _oldest_unanswered(world: World) -> datetime | None:
    with world.desk.database.read() as connection:
        return store.oldest_unanswered(connection, list(world.desk.pathways))


def test_what_no_pathway_claims_has_its_own_limit(world: World) -> None:
    uid = world.put(1, 15, answered=None)
    world.put(2, 13, answered=None)

    world.worker().step()

    assert world.deleted() == [(uid, "unclaimed_and_older_than_limit")]


def test_a_step_is_bounded_and_the_oldest_goes_first(world: World) -> None:
    uids = {days: world.put(days, days, instances=1) for days in (95, 99, 91, 97)}
    worker = world.worker(series_a_step=2)

    worker.step()
    assert [uid for uid, _ in world.deleted()] == [uids[99], uids[97]]
    worker.step()
    assert [uid for uid, _ in world.deleted()] == [uids[99], uids[97], uids[95], uids[91]]


def test_what_happens_between_choosing_and_deleting_saves_a_series(world: World) -> None:
    held, late = world.put(1, 91), world.put(2, 91)
    candidates = {d.candidate.series.series_instance_uid: d.candidate for d in world.worker().preview().deletions}
    with world.desk.database.write() as connection:
        mine = study.c.study_instance_uid == held.rsplit(".", 2)[0]
        connection.execute(update(study).where(mine).values(held=True))
    world.send_again(late, range(3, 4))

    assert decide(world.desk, candidates[held]) is None
    assert decide(world.desk, candidates[late]) is None
    assert (world.count(instance), world.count(removal), world.events()) == (7, 0, [])


# The watermark


def test_when_the_disk_is_low_the_oldest_answered_go_before_their_limit_until_it_is_not(world: World) -> None:
    uids = {days: world.put(days, days, size_bytes=300 * MB) for days in (20, 40, 30, 10)}
    world.put(50, 80, answered=False)
    world.put(51, 85, held=True)
    world.put(52, 12, answered=None)
    world.free_bytes = 3500 * MB  # low is 5000: two series of 900 MB bring it there

    world.worker().step()

    assert world.deleted() == [(uids[40], "watermark"), (uids[30], "watermark")]
    assert [line.detail.split(":")[0] for line in world.rows(select(operator_log))] == ["watermark"] * 2


def test_what_is_due_goes_first_and_may_be_enough(world: World) -> None:
    due = world.put(1, 15, answered=None, size_bytes=700 * MB)
    world.put(2, 80, size_bytes=700 * MB)
    world.free_bytes = 4000 * MB

    world.worker().step()

    assert world.deleted() == [(due, "unclaimed_and_older_than_limit")]


def test_a_disk_that_is_not_low_or_a_watermark_of_0_spares_what_is_answered(world: World) -> None:
    world.put(1, 80)
    world.free_bytes = 5000 * MB
    world.worker().step()
    values = world.desk.settings.model_dump() | {"disk_low_bytes": 0}
    desk = Desk(world.desk.database, world.archive, KEYS, world.clock, Settings(**values), world.desk.pathways)
    RetentionWorker(desk, lambda: 0).step()

    assert world.deleted() == []


def test_the_gauges_say_how_much_could_go(world: World) -> None:
    for days in (20, 30, 40):
        world.put(days, days, size_bytes=MB)
    world.put(50, 80, answered=False)
    worker = world.worker(sizes_a_step=2)

    worker.step()
    assert metric("voorrang_archive_deletable_bytes") == 2 * 3 * MB
    worker.step()
    assert metric("voorrang_archive_deletable_bytes") == 3 * 3 * MB
    assert metric("voorrang_disk_free_bytes") == world.free_bytes
    assert metric("voorrang_disk_low_bytes") == 5000 * MB
    world.free_bytes = 0
    worker.step()
    assert metric("voorrang_archive_deletable_bytes") == 0


def test_every_series_is_looked_at_each_ten_minutes_or_when_the_disk_is_low(world: World) -> None:
    worker = world.worker()
    worker.step()
    uid = world.put(1, 91)
    worker.step()
    assert world.here() == {uid}

    world.clock.advance(600)
    worker.step()
    assert world.here() == set()
    world.put(2, 91)
    world.free_bytes = 0
    worker.step()
    assert world.here() == set()


def test_a_clock_that_is_set_back_stops_nothing(world: World) -> None:
    worker = world.worker()
    worker.step()
    world.clock.advance(-86_400)
    world.put(1, 91)

    worker.step()

    assert world.here() == set()


# A kill at any moment


@pytest.mark.parametrize("kill_at", range(5))  # three instances and two manifests
def test_a_kill_at_any_file_loses_no_count_and_leaves_no_file(world: World, kill_at: int) -> None:
    uid = world.put(1, 91)
    world.archive.kill_at = kill_at
    with pytest.raises(Killed):
        world.worker().step()
    assert world.accounted() == 3
    assert len(world.deleted()) == len(world.rows(select(operator_log))) == 1

    world.archive.kill_at = None
    world.worker().step()

    assert [path for path in world.files() if uid in path] == []
    assert list(world.archive.instances()) == []
    assert (world.accounted(), world.count(removal)) == (3, 0)
    assert len(world.deleted()) == len(world.rows(select(operator_log))) == 1


def test_a_kill_before_the_files_are_begun_with_is_made_good(world: World) -> None:
    world.put(1, 91)
    (deletion,) = world.worker().preview().deletions

    assert decide(world.desk, deletion.candidate) is not None
    assert (world.count(instance), world.count(removal)) == (0, 6)  # and the pictures that there may be
    assert len(list(world.archive.instances())) == 3
    finish_removals(world.desk)
    finish_removals(world.desk)

    assert (list(world.archive.instances()), world.count(removal), world.accounted()) == ([], 0, 3)


def test_a_failure_within_the_transaction_leaves_everything_as_it_was(world: World) -> None:
    world.put(1, 91)
    (deletion,) = world.worker().preview().deletions
    before = world.files()

    class NoKeys:
        """Has no trace ids."""

        def traceparent(self, _: str) -> str:
            """Die."""
            raise Killed

    desk = Desk(world.desk.database, world.archive, NoKeys(), world.clock, world.desk.settings, world.desk.pathways)  # type: ignore[arg-type]
    with pytest.raises(Killed):
        decide(desk, deletion.candidate)

    assert (world.count(instance), world.count(removal), world.count(operator_log)) == (3, 0, 0)
    assert (world.files(), world.accounted()) == (before, 3)


def test_what_came_again_before_its_removal_was_finished_stays(world: World) -> None:
    uid = world.put(1, 91)
    world.archive.kill_at = 2
    with pytest.raises(Killed):
        world.worker().step()
    world.archive.kill_at = None
    world.send_again(uid, range(3))
    finish_removals(world.desk)

    assert (world.count(instance), world.count(removal)) == (3, 0)
    locators = [row.locator for row in world.rows(select(instance.c.locator))]
    assert all(world.archive.path(locator).is_file() for locator in locators)


@pytest.mark.parametrize("kill_at", range(6))
def test_the_manifest_of_a_series_that_came_again_stays_with_it(world: World, kill_at: int) -> None:
    uid = world.put(1, 91)
    world.archive.kill_at_move = kill_at
    with suppress(Killed):
        world.worker().step()
    world.archive.kill_at_move = None
    world.send_again(uid, range(3))
    manifest = world.archive.store_manifest(uid.rsplit(".", 2)[0], uid, b"{}")
    finish_removals(world.desk)

    assert world.archive.read(manifest) == b"{}"
    assert world.count(removal) == 0


def test_an_archive_that_lets_nothing_be_removed_stops_retention_and_is_tried_again(world: World) -> None:
    world.put(1, 92)
    world.put(2, 91)
    world.archive.is_read_only = True
    worker = world.worker()

    for _ in range(2):
        with pytest.raises(RetryableError, match="still there: Operation not permitted"):
            worker.step()
    assert (len(world.deleted()), world.count(removal)) == (1, 5)
    world.archive.is_read_only = False
    worker.step()

    assert (len(world.deleted()), world.count(removal)) == (2, 0)
    assert list(world.archive.instances()) == []


# Sent again


def test_a_deleted_series_that_is_sent_again_completes_again_and_goes_again(world: World) -> None:
    uid = world.put(1, 91)
    world.worker().step()
    world.send_again(uid, range(3))
    now = world.clock.now()
    with world.desk.database.write() as connection:
        (found,) = store.open_claims(connection)
        digest = instances_digest(f"{uid}.{index}" for index in range(3))
        assert store.complete_claim(connection, found, digest, now) == (2, True)
        store.close_answered(connection, uid, "stroke", 2)
    world.worker().step()
    assert world.here() == {uid}

    world.clock.advance(91 * 86_400)
    world.worker().step()

    assert world.deleted() == [(uid, "answered_and_older_than_limit")] * 2
    assert len({event.id for event in world.events()}) == 2
    assert world.accounted() == 6
    assert list(world.archive.instances()) == []


def test_the_reasons_are_those_that_events_and_metrics_may_carry() -> None:
    assert {reason.value for reason in DeleteReason} == {
        "answered_and_confirmed_elsewhere",
        "answered_and_older_than_limit",
        "unanswered_and_older_than_limit",
        "unclaimed_and_older_than_limit",
        "watermark",
    }
