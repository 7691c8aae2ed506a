"""`voorrang simulate` as it is typed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.unit.worklist.queueing.rooms import GROUPS
from voorrang.__main__ import main

VERBATIM = shlex.split(
    "simulate --traffic .8 --readers 2 --prevalence .1 --sensitivity .9 --false-positive-fraction .1 "
    "--interrupting-fraction 0 --reading-minutes 10 --reading-minutes-diseased 10 --reading-minutes-interrupting 5 "
    "--discipline preemptive --latency-minutes 0 --json"
)
SHORT = ["simulate", "--patients", "2000"]


def test_command_of_the_issue_prints_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*VERBATIM, "--patients", "5000"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["closed_form"]) == set(found["simulated"]) == set(GROUPS)
    assert found["closed_form"]["wait_positive"] == pytest.approx(0.211751, abs=1e-5)
    assert all(set(interval) == {"estimate", "low", "high"} for interval in found["simulated"].values())
    assert found["patients"] == 5000


def test_late_answers_have_null_where_no_closed_form_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SHORT, "--latency-minutes", "5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [found["closed_form"][group] is None for group in GROUPS] == [False, True, True, True, True]


def test_pathways_are_told_apart_and_the_rest_is_read_by_no_model(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pathways = ["--pathway", "name=a<b,share=.5,priority=1", "--pathway", "name=lung,share=.25,priority=2"]
    picture = tmp_path / "waits.svg"
    assert main([*SHORT, *pathways, "--figure", str(picture), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(pathway["name"], pathway["share"]) for pathway in found["pathways"]] == [
        ("a<b", 0.5),
        ("lung", 0.25),
        ("no-pathway", 0.25),
    ]
    drawn = "".join(ElementTree.fromstring(picture.read_text()).itertext())  # noqa: S314 (we wrote it)
    assert "a<b: diseased" in drawn


def test_own_reading_times_are_told_in_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--readers", "1", "--reading-minutes-diseased", "15", "--discipline", "preemptive"]
    assert main([*SHORT, *asked]) == 0
    assert "wait 7.903448 minutes by theory" in capsys.readouterr().out


def test_file_is_replayed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "november.csv"
    file.write_text("arrived_at\n" + "".join(f"2026-11-02T08:{minute:02}\n" for minute in range(0, 60, 4)))
    assert main(["simulate", "--replay", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["patients"] == 15
    assert found["traffic"] == pytest.approx(10 / 4 / 2)
    assert set(found["closed_form"].values()) == {None}
    assert any("belong to this file alone" in note for note in found["notes"])


@pytest.mark.parametrize("by_hour", [[], ["--arrivals-by-hour", ",".join(["1"] * 12 + ["2"] * 12)]])
def test_a_run_is_short_below_ten_relaxations_in_a_batch(
    by_hour: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """With traffic 0.5 ten relaxations are 10 · 0.5 / (1-√0.5)², 58 exams; a run of whole days is a little shorter."""
    for patients, is_short in ((1100, True), (1400, False)):
        asked = ["--traffic", ".5", "--patients", str(patients), "--reading-minutes", "100", *by_hour]
        assert main(["simulate", *asked]) == 0
        assert ("take more patients" in capsys.readouterr().out) is is_short


def test_what_a_file_tells_is_answered_by_the_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "november.csv"
    told = ["lung,1,1", "lung,0,1", "lung,0,0"] * 5
    rows = [f"2026-11-02T08:{4 * number:02},{words},4\n" for number, words in enumerate(told)]
    file.write_text("arrived_at,pathway,diseased,flagged,reading_minutes\n" + "".join(rows))
    pathways = ["--pathway", "name=stroke,share=.5", "--pathway", "name=lung,share=.5"]
    asked = [*pathways, "--reading-minutes-false-positive", "20", "--json"]
    assert main(["simulate", "--replay", str(file), *asked]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["ppv"], found["npv"]) == (pytest.approx(1 / 2), 1.0)
    assert found["arrivals_per_minute"] == pytest.approx(14 / 56)
    assert found["traffic"] == pytest.approx(4 / 4 / 2)
    assert found["traffic_with_ai"] == pytest.approx((4 + 8 + 4) / 3 / 4 / 2)
    assert [pathway["share"] for pathway in found["pathways"]] == [0.0, 1.0]


def test_traffic_of_a_file_without_reading_times_is_that_of_the_exams_it_tells(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "november.csv"
    rows = [f"2026-11-02T08:{4 * number:02},1,0\n" for number in range(15)]
    file.write_text("arrived_at,diseased,flagged\n" + "".join(rows))
    assert main(["simulate", "--replay", str(file), "--reading-minutes-diseased", "6", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["ppv"], found["npv"]) == (None, 0.0)
    assert found["traffic"] == pytest.approx(6 / 4 / 2)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("--traffic 1", "traffic is 1"),
        ("--traffic nan", "traffic is nan"),
        ("--traffic 0", "traffic is 0"),
        ("--readers 0", "readers is 0"),
        ("--prevalence 1.2", "prevalence is 1.2"),
        ("--sensitivity -0.1", "sensitivity is -0.1"),
        ("--false-positive-fraction 2", "false-positive-fraction is 2"),
        ("--interrupting-fraction 1.1", "interrupting-fraction is 1.1"),
        ("--reading-minutes 0", "reading-minutes is 0"),
        ("--latency-minutes -1", "latency-minutes is -1"),
        ("--traffic .95 --reading-minutes-false-positive 60", "traffic with AI comes to"),
        ("--patients 10", "patients is 10"),
        ("--pathway share=.8 --pathway share=.4", "add up to 1.2"),
        ("--pathway sher=.8", "sher is not one of"),
        ("--pathway name=a", "share is needed"),
        ("--arrivals-by-hour 1,2", "24 numbers"),
        ("--replay /nonexistent.csv", "cannot be read"),
        ("--replay x.csv --traffic .5", "exclude each other"),
        ("--figure waits.png --patients 1000", "must end in .svg"),
    ],
)
def test_impossible_input_is_one_line_and_a_usage_error(
    asked: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *asked.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert words in captured.err
