"""The order of `bench ingest`: every receiver in turn, round after round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event as Flag
from time import monotonic

from voorrang.bench.figures import ASSOCIATIONS
from voorrang.bench.idling import idle_cpu_shares
from voorrang.bench.measuring import WARM_UP, Row, Stamps, measure
from voorrang.bench.names import DCMTK_FORK, DURABLE, ORTHANC, PYNETDICOM_APP, VOLATILE
from voorrang.bench.receiver import Receiver
from voorrang.bench.slices import Batch

_WARMING = max(ASSOCIATIONS)  # a listener has several processes, and each takes its first instance more slowly
_SLOW = frozenset({ORTHANC, PYNETDICOM_APP})
_OF_SMALL = (DCMTK_FORK, VOLATILE, DURABLE, PYNETDICOM_APP)


@dataclass(frozen=True, slots=True)
class Plan:
    """
    How much is measured.

    Parameters
    ----------
    large, small
        Instances of each kind.
    small_to_slow
        Small instances that a receiver gets which takes less than 300 in a second.
    rounds, slow_rounds, small_rounds
        Rounds of large instances, those of slow receivers among them, and rounds of small instances.
    seconds
        No round is begun after these, but the first of each kind.
    """

    large: int = 300
    small: int = 3000
    small_to_slow: int = 1000
    rounds: int = 9
    slow_rounds: int = 3
    small_rounds: int = 2
    seconds: float = 390.0  # what is begun then, the memory and tidying up take two minutes more


@dataclass(frozen=True, slots=True)
class Batches:
    """What is sent: large instances, small ones, and fewer small ones for who is slow."""

    large: Batch
    small: Batch
    few: Batch


def run_rounds(
    receivers: Sequence[Receiver], batches: Batches, plan: Plan, deadline: float, stamps: Stamps
) -> Iterator[Row]:
    """
    Measure every receiver in turn; a round is left out when there is no time for it.

    One start of a receiver differs from the next by more than its rounds do: the fast ones are started anew for each.
    """
    for receiver in receivers:
        yield _warm_up(receiver, batches, stamps)
    for number in range(1, max(plan.rounds, plan.small_rounds) + 1):
        if number > 1:
            if monotonic() > deadline:
                return
            yield from _start_anew(receivers, batches, stamps)
        of_round = list(_of_round(receivers, batches, plan, number))
        shares = idle_cpu_shares(list({one.name: one for one, _, _ in of_round}.values()), Flag().wait)
        for receiver, batch, associations in of_round:
            yield measure(receiver, batch, associations, number, stamps, shares[receiver.name])


def _of_round(
    receivers: Sequence[Receiver], batches: Batches, plan: Plan, number: int
) -> Iterator[tuple[Receiver, Batch, int]]:
    of_large = [r for r in receivers if number <= (plan.slow_rounds if r.name in _SLOW else plan.rounds)]
    yield from ((receiver, batches.large, n) for n in ASSOCIATIONS for receiver in of_large)
    of_small = [r for r in receivers if r.name in _OF_SMALL] if number <= plan.small_rounds else []
    for n in ASSOCIATIONS:
        yield from ((r, batches.few if r.name in _SLOW else batches.small, n) for r in of_small)


def _start_anew(receivers: Sequence[Receiver], batches: Batches, stamps: Stamps) -> Iterator[Row]:
    for receiver in receivers:
        if receiver.name not in _SLOW:
            receiver.stop()
            receiver.start()
            yield _warm_up(receiver, batches, stamps)


def _warm_up(receiver: Receiver, batches: Batches, stamps: Stamps) -> Row:
    return measure(receiver, batches.large, _WARMING, WARM_UP, stamps)
