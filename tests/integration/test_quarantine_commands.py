"""What was refused: seen by a person, sent again through every rule, or thrown away; each act written down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmwrite
from pydicom.uid import UID
from sqlalchemy import insert, select

from ingest import quarantine
from ingest.store import NOT_TAKEN_IN
from ingest.tables import refusal
from tests.builders import START
from tests.integration.desks import ACTOR, BY, acts, desk_of, station_with_commands, told_acts
from tests.integration.listening import Station, encoded, listening, make_ct
from voorrang.__main__ import main
from voorrang.archive import Archive
from voorrang.clock import ManualClock
from voorrang.errors import ConfigurationError
from voorrang.register import Actor

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore::UserWarning")]

WHOSE = ("Test^Patient", "Patient", "T-1", "19600101", "A-1")
LONG_UID = "1.2.826." + "1" * 58


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    with station_with_commands(tmp_path, clock, monkeypatch) as made:
        yield made


def part10(calling: str = "CT-7", called: str = "VOORRANG", announced: str = "", **elements: Any) -> bytes:
    """Make a file as the listener keeps it: who sent it to whom stands in its group 0002."""
    ds = make_ct(1, **elements)
    meta = ds.file_meta
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = UID(announced or str(ds.SOPInstanceUID))
    meta.SendingApplicationEntityTitle = calling
    meta.ReceivingApplicationEntityTitle = called
    ds.preamble = b"\0" * 128
    kept = BytesIO()
    dcmwrite(kept, ds, enforce_file_format=False)  # True would write the UID of the data set into group 0002
    return kept.getvalue()


def refuse(station: Station, content: bytes = b"", reason: str = "sop_class_uid_differs", **values: Any) -> int:
    """Keep bytes as refused, with a row; return its number."""
    locator = station.runtime.archive.quarantine(content or part10(), reason)
    row = {"reason": reason, "locator": locator, "at": START, "status": 0xA900, "sender": "CT-7"} | values
    with station.runtime.database.write() as connection:
        key = connection.execute(insert(refusal).values(**row)).inserted_primary_key
    assert key is not None
    return int(key[0])


def row_of(station: Station, number: int) -> Any:
    return station.rows(select(refusal).where(refusal.c.id == number))[0]


def files_in_quarantine(station: Station) -> list[str]:
    folder = station.runtime.settings.archive_dir / "quarantine"
    return sorted(path.name for path in folder.glob("*")) if folder.is_dir() else []


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


# List and show


def test_list_tells_of_each_why_when_from_whom_and_how_large(
    station: Station, capsys: pytest.CaptureFixture[str]
) -> None:
    content = part10()
    number = refuse(station, content)
    assert main(["ingest", "quarantine", "list"]) == 0
    lines = printed(capsys).splitlines()
    assert len(lines) == 2
    for word in (str(number), "2026-11-22 09:00:00", "0xA900", "CT-7", f"{len(content):,}", "another SOP Class UID"):
        assert word in lines[1]


def test_list_as_json_has_one_line_for_each(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = refuse(station), refuse(station, reason="unreadable_data_set", status=0xC000)
    assert main(["ingest", "quarantine", "list", "--json"]) == 0
    found = [json.loads(line) for line in printed(capsys).splitlines()]
    assert [one["id"] for one in found] == [first, second]
    assert [one["status"][:6] for one in found] == ["0xA900", "0xC000"]
    assert found[1]["reason"] == "unreadable_data_set"
    assert found[1]["at"] == START.isoformat()


def test_what_is_settled_or_was_not_kept_is_not_listed(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    refuse(station, settled="discarded", settled_at=START)
    refuse(station, locator=None)
    assert main(["ingest", "quarantine", "list"]) == 0
    assert printed(capsys) == "nothing waits in quarantine\n"


def test_list_says_when_bytes_are_gone(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    refuse(station, locator="quarantine/away")
    assert main(["ingest", "quarantine", "list"]) == 0
    assert " gone " in printed(capsys)


def test_a_sender_cannot_write_on_the_terminal(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    refuse(station, sender="\x1b[2JSCANNER")
    main(["ingest", "quarantine", "list"])
    assert "\x1b" not in printed(capsys)


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_show_tells_what_it_is_and_what_to_do_but_never_whose(
    form: list[str], station: Station, capsys: pytest.CaptureFixture[str]
) -> None:
    number = refuse(station)
    assert main(["ingest", "quarantine", "show", str(number), *form]) == 0
    text = printed(capsys)
    for word in ("another SOP Class UID", "0xA900", "corrected at the sender", "CT Image Storage", "Explicit VR"):
        assert word in text
    assert "Modality" in text
    assert "Rows" in text
    assert not [whose for whose in WHOSE if whose in text]


def test_show_tells_no_name_that_stands_where_a_code_should(
    station: Station, capsys: pytest.CaptureFixture[str]
) -> None:
    number = refuse(station, part10(Modality="Jansen^Piet", announced="1.2.3"))
    main(["ingest", "quarantine", "show", str(number), "--json"])
    captured = capsys.readouterr()
    assert "Jansen" not in captured.out + captured.err
    assert "Modality" not in json.loads(captured.out)["elements"]


def test_show_of_bytes_that_are_no_dicom_says_so(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    number = refuse(station, b"Jansen, Piet" * 40, reason="unreadable_data_set")
    assert main(["ingest", "quarantine", "show", str(number)]) == 0
    text = printed(capsys)
    assert "none could be read" in text
    assert "Jansen" not in text


@pytest.mark.parametrize("act", ["show", "replay", "discard"])
def test_a_number_that_is_none_is_said_to_be_so(act: str, station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ingest", "quarantine", act, "77", *([] if act == "show" else ACTOR)]) == 1
    assert "no refusal 77" in capsys.readouterr().err


# Replay


def test_replayed_instance_goes_through_the_listener_as_its_sender_sent_it(
    station: Station, capsys: pytest.CaptureFixture[str]
) -> None:
    number = refuse(station)
    with listening(station):
        assert main(["ingest", "quarantine", "replay", str(number), *ACTOR]) == 0
    (locator,) = station.stored()
    stored = station.runtime.archive.read(locator)
    assert stored.endswith(encoded(make_ct(1)))
    assert b"CT-7" in stored[:500]
    row = row_of(station, number)
    assert row.settled == "replayed"
    assert row.settled_at is not None
    assert files_in_quarantine(station) == []
    assert "accepted" in printed(capsys)


def test_replay_is_written_down_in_log_and_event(station: Station) -> None:
    number = refuse(station)
    with listening(station):
        quarantine.replay(desk_of(station), number, BY)
    expected = ("quarantine-replay", BY.actor, BY.role, f"refusal {number}", f"{BY.reason} [0x0000]")
    assert acts(station) == [expected]
    assert told_acts(station) == [("quarantine-replay", BY.actor, BY.role, BY.reason, None, None)]


def test_what_is_refused_again_stays_with_its_status_and_the_try_is_written_down(
    station: Station, capsys: pytest.CaptureFixture[str]
) -> None:
    number = refuse(station, part10(announced="1.2.3.4"))
    with listening(station):
        assert main(["ingest", "quarantine", "replay", str(number), *ACTOR]) == 1
    assert "0xA900" in printed(capsys)
    assert row_of(station, number).settled == ""
    assert station.runtime.archive.path(row_of(station, number).locator).is_file()
    assert [act[-1] for act in acts(station)] == [f"{BY.reason} [0xA900 (data set does not match SOP class)]"]
    assert len(told_acts(station)) == 1


def test_an_instance_whose_uid_is_too_long_is_refused_by_the_rule_and_not_by_the_sender(station: Station) -> None:
    number = refuse(station, part10(announced=LONG_UID))
    with listening(station):
        accepted, words = quarantine.replay(desk_of(station), number, BY)
    assert not accepted
    assert "0x0117" in words


@pytest.mark.parametrize("content", [b"no part 10 file", b"\0" * 128 + b"DICM" + b"\xff" * 40])
def test_bytes_without_a_file_meta_group_are_said_to_be_so(content: bytes, station: Station) -> None:
    number = refuse(station, content)
    with listening(station):
        accepted, words = quarantine.replay(desk_of(station), number, BY)
    assert not accepted
    assert "file meta group" in words


def test_all_are_replayed_and_one_that_is_refused_again_holds_up_none(
    station: Station, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = [
        refuse(station, part10(announced="1.2.3.4")),
        refuse(station, part10(SOPInstanceUID="1.2.3.5")),
        refuse(station, part10(SOPInstanceUID="1.2.3.6")),
    ]
    with listening(station):
        assert main(["ingest", "quarantine", "replay", "--all", *ACTOR]) == 1
    assert [row_of(station, number).settled for number in numbers] == ["", "replayed", "replayed"]
    words = [line for line in printed(capsys).splitlines() if line.startswith("refusal ")]
    assert [line.split(": ")[1][:7] for line in words] == ["refused", "accepte", "accepte"]
    assert len(station.stored()) == 2


def test_without_a_listener_nothing_is_done(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    number = refuse(station)
    assert main(["ingest", "quarantine", "replay", str(number), *ACTOR]) == 1
    assert "is `voorrang ingest serve` running?" in capsys.readouterr().err
    assert row_of(station, number).settled == ""
    assert acts(station) == []


def test_a_listener_with_tls_only_cannot_be_replayed_to(station: Station) -> None:
    number = refuse(station)
    desk = desk_of(station)
    with_tls_only = desk.settings.model_copy(update={"dicom_port": 0})
    with pytest.raises(ConfigurationError, match="without TLS"):
        quarantine.replay(replace(desk, settings=with_tls_only), number, BY)


def test_replay_wants_one_or_all(station: Station) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["ingest", "quarantine", "replay", *ACTOR])
    assert ended.value.code == 2


# Discard


def test_discarded_bytes_are_gone_and_that_is_written_down(station: Station) -> None:
    content = part10()
    number = refuse(station, content)
    words = quarantine.discard(desk_of(station), number, BY)
    assert f"{len(content)} bytes freed" in words
    assert files_in_quarantine(station) == []
    assert row_of(station, number).settled == "discarded"
    assert acts(station) == [("quarantine-discard", BY.actor, BY.role, f"refusal {number}", BY.reason)]
    assert told_acts(station) == [("quarantine-discard", BY.actor, BY.role, BY.reason, None, None)]


def test_what_is_settled_is_settled_once(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    number = refuse(station)
    assert main(["ingest", "quarantine", "discard", str(number), *ACTOR]) == 0
    assert main(["ingest", "quarantine", "discard", str(number), *ACTOR]) == 1
    assert "discarded already" in capsys.readouterr().err
    assert len(acts(station)) == 1


def test_an_accepted_instance_that_was_set_aside_is_never_removed(station: Station) -> None:
    locator = station.runtime.archive.quarantine(part10(), NOT_TAKEN_IN)
    number = refuse(station, reason=NOT_TAKEN_IN, locator=locator)
    desk = desk_of(station)
    with listening(station):
        for act in (quarantine.replay, quarantine.discard):
            with pytest.raises(ConfigurationError, match="lies in the archive"):
                act(desk, number, BY)
    assert quarantine.replayable(desk) == []
    assert station.runtime.archive.path(locator).is_file()


class StuckArchive(Archive):
    """An archive whose disk lets nothing go."""

    def remove(self, locator: str) -> int:
        """Fail."""
        raise OSError("read-only file system")


def test_what_the_disk_does_not_let_go_is_not_settled(station: Station) -> None:
    number = refuse(station)
    desk = replace(desk_of(station), archive=StuckArchive(station.runtime.settings.archive_dir))
    with pytest.raises(OSError, match="read-only"):
        quarantine.discard(desk, number, BY)
    assert row_of(station, number).settled == ""
    assert acts(station) == []
    assert told_acts(station) == []


@pytest.mark.parametrize("act", ["replay", "discard"])
@pytest.mark.parametrize("missing", ["--actor", "--role", "--reason"])
def test_command_wants_to_know_who(act: str, missing: str, station: Station) -> None:
    number = refuse(station)
    at = ACTOR.index(missing)
    with pytest.raises(SystemExit) as ended:
        main(["ingest", "quarantine", act, str(number), *ACTOR[:at], *ACTOR[at + 2 :]])
    assert ended.value.code == 2
    given = ["" if value == ACTOR[at + 1] else value for value in ACTOR]
    assert main(["ingest", "quarantine", act, str(number), *given]) == 1
    assert row_of(station, number).settled == ""


def test_a_reason_that_the_log_cannot_hold_is_not_cut_off(station: Station) -> None:
    number = refuse(station)
    with pytest.raises(ConfigurationError, match="--reason is longer"):
        quarantine.discard(desk_of(station), number, Actor("Bakker", "operator", "x" * 901))
