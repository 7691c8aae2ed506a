"""The site's secret is there as a whole or not at all, whatever happens while it is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.filling import files_at_most
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
