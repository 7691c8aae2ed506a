"""The command line imports only what the command needs, and knows every command."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from voorrang.__main__ import EXIT_OK, EXIT_USAGE, main

COMMANDS = [
    "up",
    "demo",
    "ingest",
    "inference",
    "worklist",
    "monitoring",
    "where",
    "model",
    "simulate",
    "minutes",
    "migrate",
    "doctor",
    "bench",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_found_by_its_name(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    assert ended.value.code == EXIT_OK
    assert capsys.readouterr().out.startswith(f"usage: voorrang {command}")


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])

    listed = re.findall(r"^    ([a-z]+)", capsys.readouterr().out, re.MULTILINE)
    assert listed == COMMANDS


def test_an_unknown_command_is_a_mistake_of_usage() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["nonsense"])

    assert ended.value.code == EXIT_USAGE


def test_a_service_does_not_import_what_only_other_commands_need() -> None:
    script = "import sys, voorrang.__main__ as m\ntry: m.main(['worklist', '--help'])\nfinally: print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert "voorrang.commands.services" in done.stdout
    assert not {"alembic", "kafka", "numpy", "pydicom", "voorrang.commands.doctor"} & set(done.stdout.split())


@pytest.mark.parametrize("said", [None, "active"])
def test_threads_that_wait_sleep_unless_the_operator_says_otherwise(
    said: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", said or "")  # so that it is put back
    if said is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "voorrang" in capsys.readouterr().out
    assert os.environ["OMP_WAIT_POLICY"] == (said or "passive")
