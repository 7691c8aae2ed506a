"""Gives items their place: facts in, sort key and view out, and the event that says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from voorrang import register
from voorrang.calibration import Calibration, load_activated
from voorrang.database import Connection
from voorrang.events.records import WorklistItemRanked
from voorrang.metrics import ITEMS_EXPIRED, ITEMS_OPEN, LAST_SLICE_TO_PRIORITY_SECONDS, MODELS_WITHOUT_INFLUENCE
from voorrang.pathways.pathway import Pathway
from voorrang.register import Activation
from voorrang.runtime import Runtime
from worklist import count_store, facts_store, item_store, place_store
from worklist.banners import banners
from worklist.facts import ItemFacts
from worklist.minutes import history
from worklist.ordering.ageing import UNCLAIMED, expires_at
from worklist.ordering.places import sort_key
from worklist.ordering.tiers import TierOrder, tier_order
from worklist.orders.facts import Standing
from worklist.origins import origin_of
from worklist.reading import shown
from worklist.reading.ending import end_reading
from worklist.states import ItemState, ItemView, late_at, view_item

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
    _calibrations_seen: frozenset[str] = frozenset()

    def rank(self, connection: Connection, item_key: str) -> None:
        """Decide the place of one item anew; say so when anything about it changed."""
        self._rank(connection, item_key, register.activations(connection))

    def _rank(self, connection: Connection, item_key: str, activations: Sequence[Activation]) -> None:
        facts = facts_store.item_facts(connection, item_key)
        now = self.runtime.clock.now()
        if not facts.studies:
            item_store.withdraw_item(connection, item_key, now)
            return
        unread = facts.unread
        view = view_item(unread, self.runtime.pathways, activations, now, self._calibrations(activations))
        shown.record(connection, item_key, view.pathways, activations, now)
        waiting = self._waiting(unread, view, now)
        key = sort_key(facts.human_tier, view.lifts, unread.arrived_at, item_key, expired=waiting.expired)
        version = item_store.put_item(connection, facts, key, view, now, waiting)
        if version is None:
            return
        without_ai = sort_key(facts.human_tier, (), unread.arrived_at, item_key, expired=waiting.expired)
        history.record(connection, unread, key, without_ai, view, now)
        speaks, settled = view.speaks, facts.settled
        is_open = settled.standing is Standing.OPEN
        if not is_open:
            end_reading(self.runtime, connection, item_key, settled.standing, settled.at or now)
        record = WorklistItemRanked(
            item_key=item_key,
            item_version=version,
            study_instance_uids=tuple(study.study_instance_uid for study in facts.studies),
            tier=key.tier.tier,
            rank=place_store.rank_of(connection, key) if is_open else 0,
            state=view.state.value,
            provisional=view.provisional,
            pathway=speaks.pathway if speaks else None,
            last_received_at=max(study.last_received_at for study in facts.studies),
            ranked_at=now,
            standing=settled.standing.value,
            settled_at=settled.at,
        )
        self.runtime.announce(connection, record, origin_of(self.runtime, facts), (item_key, version))

    def _calibrations(self, activations: Sequence[Activation]) -> Mapping[str, Calibration]:
        return load_activated(self.runtime.settings.calibrations_dir, activations)

    def _waiting(self, facts: ItemFacts, view: ItemView, now: datetime) -> item_store.Waiting:
        """Look what time alone changes: when an answer is late, and when an open item expires."""
        late = late_at(facts, self.runtime.pathways, now) if view.is_pending else None
        if view.state is ItemState.PRIOR or facts.settled.standing is not Standing.OPEN:
            return item_store.Waiting(due_at=late)
        expires = self._expires_at(facts)
        if expires <= now:
            return item_store.Waiting(expired=True, due_at=late)
        return item_store.Waiting(due_at=min(expires, late or expires))

    def _expires_at(self, facts: ItemFacts) -> datetime:
        """Return when an item expires: at the earliest of its pathways, and by the clock where none wants it."""
        names = {claim.pathway for study in facts.studies for claim in study.claims} & self.runtime.pathways.keys()
        rules = [self.runtime.pathways[name].ageing for name in names] or [UNCLAIMED]
        zone, tier = ZoneInfo(self.runtime.settings.time_zone), tier_order(facts.human_tier)
        return min(expires_at(facts.arrived_at, tier, rule, zone) for rule in rules)

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
            activations = register.activations(connection)
            calibrations = frozenset(self._calibrations(activations))
            everything = (revision, calibrations) != (self._register_revision, self._calibrations_seen)
            keys = item_store.item_keys(connection, due_at=None if everything else self.runtime.clock.now())
            expired = count_store.expired(connection)
            counts = count_store.counts(connection)
        self.rank_all(keys)
        self._register_revision, self._calibrations_seen = revision, calibrations
        for pathway in self.runtime.pathways.values():
            MODELS_WITHOUT_INFLUENCE.labels(pathway.name).set(len(banners([pathway], activations, calibrations)))
        for tier in TierOrder:
            ITEMS_EXPIRED.labels(tier.tier).set(expired.get(tier, 0))
            for state in ItemState:
                n = next((n for t, s, n in counts if (t, s) == (tier, state)), 0)
                ITEMS_OPEN.labels(tier.tier, state.value).set(n)


def begin_latency(pathways: Iterable[str]) -> None:
    """Show the count of each pathway before its first result: Prometheus sees no rise in what begins at 1."""
    for name in pathways:
        LAST_SLICE_TO_PRIORITY_SECONDS.labels(name)


def observe_latency(pathway: Pathway, last_received_at: datetime, visible_at: datetime) -> None:
    """Count the seconds from a last slice to the priority that followed from it."""
    seconds = (visible_at - last_received_at).total_seconds()
    LAST_SLICE_TO_PRIORITY_SECONDS.labels(pathway.name).observe(max(0.0, seconds))
