"""The main job: dcmtk sends, the list reorders itself, the metrics move, and nobody's name leaks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.e2e.world import ASKING, built_in, settled, until, write_study
from tests.neighbours.dcmtk import dcmtk_program
from tests.neighbours.kafka import kafka_missing, running_kafka
from voorrang.database import Database
from voorrang.demo.counting import accounted_instances
from voorrang.demo.running import activate_models
from voorrang.demo.scratch import AE_TITLE, ScratchStack
from voorrang.demo.studies import DemoStudy
from voorrang.pathways.loading import load_pathways
from voorrang.tables import outbox

pytestmark = pytest.mark.e2e
START_SECONDS = 5.0  # within which the stroke series starts
MARGIN_SECONDS = 40.0  # for a machine that is busy with other tests
NAMES = ("head-normal", "chest-nodules", "quality-phantom", "head-bleed")
BOTH_HEADS_ARE_COUNTED = re.compile(
    r'^voorrang_findings_scored_total\{(?=[^}]*model="reference-head")(?=[^}]*state="scored")[^}]*\} 2\.0$',
    re.MULTILINE,
)


@pytest.fixture(params=["embedded", "kafka"])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ScratchStack]:
    """The whole stack on the embedded broker, and on Apache Kafka where it is there."""
    if request.param == "embedded":
        with ScratchStack() as running:
            yield running
        return
    if reason := kafka_missing():
        pytest.skip(reason)
    with running_kafka(tmp_path) as node, ScratchStack({"kafka_bootstrap": node.bootstrap}) as running:
        yield running


def store(stack: ScratchStack, folder: Path) -> None:
    """Send a folder with dcmtk's storescu."""
    program = dcmtk_program("storescu")
    command = [str(program), "-aec", AE_TITLE, "+sd", "127.0.0.1", str(stack.dicom_port), str(folder)]
    done = subprocess.run(command, env=os.environ | {"TCP_NODELAY": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def metrics_of(stack: ScratchStack, service: str) -> str:
    """Return what a service shows to Prometheus."""
    return ASKING.get(f"http://127.0.0.1:{stack.values[f'{service}_metrics_port']}/metrics").text


def test_the_urgent_study_sent_last_by_dcmtk_is_read_first(stack: ScratchStack, tmp_path: Path) -> None:
    activate_models(stack)
    studies = built_in(*NAMES)
    for study in studies:
        store(stack, write_study(study.instances, tmp_path / study.name))
    items = settled(stack, studies)

    assert {name: item["rank_without_ai"] for name, item in items.items()} == {
        name: n for n, name in enumerate(NAMES, 1)
    }
    assert {name: item["rank"] for name, item in items.items()} == {
        "head-bleed": 1,
        "chest-nodules": 2,
        "head-normal": 3,
        "quality-phantom": 4,
    }
    assert (items["head-bleed"]["tier"], items["chest-nodules"]["tier"]) == ("urgent", "routine")
    assert items["quality-phantom"]["state"] == "out_of_scope"
    assert items["quality-phantom"]["pathways"][0]["reason_code"] == "phantom"
    assert "bleeding possible" in items["head-bleed"]["reason"]
    picture = ASKING.get(stack.address + items["head-bleed"]["pathways"][0]["pictures"][0])
    assert (picture.headers["content-type"], picture.content[:8]) == ("image/png", b"\x89PNG\r\n\x1a\n")
    sent = sum(len(study.instances) for study in studies)
    assert accounted_instances(stack.settings, [str(s.instances[0].StudyInstanceUID) for s in studies]) == sent

    assert f'voorrang_instances_received_total{{outcome="new"}} {sent}.0' in metrics_of(stack, "ingest")
    assert 'voorrang_series_read_total{model="reference-head",state="scored"} 2.0' in metrics_of(stack, "inference")
    assert 'voorrang_last_slice_to_priority_seconds_count{pathway="stroke"}' in metrics_of(stack, "worklist")
    until(lambda: BOTH_HEADS_ARE_COUNTED.search(metrics_of(stack, "monitoring")) is not None, "monitoring to count")
    until(
        lambda: "voorrang_unaccounted_instances 0.0" in metrics_of(stack, "ingest"),
        "every instance to be accounted for",
    )
    assert_no_identity_leaks(stack, studies)


def assert_no_identity_leaks(stack: ScratchStack, studies: list[DemoStudy]) -> None:
    """Grep logs, metrics and events of the run for who the patients are; for UIDs in logs and metrics."""
    people, uids = set(), set()
    for study in studies:
        ds = study.instances[0]
        people |= {str(ds.PatientName), str(ds.PatientID), str(ds.PatientBirthDate), str(ds.AccessionNumber)}
        people |= {part for part in str(ds.PatientName).split("^") if len(part) > 4}
        uids |= {str(ds.StudyInstanceUID), str(ds.SeriesInstanceUID)}
    database = Database(stack.settings.url())
    with database.read() as connection:
        events = b"\n".join(connection.execute(select(outbox.c.payload)).scalars()).decode()
    database.close()
    metrics = "\n".join(metrics_of(stack, service) for service in ("ingest", "inference", "worklist", "monitoring"))
    logs = stack.log_file.read_text()
    for person in people:
        assert person not in events
        assert person not in metrics
        assert person not in logs
    for uid in uids:
        assert uid not in metrics
        assert uid not in logs


def test_demo_prints_one_object_and_ends(tmp_path: Path) -> None:
    for study in built_in("head-normal", "head-bleed"):
        write_study(study.instances, tmp_path / "deeper" / study.name)
    (tmp_path / "notes.txt").write_text("not DICOM")
    command = [sys.executable, "-m", "voorrang", "demo", "--json", "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["urgent_moved_up"] is True
    assert found["accepted_instances"] == found["accounted_instances"] == 62
    assert [(s["pathway"], s["state"], s["rank_fifo"], s["rank"]) for s in found["studies"]] == [
        ("stroke", "scored", 1, 2),
        ("stroke", "scored", 2, 1),
    ]
    assert all(s["reason"] for s in found["studies"])
    assert found["in_minutes"] == {  # each waits for the other's reading: of a head, eight minutes
        "readers": 1,
        "flagged_exams": 1,
        "minutes_saved_by_flagged": 8.0,
        "other_exams": 1,
        "minutes_lost_by_others": 8.0,
    }
    quiet_seconds = load_pathways(None)["stroke"].complete.quiet_seconds
    for one in found["studies"]:  # by the events' own times; what a machine at rest takes is in the demo's figures
        started, ranked = one["seconds_last_slice_to_completed"], one["seconds_last_slice_to_ranked"]
        assert quiet_seconds <= started < ranked
        assert started < START_SECONDS + MARGIN_SECONDS
