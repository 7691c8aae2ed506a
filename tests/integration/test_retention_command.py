"""`voorrang ingest retention` on real rows and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ingest.tables import claim, conflict, instance, removal, series, study
from tests.builders import SITE
from tests.integration.retention_world import BYTES, World, make_world
from voorrang.__main__ import main
from voorrang.clock import ManualClock
from voorrang.database import Database
from voorrang.register import Actor
from voorrang.tables import operator_log, outbox

PERSON = Actor("m.jansen", "PACS administrator", "the disk is full")

pytestmark = pytest.mark.integration


@pytest.fixture
def world(database: Database, tmp_path: Path, clock: ManualClock) -> World:
    return make_world(database, tmp_path / "data", clock)


@pytest.fixture
def command(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same world, with the settings that a command reads and time as it is."""
    monkeypatch.setenv("VOORRANG_DATA_DIR", str(world.desk.settings.data_dir))
    monkeypatch.setenv("VOORRANG_DATABASE_URL", world.desk.database.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("VOORRANG_SITE", SITE)
    monkeypatch.setenv("VOORRANG_DISK_LOW_BYTES", "0")
    secret = world.desk.settings.secret_file
    secret.write_text("ab" * 32)
    secret.chmod(0o600)
    return world


def dry(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["ingest", "retention", "--dry-run", "--json"]) == 0
    values: dict[str, Any] = json.loads(capsys.readouterr().out)
    return values


def test_a_dry_run_says_what_would_go_and_changes_nothing(command: World, capsys: pytest.CaptureFixture[str]) -> None:
    older, old = command.put(1, 4000), command.put(2, 3000, answered=False)
    command.put(3, 4000, held=True)
    files = command.files()
    tables = (study, series, instance, conflict, claim, removal, outbox, operator_log)
    before = [command.rows(select(table)) for table in tables]

    found = dry(capsys)

    assert [(one["series_instance_uid"], one["why"]) for one in found["series"]] == [
        (older, "answered_and_older_than_limit"),
        (old, "unanswered_and_older_than_limit"),
    ]
    assert (found["series_count"], found["instance_count"], found["size_bytes"]) == (2, 6, 6 * len(BYTES))
    assert found["kept_series"] == {"held": 1}
    assert found["dry_run"] is True
    assert [command.rows(select(table)) for table in tables] == before
    assert command.files() == files


def test_the_command_deletes_in_the_name_of_whoever_asks(command: World, capsys: pytest.CaptureFixture[str]) -> None:
    command.put(1, 4000)
    promised = dry(capsys)
    who = ["--actor", PERSON.actor, "--role", PERSON.role, "--reason", PERSON.reason]

    assert main(["ingest", "retention", *who]) == 0

    assert "1 series deleted: 3 instances, 0.0 MB" in capsys.readouterr().out
    assert promised["series_count"] == len(command.deleted()) == 1
    (line,) = command.rows(select(operator_log))
    assert (line.actor, line.role) == (PERSON.actor, PERSON.role)
    assert line.detail.endswith(f"; {PERSON.reason}")
    assert list(command.archive.instances()) == []


@pytest.mark.parametrize("missing", ["--actor", "--role", "--reason"])
def test_deleting_wants_to_know_who(command: World, missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    uid = command.put(1, 4000)
    who = {"--actor": "x", "--role": "y", "--reason": "z"}
    with pytest.raises(SystemExit) as ended:
        main(["ingest", "retention", *(word for key, value in who.items() if key != missing for word in (key, value))])

    assert ended.value.code == 2
    assert missing in capsys.readouterr().err
    assert command.here() == {uid}
