"""The groups whose mean waits are told, by the names that the output uses. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from worklist.queueing.scenario import Kind, Scenario

WITHOUT_AI = "wait_without"
WITH_AI = ("wait_diseased", "wait_nondiseased", "wait_positive", "wait_negative")
_IS_MEMBER: Mapping[str, Callable[[Kind], bool]] = {
    "wait_without": lambda _: True,
    "wait_diseased": lambda kind: kind.diseased,
    "wait_nondiseased": lambda kind: not kind.diseased,
    "wait_positive": lambda kind: kind.flagged,
    "wait_negative": lambda kind: not kind.flagged,
}


def members(scenario: Scenario, group: str, pathway: int | None = None) -> tuple[int, ...]:
    """
    Return the numbers of the kinds of exams in a group; those that interrupt are in none.

    Parameters
    ----------
    scenario
        The reading room.
    group
        A name.
    pathway
        Only of that number; None for all.
    """
    return tuple(
        number
        for number, kind in enumerate(scenario.kinds())
        if _IS_MEMBER[group](kind) and pathway in (None, kind.pathway)
    )
