"""Looks after critical findings that nobody has read, and tells on-call radiology."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from voorrang.database import Connection
from voorrang.errors import RetryableError
from voorrang.logs import get_logger
from voorrang.metrics import ESCALATIONS
from voorrang.pathways.pathway import EscalationRule
from voorrang.runtime import Runtime
from worklist import facts_store, item_store
from worklist.reading import announcing, calls, claims, log, shown
from worklist.reading.calls import Call
from worklist.reading.deciding import decide
from worklist.reading.escalating import (
    AGAIN_SECONDS,
    CallState,
    Finding,
    Standing,
    Step,
    WhyEnded,
    first_at,
    next_step,
    why_not,
)
from worklist.reading.flags import UnreadFlag, moves, new_flags, opened_since
from worklist.reading.log import ITSELF, Act
from worklist.reading.telling import Channel, ChannelName, Notice

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class OnCall:
    """
    Tells on-call radiology of what waits unread.

    Parameters
    ----------
    runtime
        The service.
    channels
        Ways to tell; without one nothing begins.
    """

    runtime: Runtime
    channels: Sequence[Channel]

    def step(self) -> None:
        """Begin what is new, tell what is due."""
        rules = {p.name: p.escalation for p in self.runtime.pathways.values() if p.escalation is not None}
        if not self.channels or not rules:
            return
        with self.runtime.database.read() as connection:
            now = self.runtime.clock.now()
            new = new_flags(connection, rules, now)
            due = calls.due(connection, now)
        if new:
            with self.runtime.database.write() as connection:
                for flag in new:
                    _begin(connection, rules[flag.pathway], flag, now)
        for call in due:
            rule = rules.get(call.pathway)
            if rule is not None and (notice := self._look(call.id, rule)) is not None:
                self._tell(call, notice)

    def _look(self, number: int, rule: EscalationRule) -> Notice | None:
        """Decide about one call as it stands now; None when nobody is to be told."""
        with self.runtime.database.write() as connection:
            now = self.runtime.clock.now()
            call = calls.get(connection, number)
            if call is None or call.state is not CallState.WAITING or call.next_at > now:
                return None
            step, why = next_step(rule, _standing(connection, call, now), now)
            if step is Step.END and why is not None:
                calls.change(connection, number, state=CallState.ENDED.value, why=why.value)
                _say_skipped(connection, call.item_key, call.model_id, call.step, why, now)
            elif step is Step.LATER:
                calls.change(connection, number, next_at=now + timedelta(minutes=rule.after_minutes))
            elif step is Step.WAIT_FOR_LIMIT and not call.limited:
                calls.change(connection, number, limited=True)
            if step is not Step.TELL:
                return None
            # Before the message goes: after a crash it is told once more at its next time, never again and again.
            next_at = now + timedelta(minutes=rule.repeat_minutes)
            calls.change(connection, number, step=call.step + 1, next_at=next_at)
            waits = int((now - call.flagged_at).total_seconds() // 60)
        return Notice(number, call.step + 1, call.pathway, self.runtime.settings.site, waits)

    def _tell(self, call: Call, notice: Notice) -> None:
        told: list[ChannelName] = []
        for channel in self.channels:
            try:
                channel.tell(notice)
            except RetryableError as error:
                get_logger().warning("on-call was not told", channel=channel.name, reason=str(error))
                ESCALATIONS.labels(channel.name, "failed").inc()
            else:
                told.append(channel.name)
                ESCALATIONS.labels(channel.name, "told").inc()
        decide(self.runtime, partial(self._say_told, call, notice, tuple(told)))

    def _say_told(
        self, call: Call, notice: Notice, told: tuple[ChannelName, ...], connection: Connection, now: datetime
    ) -> None:
        detail = {"call": call.id, "step": notice.step, "pathway": call.pathway, "model_id": call.model_id}
        if not told:
            ESCALATIONS.labels("none", "failed").inc()
            log.append(connection, Act.CALL_FAILED, call.item_key, ITSELF, now, detail)
            again_at = now + timedelta(seconds=AGAIN_SECONDS)
            calls.change(connection, call.id, step=call.step, next_at=again_at)
            return
        log.append(connection, Act.CALLED, call.item_key, ITSELF, now, detail | {"channels": list(told)})
        announcing.escalated(
            self.runtime,
            connection,
            call.item_key,
            escalation=call.id,
            step=notice.step,
            pathway=call.pathway,
            model_id=call.model_id,
            channels=told,
            escalated_at=now,
        )


def _begin(connection: Connection, rule: EscalationRule, flag: UnreadFlag, now: datetime) -> None:
    item_key = flag.item_key
    lines = log.decisions(connection, [item_key]).get(item_key, [])
    studies = facts_store.item_facts(connection, item_key).studies
    finding = Finding(
        flagged_at=flag.flagged_at,
        unread_since=flag.unread_since,
        last_received_at=max((study.last_received_at for study in studies), default=flag.flagged_at),
        is_listed=item_store.is_listed(connection, item_key) is True,
        opened_since=opened_since(lines, flag.flagged_at),
    )
    why = why_not(rule, finding, now)
    first = first_at(rule, flag.unread_since)
    if calls.begin(connection, *flag.key, flag.unread_since, first, why) and why:
        _say_skipped(connection, item_key, flag.model_id, 0, why, now)


def _say_skipped(connection: Connection, item_key: str, model_id: str, step: int, why: WhyEnded, now: datetime) -> None:
    """Write down that nobody was told, where somebody would have been but for a backlog or the limit."""
    if step == 0 and why in (WhyEnded.BACKLOG, WhyEnded.LIMIT):
        log.append(connection, Act.CALL_SKIPPED, item_key, ITSELF, now, {"model_id": model_id, "why": why.value})
        ESCALATIONS.labels("none", why.value).inc()


def _standing(connection: Connection, call: Call, now: datetime) -> Standing:
    key = (call.item_key, call.pathway, call.model_id)
    return Standing(
        due_at=call.next_at,
        step=call.step,
        limited=call.limited,
        is_listed=item_store.is_listed(connection, call.item_key) is True,
        is_flagged=shown.is_flagged(connection, *key) and moves(connection, *key),
        is_being_read=call.item_key in claims.held(connection, [call.item_key]),
        told_this_hour=log.count_between(connection, Act.CALLED, call.model_id, now - HOUR, now),
    )
