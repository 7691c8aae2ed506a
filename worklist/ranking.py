"""Gives items their place: facts in, sort key and view out, and the event that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from voorrang import register
from voorrang.database import Connection
from voorrang.events.records import WorklistItemRanked
from voorrang.metrics import ITEMS_OPEN, LAST_SLICE_TO_PRIORITY_SECONDS, MODELS_WITHOUT_INFLUENCE
from voorrang.pathways.pathway import Pathway
from voorrang.register import Activation
from voorrang.runtime import Runtime
from worklist import store
from worklist.banners import banners
from worklist.minutes import history
from worklist.orders.facts import Standing
from worklist.origins import origin_of
from worklist.policy import TierOrder, sort_key
from worklist.reading import shown
from worklist.reading.ending import end_reading
from worklist.states import ItemState, view_item

ITEMS_IN_A_TRANSACTION = 20


@dataclass(slots=True)
class Ranking:
    """
    Ranks items within the caller's transaction.

    Parameters
    ----------
    runtime
        The service.
    """

    runtime: Runtime
    _register_revision: int = -1

    def rank(self, connection: Connection, item_key: str) -> None:
        """Decide the place of one item anew; say so when anything about it changed."""
        self._rank(connection, item_key, register.activations(connection))

    def _rank(self, connection: Connection, item_key: str, activations: Sequence[Activation]) -> None:
        facts = store.item_facts(connection, item_key)
        now = self.runtime.clock.now()
        if not facts.studies:
            store.withdraw_item(connection, item_key, now)
            return
        view = view_item(facts, self.runtime.pathways, activations, now)
        shown.record(connection, item_key, view.pathways, activations, now)
        key = sort_key(facts.human_tier, view.lifts, facts.arrived_at, item_key)
        version = store.put_item(connection, facts, key, view, now)
        if version is None:
            return
        history.record(connection, facts, key, view, now)
        speaks, settled = view.speaks, facts.settled
        is_open = settled.standing is Standing.OPEN
        if not is_open:
            end_reading(self.runtime, connection, item_key, settled.standing, settled.at or now)
        record = WorklistItemRanked(
            item_key=item_key,
            item_version=version,
            study_instance_uids=tuple(study.study_instance_uid for study in facts.studies),
            tier=key.tier.tier,
            rank=store.rank_of(connection, key) if is_open else 0,
            state=view.state.value,
            provisional=view.provisional,
            pathway=speaks.pathway if speaks else None,
            last_received_at=max(study.last_received_at for study in facts.studies),
            ranked_at=now,
            standing=settled.standing.value,
            settled_at=settled.at,
        )
        self.runtime.announce(connection, record, origin_of(self.runtime, facts), (item_key, version))

    def rank_all(self, keys: Sequence[str]) -> None:
        """Decide the places of many items anew, a few in each transaction, so that events get in between."""
        for start in range(0, len(keys), ITEMS_IN_A_TRANSACTION):
            self._rank_some(keys[start : start + ITEMS_IN_A_TRANSACTION])

    def _rank_some(self, keys: Sequence[str]) -> None:
        with self.runtime.database.write() as connection:
            activations = register.activations(connection)
            for key in keys:
                self._rank(connection, key, activations)

    def step(self) -> None:
        """Look at what changes without an event: time, and the register, whose tables are the truth."""
        with self.runtime.database.read() as connection:
            revision = register.revision(connection)
            everything = revision != self._register_revision
            keys = store.item_keys(connection, pending_only=not everything)
            activations = register.activations(connection)
            counts = store.counts(connection)
        self.rank_all(keys)
        self._register_revision = revision
        for pathway in self.runtime.pathways.values():
            MODELS_WITHOUT_INFLUENCE.labels(pathway.name).set(len(banners([pathway], activations)))
        for tier in TierOrder:
            for state in ItemState:
                n = next((n for t, s, n in counts if (t, s) == (tier, state)), 0)
                ITEMS_OPEN.labels(tier.tier, state.value).set(n)


def observe_latency(pathway: Pathway, last_received_at: datetime, visible_at: datetime) -> None:
    """Count the seconds from a last slice to the priority that followed from it."""
    seconds = (visible_at - last_received_at).total_seconds()
    LAST_SLICE_TO_PRIORITY_SECONDS.labels(pathway.name).observe(max(0.0, seconds))
