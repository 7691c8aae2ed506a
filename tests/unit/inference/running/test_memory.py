"""How much memory there is: the machine's, or what a control group may have of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inference.running.memory import memory_bytes

MACHINE_BYTES = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def there_is(folder: Path, own: str, **limits: str) -> int:
    """Return the memory of a process in these groups; limits by path, with `__` for `/`."""
    for name, text in limits.items():
        path = folder / "cgroup" / name.replace("__", "/").replace("memory_max", "memory.max")
        path = path.with_name(path.name.replace("limit_in_bytes", "memory.limit_in_bytes"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "own").write_text(own)
    return memory_bytes(folder / "cgroup", folder / "own")


def test_without_a_limit_it_is_the_machines(tmp_path: Path) -> None:
    assert there_is(tmp_path, "0::/a\n", a__memory_max="max\n") == MACHINE_BYTES
    assert memory_bytes(tmp_path, tmp_path / "none") == MACHINE_BYTES


@pytest.mark.parametrize("group", ["/", "/a", "/a/b"])
def test_in_a_container_it_is_the_containers(tmp_path: Path, group: str) -> None:
    assert there_is(tmp_path, f"0::{group}\n", memory_max="1073741824\n", a__memory_max="max\n") == 1 << 30


def test_the_narrowest_of_those_it_lies_in_counts(tmp_path: Path) -> None:
    found = there_is(tmp_path, "0::/a/b\n", a__memory_max="500000000\n", a__b__memory_max="700000000\n")
    assert found == 500_000_000


def test_groups_of_version_1_too(tmp_path: Path) -> None:
    own = "12:cpu,cpuacct:/x\n5:memory:/docker/f\n"
    assert there_is(tmp_path, own, memory__docker__f__limit_in_bytes="400000000\n") == 400_000_000
    assert there_is(tmp_path, own, memory__docker__f__limit_in_bytes=f"{1 << 62}\n") == MACHINE_BYTES


def test_a_group_out_of_our_sight_says_nothing(tmp_path: Path) -> None:
    assert there_is(tmp_path, "0::/../../other\n", memory_max="max\n") == MACHINE_BYTES
