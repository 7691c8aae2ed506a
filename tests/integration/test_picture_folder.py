"""Key pictures on a real disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from voorrang.archive import PictureFolder

pytestmark = pytest.mark.integration

STUDY, SERIES = "1.2.3", "1.2.3.4"


@pytest.fixture
def folder(tmp_path: Path) -> PictureFolder:
    return PictureFolder(tmp_path / "pictures")


def test_a_picture_is_read_back_by_a_locator_that_tells_nothing(folder: PictureFolder) -> None:
    locator = folder.store(STUDY, SERIES, "1", b"png")
    assert folder.path(locator).read_bytes() == b"png"
    assert SERIES not in locator
    assert [path for path in folder.root.rglob("*.part")] == []


def test_the_same_again_is_kept_once_and_another_content_never_replaces_it(folder: PictureFolder) -> None:
    first = folder.store(STUDY, SERIES, "1", b"png")
    with ThreadPoolExecutor(4) as pool:
        again = set(pool.map(lambda _: folder.store(STUDY, SERIES, "1", b"png"), range(20)))
    assert again == {first}
    assert folder.store(STUDY, SERIES, "1", b"other") != first
    assert folder.path(first).read_bytes() == b"png"
    assert folder.store(STUDY, SERIES, "2", b"png") != first
    assert folder.store("1.2.9", SERIES, "1", b"png") != first


@pytest.mark.parametrize(
    "locator",
    [
        "",
        "studies/ab/1.2.3/1.2.3.4/1.2.3.4.5.dcm",
        "pictures/../archive/studies/secret.png",
        f"pictures/ab/{'0' * 40}/../../../../etc/passwd",
        f"pictures/ab/{'0' * 40}/{'0' * 40}.png",
        f"pictures/ab/{'0' * 40}/{'0' * 40}.dcm",
        f"pictures/ab/{'0' * 40}/{'0' * 40}.png\n",
    ],
)
def test_nothing_but_a_picture_is_found(folder: PictureFolder, locator: str) -> None:
    folder.store(STUDY, SERIES, "1", b"png")
    with pytest.raises(FileNotFoundError):
        folder.path(locator)


def test_a_series_goes_whole_and_again_is_nothing(folder: PictureFolder) -> None:
    folder.store(STUDY, SERIES, "1", b"png")
    folder.store(STUDY, SERIES, "2", b"png")
    kept = folder.store(STUDY, "1.2.3.5", "1", b"png")
    for _ in range(2):
        folder.remove_series(folder.of_series(STUDY, SERIES))
    assert [path for path in folder.root.rglob("*") if path.is_file()] == [folder.path(kept)]
    with pytest.raises(ValueError, match="not the locator"):
        folder.remove_series("studies/1.2.3")
