from __future__ import annotations

import mmap

import pytest

from ingest.listening.places import REGION_BYTES, Places


@pytest.fixture
def two() -> tuple[Places, Places]:
    shared = mmap.mmap(-1, 2 * REGION_BYTES)
    return Places(shared, 0), Places(shared, 1)


def test_a_connection_counts_before_it_has_asked_for_anything(two: tuple[Places, Places]) -> None:
    first, second = two
    assert not first.is_busier()

    first.connected()
    assert first.is_busier()
    assert not second.is_busier()

    second.connected()
    assert not first.is_busier()

    second.connected(-1)
    assert first.is_busier()


def test_places_are_counted_over_both_processes_and_connections_take_none(two: tuple[Places, Places]) -> None:
    first, second = two
    first.connected()
    assert first.take("10.0.0.1", 3, 2)
    second.connected()
    assert second.take("10.0.0.1", 3, 2)

    assert not first.take("10.0.0.1", 3, 2)  # two of one address
    assert first.take("10.0.0.2", 3, 2)
    assert not second.take("10.0.0.3", 3, 2)  # three in all

    first.leave("10.0.0.1")
    assert second.take("10.0.0.3", 3, 2)


def test_no_more_addresses_than_a_region_holds(two: tuple[Places, Places]) -> None:
    first, second = two
    taken = sum(first.take(f"10.0.{n // 256}.{n % 256}", REGION_BYTES, 1) for n in range(REGION_BYTES))

    assert REGION_BYTES // 8 - 2 <= taken < REGION_BYTES // 8
    assert not second.is_busier()  # nor is the other's region overwritten
