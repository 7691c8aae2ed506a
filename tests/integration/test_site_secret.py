"""The site's secret is there as a whole or not at all, whatever happens while it is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.filling import files_at_most
from voorrang.archive import durable
from voorrang.site_secret import load_site_keys, make_secret

pytestmark = pytest.mark.integration


def test_a_disk_that_refuses_leaves_nothing_and_it_is_made_later(tmp_path: Path) -> None:
    path = tmp_path / "site-secret"
    with files_at_most(10), pytest.raises(OSError):  # noqa: PT011 - which one is the kernel's affair
        make_secret(path)
    assert list(tmp_path.iterdir()) == []
    make_secret(path)
    assert path.stat().st_mode & 0o777 == 0o600
    made = load_site_keys(path)
    make_secret(path)
    assert load_site_keys(path) == made
    assert list(tmp_path.iterdir()) == [path]


def test_it_is_never_there_for_others_to_read_not_even_while_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []
    give_name = durable.give_name

    def seen(part: str, path: str) -> bool:
        modes.append(Path(part).stat().st_mode & 0o777)
        return give_name(part, path)

    monkeypatch.setattr(durable, "give_name", seen)
    make_secret(tmp_path / "site-secret")
    assert modes == [0o600]


def test_one_that_was_made_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "site-secret"
    give_name = durable.give_name

    def overtaken(part: str, name: str) -> bool:
        path.write_text("a" * 64)
        return give_name(part, name)

    monkeypatch.setattr(durable, "give_name", overtaken)
    make_secret(path)
    assert path.read_text() == "a" * 64
    assert list(tmp_path.iterdir()) == [path]
