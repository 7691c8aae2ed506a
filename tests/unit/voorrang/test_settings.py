"""A mistake in the settings is one line that names the setting and says what to do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from voorrang.__main__ import EXIT_FAILED, main
from voorrang.errors import ConfigurationError
from voorrang.settings import CONFIG_VARIABLE, load_settings


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from the defaults."""
    for name in [name for name in os.environ if name.startswith("VOORRANG_")]:
        monkeypatch.delenv(name)


def refusal() -> str:
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    (line,) = str(refused.value).splitlines()
    return line


@pytest.mark.parametrize("name", ["READERS", "AE_TITLES", "SENDERS", "HL7_SENDERS"])
@pytest.mark.parametrize("text", ["{vermeulen: radiologist}", "vermeulen", "{"])
def test_a_map_in_a_variable_that_is_not_json_is_named_with_the_form(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setenv(f"VOORRANG_{name}", text)
    line = refusal()
    assert f"VOORRANG_{name}" in line
    assert "JSON" in line
    assert CONFIG_VARIABLE in line


def test_a_map_in_a_variable_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOORRANG_READERS", '{"vermeulen": "radiologist"}')
    assert load_settings().readers == {"vermeulen": "radiologist"}


def test_doctor_says_which_setting_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VOORRANG_READERS", "{vermeulen: radiologist}")
    assert main(["doctor"]) == EXIT_FAILED
    assert capsys.readouterr().out.startswith("FAILS settings: VOORRANG_READERS")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"- site: a\n", "site: example-hospital"),
        (b"3\n", "site: example-hospital"),
        (b"site\n", "site: example-hospital"),
        (b"3: 4\n", "site: example-hospital"),
        (b"site: a\nreaders: [\n", ":3: not YAML"),
        (b"site: a\n---\nsite: b\n", ":2: not YAML"),
        (b"\xff\xfe", "UTF-8"),
    ],
)
def test_a_file_that_holds_no_settings_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "voorrang.yaml"
    path.write_bytes(content)
    monkeypatch.setenv(CONFIG_VARIABLE, str(path))
    line = refusal()
    assert str(path) in line
    assert says in line


@pytest.mark.parametrize("content", ["", "# nothing yet\n", "readers: {vermeulen: radiologist}\n"])
def test_a_file_may_be_empty_or_hold_maps_as_yaml(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "voorrang.yaml"
    path.write_text(content)
    monkeypatch.setenv(CONFIG_VARIABLE, str(path))
    assert load_settings().readers == ({"vermeulen": "radiologist"} if "vermeulen" in content else {})


@pytest.mark.parametrize("zone", ["Europe/Amsterdan", "CEST+", "../etc/passwd", "Europe"])
def test_a_time_zone_that_nobody_knows_is_refused_before_anything_is_timed_by_it(
    monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("VOORRANG_TIME_ZONE", zone)
    line = refusal()
    assert line.startswith("settings: time_zone: ")
    assert zone in line
    assert "Europe/Paris" in line


@pytest.mark.parametrize(
    "way",
    [
        {"WEBHOOK": "https://hospital.example/call"},
        {"SMTP": "mail.example:25", "FROM": "voorrang@hospital.example", "TO": "on-call@hospital.example"},
    ],
)
def test_on_call_is_not_told_where_nobody_could_take_what_it_is_told_of(
    monkeypatch: pytest.MonkeyPatch, way: dict[str, str]
) -> None:
    for name, value in way.items():
        monkeypatch.setenv(f"VOORRANG_ESCALATION_{name}", value)
    assert "VOORRANG_READERS" in refusal()
    monkeypatch.setenv("VOORRANG_READERS", '{"vermeulen": "radiologist"}')
    load_settings()


ON_CALL = {
    "READERS": json.dumps({"a" * 128: "r" * 64}),
    "ESCALATION_SMTP": "mail.example:25",
    "ESCALATION_FROM": "Voorrang <voorrang@example.org>",
    "ESCALATION_TO": "on-call@example.org, Radiology <radiology@example.org>",
    "ESCALATION_WEBHOOK": "https://hook.example/x?y=1",
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ESCALATION_WEBHOOK", "https://:8443/x"),
        ("ESCALATION_WEBHOOK", "https://hook.example:99999/x"),
        ("ESCALATION_WEBHOOK", "http://hook.example:0"),
        ("ESCALATION_SMTP", "mail.example:70000"),
        ("ESCALATION_SMTP", "mail.example:0"),
        ("ESCALATION_TO", "on-call"),
        ("ESCALATION_TO", "on-call@example.org, nobody"),
        ("ESCALATION_FROM", "voorrang@example.org\nBcc: x@example.org"),
        ("READERS", json.dumps({"a" * 129: "radiologist"})),
        ("READERS", json.dumps({"anna": "r" * 65})),
    ],
)
def test_what_could_only_fail_at_night_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for other, right in ON_CALL.items():
        monkeypatch.setenv(f"VOORRANG_{other}", right)
    load_settings()
    monkeypatch.setenv(f"VOORRANG_{name}", value)
    assert name.lower() in refusal().lower()


def test_addresses_of_on_call_radiology_as_they_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ON_CALL.items():
        monkeypatch.setenv(f"VOORRANG_{name}", value)
    assert load_settings().escalation_webhook == ON_CALL["ESCALATION_WEBHOOK"]
