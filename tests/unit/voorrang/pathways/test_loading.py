from __future__ import annotations

import re
from pathlib import Path

import pytest

from voorrang.errors import ConfigurationError
from voorrang.pathways.loading import load_pathway, load_pathways

GOOD = """\
pathway: stroke
wants:
  modality: CT
  region: head
complete:
  quiet_seconds: 5
  cap_seconds: 120
  negative_provisional_until: {quiet_seconds: 60}
lane: urgent
models:
  - {name: reference-head, operating_point: 0.5}
delay:
  harm_per_minute: 1.0
  read_within_minutes: 15
  result_within_minutes: 3
  lift_to: urgent
  owner: test
  source: test
  decided_on: 2026-11-22
reading:
  minutes: 8
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_pathway(path)
    return str(caught.value)


def test_a_good_file_is_a_pathway(folder: Path) -> None:
    pathway = load_pathway(write(folder, GOOD))
    assert pathway.name == "stroke"
    assert pathway.complete.negative_provisional_until.count_confirmed
    assert pathway.model_use("reference-head") is not None
    assert pathway.model_use("another") is None


def test_the_pathways_of_the_package_load() -> None:
    assert set(load_pathways(None)) >= {"stroke", "lung-nodule"}


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("  region: head", "  region: knee", 4, "wants.region"),
        ("  quiet_seconds: 5", "  quiet_seconds: 0", 6, "complete.quiet_seconds"),
        ("  quiet_seconds: 5", "  quiet_seconds: soon", 6, "complete.quiet_seconds"),
        ("{quiet_seconds: 60}", "{quiet_seconds: -1}", 8, "complete.negative_provisional_until.quiet_seconds"),
        ("lane: urgent", "lane: fast", 9, "lane"),
        ("operating_point: 0.5", "operating_point: 1.5", 11, "models.0.operating_point"),
        ("  harm_per_minute: 1.0", "  harm_per_minute: -1", 13, "delay.harm_per_minute"),
        ("  lift_to: urgent", "  lift_to: immediate", 16, "delay.lift_to"),
        ("  lift_to: urgent", "  lift_to: stat", 16, "delay.lift_to"),
        ("  owner: test", "  owner: ''", 17, "delay.owner"),
        ("  decided_on: 2026-11-22", "  decided_on: soon", 19, "delay.decided_on"),
        ("pathway: stroke", "pathway: Stroke!", 1, "pathway"),
        ("  minutes: 8", "  minutes: 8\n  hours: 1", 22, "reading.hours"),
        ("  quiet_seconds: 5\n", "", 5, "complete.quiet_seconds"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_remedy(folder: Path, old: str, new: str, line: int, what: str) -> None:
    assert GOOD.count(old) == 1
    path = write(folder, GOOD.replace(old, new))
    message = refusal(path)
    assert message.startswith(f"{path}:{line}: {what}: ")
    assert re.search(r"; (correct this value|add this key|remove this key)", message)
    assert "\n" not in message


@pytest.mark.parametrize("key", ["influence: rank", "state: active"])
@pytest.mark.parametrize("place", ["model", "top", "delay"])
def test_no_file_gives_a_model_its_influence(folder: Path, key: str, place: str) -> None:
    name = key.split(":")[0]
    text = {
        "model": GOOD.replace("operating_point: 0.5}", f"operating_point: 0.5, {key}}}"),
        "top": GOOD + key + "\n",
        "delay": GOOD.replace("  owner: test", f"  {key}\n  owner: test"),
    }[place]
    message = refusal(write(folder, text))
    assert f"{name}: Extra inputs are not permitted" in message
    assert "remove this key; a model's state is given by `voorrang model activate`, never by a file" in message


@pytest.mark.parametrize("text", ["", "just a word", "- 1\n- 2\n", "42", "null"])
def test_a_file_that_is_no_mapping_is_refused_at_its_first_line(folder: Path, text: str) -> None:
    path = write(folder, text)
    assert refusal(path).startswith(f"{path}:1: the file: ")


def test_broken_yaml_is_named_with_its_line(folder: Path) -> None:
    path = write(folder, GOOD.replace("lane: urgent", "lane: [urgent"))
    message = refusal(path)
    assert re.match(rf"{re.escape(str(path))}:1[0-9]: not YAML: ", message)
    assert "mend the syntax" in message


def test_a_python_object_in_a_file_is_refused_and_not_made(folder: Path) -> None:
    path = write(folder, GOOD.replace("lane: urgent", "lane: !!python/object/apply:os.getcwd []"))
    assert refusal(path).startswith(f"{path}:9: ")


def test_a_file_that_is_not_there_is_named(folder: Path) -> None:
    assert str(folder / "none.yaml") in refusal(folder / "none.yaml")


def test_a_file_that_is_not_text_is_named(folder: Path) -> None:
    path = folder / "mine.yaml"
    path.write_bytes(b"pathway: \xff\xfe")
    assert str(path) in refusal(path)


def test_two_files_of_one_name_are_refused(folder: Path) -> None:
    write(folder, GOOD, "a.yaml")
    second = write(folder, GOOD, "b.yaml")
    with pytest.raises(ConfigurationError, match="pathway stroke is defined twice; rename one") as caught:
        load_pathways(folder)
    assert str(second) in str(caught.value)


def test_a_folder_without_a_pathway_is_refused_with_the_setting_to_change(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="set VOORRANG_PATHWAYS_DIR"):
        load_pathways(folder)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("cap_seconds: 120", "cap_seconds: 2", "cap_seconds is below quiet_seconds"),
        ("cap_seconds: 120", "cap_seconds: .inf", "finite"),
        ("modality: CT", "modality: ct", "modality"),
        ("modality: CT", "slice_thickness_mm: [5, 0.5]", "the thinnest comes first"),
        (
            "  - {name: reference-head, operating_point: 0.5}",
            "  - {name: reference-head, operating_point: 0.5}\n  - {name: reference-head, operating_point: 0.1}",
            "named twice",
        ),
    ],
)
def test_what_can_never_work_is_refused_with_its_line(folder: Path, before: str, after: str, words: str) -> None:
    path = folder / "stroke.yaml"
    path.write_text(GOOD.replace(before, after))
    with pytest.raises(ConfigurationError, match=rf"stroke\.yaml:\d+: .*{re.escape(words)}"):
        load_pathway(path)


def test_a_file_with_a_control_character_is_named(folder: Path) -> None:
    path = folder / "stroke.yaml"
    path.write_text(GOOD + "\0")
    with pytest.raises(ConfigurationError, match=r"(?s)stroke\.yaml: cannot be read: .*UTF-8"):
        load_pathway(path)
