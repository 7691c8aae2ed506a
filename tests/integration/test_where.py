"""`voorrang where`: what every service knows of a study, in order, and what it waits for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from inference import results
from inference.results import Identity, Result
from ingest.answering import on_findings_scored
from ingest.operating import operate
from ingest.tables import series
from tests.builders import MODEL, activate, make_event, make_findings_scored, make_runtime
from tests.integration.desks import BY, desk_of, station_with_commands
from tests.integration.listening import ROOT, STUDY, Station, make_stack
from voorrang.__main__ import main
from voorrang.clock import ManualClock
from voorrang.commands.where import Whereabouts, find
from voorrang.errors import ConfigurationError
from voorrang.events.envelope import Event
from voorrang.events.records import ScoringState
from voorrang.purpose import Purpose
from voorrang.tables import outbox
from worklist.handlers import handlers
from worklist.ranking import Ranking
from worklist.tables import item

pytestmark = pytest.mark.integration

SERIES = f"{STUDY}.1"
QUIET = 10.0
HEAVY = ("torch", "scipy", "monai", "pynetdicom", "fastapi", "kafka")
TITLES = {"VOORRANG": Purpose.CLINICAL, "VOORRANG-QA": Purpose.QA}


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    with station_with_commands(tmp_path, clock, monkeypatch, ae_titles=TITLES) as made:
        yield made


def let_pass(station: Station, seconds: float) -> None:
    station.clock.advance(seconds)
    station.assembler.step()


def receive(station: Station, n: int = 12, called: str = "VOORRANG", **how: Any) -> None:
    station.receive(*make_stack(n, **how), called=called)
    station.take_in()


def answer(station: Station, score: float = 0.1) -> None:
    """Store what the pathway's model says, as inference does, and let ingest hear it."""
    now = station.clock.now()
    record = make_findings_scored(
        study_instance_uid=STUDY, series_instance_uid=SERIES, score=score, findings=(), scored_at=now
    )
    with station.runtime.database.write() as connection:
        identity = Identity(SERIES, 1, MODEL, 1)
        results.keep_first(connection, identity, "stroke", Result(ScoringState.SCORED, score, (), (), now))
    event = make_event(record, subject=STUDY, patient_key=station.study().patient_key)
    on_findings_scored(station.runtime, event)
    rank(station, ("findings-scored",), [event])


def rank(station: Station, types: tuple[str, ...], more: list[Event[Any]] | None = None) -> None:
    """Let the worklist hear events of these types, and look at the time."""
    runtime = make_runtime("worklist", station.runtime.database, station.runtime.settings.data_dir, clock=station.clock)
    ranking = Ranking(runtime)
    hear = handlers(runtime, ranking)
    for event_type in types:
        for event in more or station.events(event_type):
            hear[event_type](event)
    ranking.step()


def where(station: Station, asked: str = STUDY) -> list[Whereabouts]:
    runtime = station.runtime
    with runtime.database.read() as connection:
        return find(connection, asked, runtime.settings, runtime.pathways, station.clock.now())


def waits(station: Station) -> str:
    return where(station)[0].waits_for


def told(station: Station, what: str) -> list[str]:
    return [moment.detail for moment in where(station)[0].moments if moment.what == what]


# The timeline


def test_a_study_is_followed_from_its_first_instance_to_its_place(station: Station) -> None:
    activate(station.runtime.database)
    receive(station)
    let_pass(station, QUIET)
    rank(station, ("study-updated",))
    answer(station, score=0.9)
    (found,) = where(station)
    assert [moment.what for moment in found.moments if moment.what != "ranked"] == [
        "received",
        "received",
        "received",
        "complete",
        "scored",
    ]
    assert [moment.at for moment in found.moments] == sorted(moment.at for moment in found.moments)
    assert "12 instances in 0 s" in told(station, "received")[1]
    assert "12 instances in 1 series" in told(station, "received")[2]
    assert "stroke" in told(station, "complete")[0]
    assert "revision 1, 12 instances, 12 slices" in told(station, "complete")[0]
    assert "reference-head 1" in told(station, "scored")[0]
    assert "score 0.90" in told(station, "scored")[0]
    assert told(station, "ranked")[-1] == "place 1, urgent, scored"
    assert found.waits_for == "nothing: read order 1"


def test_partial_is_said_loudly(station: Station) -> None:
    station.receive(*make_stack(5), *make_stack(5, first=9))
    station.take_in()
    let_pass(station, 200)
    assert "PARTIAL" in told(station, "complete")[0]


def test_confirmation_has_its_moment(station: Station) -> None:
    receive(station)
    let_pass(station, QUIET)
    let_pass(station, 120)
    assert told(station, "confirmed") == [f"stroke series {SERIES}: revision 1 (quiet and coverage)"]


def test_what_the_outbox_has_no_more_is_told_from_the_rows(station: Station) -> None:
    activate(station.runtime.database)
    receive(station)
    let_pass(station, QUIET)
    let_pass(station, 120)
    rank(station, ("study-updated",))
    with station.runtime.database.write() as connection:
        connection.execute(delete(outbox))
    assert told(station, "complete") == [f"stroke series {SERIES}: revision 1, confirmed since"]
    assert told(station, "ranked") == ["place 1, routine, running"]


def test_slices_after_a_confirmed_answer_are_awaited_and_then_late(station: Station) -> None:
    """Both services, by the events that ingest tells: inference says no more."""
    activate(station.runtime.database)
    receive(station)
    let_pass(station, QUIET)
    rank(station, ("study-updated",))
    answer(station, score=0.1)
    let_pass(station, 120)
    rank(station, ("series-confirmed",))
    assert told(station, "ranked")[-1] == "place 1, routine, scored"
    let_pass(station, 1200)
    station.receive(*make_stack(1, first=13))
    station.take_in()
    rank(station, ("study-updated",))
    assert told(station, "ranked")[-1] == "place 1, routine, running"
    let_pass(station, QUIET)
    let_pass(station, 120)
    rank(station, ("study-updated", "series-confirmed"))
    assert told(station, "ranked")[-1] == "place 1, routine, running"
    let_pass(station, 600)
    rank(station, ())
    assert told(station, "ranked")[-1] == "place 1, routine, late"


def test_operators_acts_are_part_of_it(station: Station) -> None:
    receive(station, 3)
    operate(desk_of(station), "force-complete", SERIES, BY)
    operate(desk_of(station), "hold", STUDY, BY)
    assert told(station, "operator") == [
        f"force-complete by Bakker (operator): {BY.reason}",
        f"hold by Bakker (operator): {BY.reason}",
    ]


def test_acts_on_a_study_whose_uid_begins_alike_are_not(station: Station) -> None:
    receive(station)
    receive(station, StudyInstanceUID=f"{STUDY}.77", SeriesInstanceUID=f"{STUDY}.77.1")
    operate(desk_of(station), "hold", f"{STUDY}.77", BY)
    assert told(station, "operator") == []


def test_deletion_is_told_and_its_instances_still_count(station: Station) -> None:
    receive(station)
    with station.runtime.database.write() as connection:
        values = {"deleted_at": station.clock.now(), "deleted_instances": 30, "deleted_bytes": 5_000_000}
        connection.execute(insert(series).values(**values, **a_series(station)))
    assert [text for text in told(station, "received") if "30 instances in 0 s from CT-7" in text]
    assert told(station, "deleted") == [f"series {STUDY}.2: 30 instances, 5.0 MB, by retention"]
    assert "42 instances in 2 series" in told(station, "received")[-1]


def a_series(station: Station) -> dict[str, object]:
    now = station.clock.now()
    return {
        "series_instance_uid": f"{STUDY}.2",
        "study_instance_uid": STUDY,
        "modality": "CT",
        "first_received_at": now,
        "last_received_at": now,
        "revision": 1,
        "instances_digest": "",
        "sender": "CT-7",
    }


def test_another_file_under_a_known_uid_is_told(station: Station) -> None:
    receive(station)
    receive(station, 1, PixelData=b"\1" * 32)
    assert len(told(station, "conflict")) == 1


def test_an_exam_of_which_another_has_the_instance_uids_says_so_and_is_late_on_the_list(station: Station) -> None:
    activate(station.runtime.database)
    receive(station)
    let_pass(station, QUIET)
    other = f"{STUDY}.55"
    slices = make_stack(12)
    for ds in slices:
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.AccessionNumber = other, f"{other}.1", "B-2"
    station.receive(*slices)
    station.take_in()
    (found,) = where(station, other)
    assert found.waits_for == (
        "no images: 12 of its stroke series have UIDs that others had before; have them sent under UIDs of their own"
    )
    told_there = [moment.detail for moment in found.moments if moment.what == "conflict"]
    words = f"an instance of series {other}.1 has the UID of one of series {SERIES}: kept beside that, and not read"
    assert told_there == told(station, "conflict") == [words] * 12
    station.clock.advance(600)
    rank(station, ("study-updated",))
    states = dict(tuple(row) for row in station.rows(select(item.c.item_key, item.c.state)))
    assert states[station.study(other).order_key] == "late"
    with pytest.raises(ConfigurationError, match="was never complete"):
        operate(desk_of(station), "reprocess", other, BY)


# What it waits for


def test_a_series_with_a_gap_says_how_long_it_is_waited_for(station: Station) -> None:
    activate(station.runtime.database)
    station.receive(*make_stack(5), *make_stack(15, first=9))
    station.take_in()
    let_pass(station, 77)
    assert waits(station) == "more images: stroke series has 20, geometry not whole, goes on as partial in 43 s"


def test_a_whole_series_waits_for_quiet(station: Station) -> None:
    receive(station)
    text = waits(station)
    assert text.startswith("more images: stroke series has 12, geometry whole, goes on in ")
    assert text.endswith(" s when no more come")


def test_a_forced_series_says_so(station: Station) -> None:
    receive(station, 3)
    operate(desk_of(station), "force-complete", STUDY, BY)
    assert "goes on as it is now, as an operator said" in waits(station)


def test_an_answer_that_is_awaited_says_whose_and_for_how_long(station: Station) -> None:
    receive(station)
    let_pass(station, QUIET)
    station.clock.advance(12)
    assert waits(station) == "the answer of reference-head, running for 12 s"


def test_a_reprocessed_series_waits_for_its_answer_again(station: Station) -> None:
    receive(station)
    let_pass(station, QUIET)
    answer(station)
    assert "the answer of" not in waits(station)
    operate(desk_of(station), "reprocess", SERIES, BY)
    station.clock.advance(3)
    assert waits(station) == "the answer of reference-head, running for 3 s"


def test_a_provisional_answer_waits_for_the_confirmation(station: Station) -> None:
    activate(station.runtime.database)
    receive(station)
    let_pass(station, QUIET)
    rank(station, ("study-updated",))
    answer(station)
    assert "provisional, shown as running" in waits(station)
    let_pass(station, 120)
    rank(station, ("series-confirmed",))
    assert waits(station) == "nothing: read order 1"


def test_a_study_that_no_pathway_wants_has_its_place(station: Station) -> None:
    receive(station, BodyPartExamined="FOOT")
    assert waits(station) == "the worklist, which has not ranked it yet"
    rank(station, ("study-updated",))
    assert waits(station) == "nothing: read order 1"


def test_a_suppressed_study_waits_for_nothing_and_is_late_on_the_list(station: Station) -> None:
    activate(station.runtime.database)
    receive(station)
    rank(station, ("study-updated",))
    operate(desk_of(station), "suppress", STUDY, BY)
    assert waits(station) == "nothing: an operator has suppressed it, no answer will come"
    station.clock.advance(600)
    runtime = make_runtime("worklist", station.runtime.database, station.runtime.settings.data_dir, clock=station.clock)
    Ranking(runtime).step()
    assert [row.state for row in station.rows(item.select())] == ["late"]
    assert told(station, "ranked")[-1] == "place 1, routine, late"


def test_a_study_of_another_purpose_is_not_on_this_list(station: Station) -> None:
    receive(station, called="VOORRANG-QA")
    assert waits(station) == "nothing: received for purpose qa, which this stack's list does not show"


# The command


@pytest.mark.parametrize("asked", [STUDY, SERIES, f"{SERIES}.3", "A-1"])
def test_a_study_is_found_by_each_of_its_names(asked: str, station: Station) -> None:
    receive(station)
    assert [found.study_instance_uid for found in where(station, asked)] == [STUDY]


def test_text_is_in_the_site_s_time_and_names_nobody(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    receive(station)
    assert main(["where", "A-1"]) == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert lines[0] == f"study {STUDY} (times: Europe/Amsterdam)"
    assert lines[1].startswith("2026-11-22 09:00:00  received  first instance")
    assert lines[-1].startswith("waits for: more images")
    assert not [whose for whose in ("Patient^", "Test", "T-1", "19600101", "A-1") if whose in text]


def test_json_is_one_object_with_every_moment(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    receive(station)
    assert main(["where", STUDY, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["study_instance_uid"] == STUDY
    assert [moment["what"] for moment in found["moments"]] == ["received"] * 3
    assert found["moments"][0]["at"] == "2026-11-22T08:00:00+00:00"
    assert found["waits_for"].startswith("more images")


def test_every_study_of_an_accession_number_is_told(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    receive(station)
    receive(station, StudyInstanceUID=f"{STUDY}.7", SeriesInstanceUID=f"{STUDY}.7.1")
    assert main(["where", "A-1", "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_what_was_never_received_is_said_to_be_so(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["where", "NOBODY-1"]) == 1
    assert "never received here, or was refused" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("ingest.timeline, ingest.waiting, ingest.looking_up, voorrang.commands.where", HEAVY),
        ("inference.timeline, worklist.timeline", (*HEAVY, "numpy", "pydicom")),
    ],
)
def test_the_parts_of_the_services_are_light(modules: str, heavy: tuple[str, ...]) -> None:
    code = f"import sys, {modules}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
