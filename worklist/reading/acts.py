"""What readers do: open, hand back, done, agree or not, take a critical finding; each one decision, one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from voorrang.database import Connection
from voorrang.events.reading_records import HowOpened, Judgement, WhyWrong
from voorrang.runtime import Runtime
from worklist import facts_store, item_store, list_store, study_store
from worklist.ordering.places import SortKey
from worklist.ranking import Ranking
from worklist.reading import announcing, calls, claims, log, shown
from worklist.reading.claims import Claim
from worklist.reading.deciding import decide
from worklist.reading.ending import expire
from worklist.reading.escalating import WhyEnded
from worklist.reading.log import Act, Decision, Reader
from worklist.reading.refusing import ActRefusedError, Refusal
from worklist.states import ItemState

PAGE = 50

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done:
    """
    What a *done* was about.

    `covers` are the studies that are read by it, `left` those of the item that are still to be read: with one of them
    the item stays on the list. `decision` is its number.
    """

    decision: int
    covers: tuple[str, ...]
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """
    The acts of readers.

    Parameters
    ----------
    runtime
        The service.
    """

    runtime: Runtime

    def open(self, item_key: str, by: Reader, how: HowOpened) -> Claim:
        """Take an item from the list, or from the PACS; who has it already has it for longer."""

        def act(connection: Connection, now: datetime) -> Claim:
            """Open it unless another reader has it."""
            _require_listed(connection, item_key)
            held = claims.held(connection, [item_key]).get(item_key)
            if held is None:
                return self._open(connection, item_key, by, how, now)
            if held.actor != by.actor:
                raise ActRefusedError(Refusal.TAKEN)
            return claims.prolong(connection, held, now)

        return self._decide(act)

    def open_next(self, by: Reader) -> Claim:
        """Take what stands first of what nobody has; a reader who has an item already gets that one again."""

        def act(connection: Connection, now: datetime) -> Claim:
            """Open the first."""
            for held in claims.held_by(connection, by.actor):
                if item_store.is_listed(connection, held.item_key):
                    return claims.prolong(connection, held, now)
            item_key = _first_free(connection, by)
            if item_key is None:
                raise ActRefusedError(Refusal.NOTHING_LEFT)
            return self._open(connection, item_key, by, "next", now)

        return self._decide(act)

    def hand_back(self, item_key: str, by: Reader) -> None:
        """Give an item back unread."""

        def act(connection: Connection, now: datetime) -> None:
            """Let go of it."""
            held = claims.held(connection, [item_key]).get(item_key)
            if held is None or held.actor != by.actor:
                raise ActRefusedError(Refusal.NOT_YOURS)
            claims.drop(connection, item_key)
            detail = {"reading": held.reading, "place": _by_policy(list_store.place(connection, item_key))}
            number = log.append(connection, Act.HANDED_BACK, item_key, by, now, detail)
            announcing.closed(self.runtime, connection, item_key, held.reading, "handed_back", by, now, number)

        self._decide(act)

    def done(self, item_key: str, by: Reader, studies: Collection[str]) -> Done:
        """
        Say that studies of an item are read: without others it leaves the list, and awaits no report.

        Parameters
        ----------
        item_key
            Of the item.
        by
            Who says so.
        studies
            Those that the reader saw there. Of others nothing is said: one that came since is read by nobody, and all
            goes on as if it had come a moment later.
        """

        def act(connection: Connection, now: datetime) -> Done:
            """Write it down, and close the item or rank what is left of it."""
            _require_listed(connection, item_key)
            held = claims.held(connection, [item_key]).get(item_key)
            if held is not None and held.actor != by.actor:
                raise ActRefusedError(Refusal.TAKEN)
            awaits = facts_store.item_facts(connection, item_key).awaits
            covers = tuple(uid for uid in awaits if uid in studies)
            left = tuple(uid for uid in awaits if uid not in studies)
            if not covers:
                raise ActRefusedError(Refusal.OTHER_STUDIES)
            reading = held.reading if held else None
            claims.drop(connection, item_key)
            calls.end(connection, item_key, WhyEnded.CLOSED)
            study_store.set_done(connection, covers)
            if left:
                Ranking(self.runtime).rank(connection, item_key)
            else:
                item_store.close_item(connection, item_key, now)
            detail = {"reading": reading, "studies": list(covers), "left": list(left)}
            number = log.append(connection, Act.DONE, item_key, by, now, detail)
            announcing.closed(self.runtime, connection, item_key, reading, "by_hand", by, now, number)
            return Done(number, covers, left)

        return self._decide(act)

    def judge(self, item_key: str, by: Reader, judgement: Judgement, because: WhyWrong | None) -> int:
        """Agree or disagree with what AI has shown, or say why it is wrong; return the decision's number."""

        def act(connection: Connection, now: datetime) -> int:
            """Write the judgement with what it is about."""
            _require_known(connection, item_key)
            if not facts_store.item_facts(connection, item_key).studies:
                raise ActRefusedError(Refusal.MOVED)
            ai_shown = shown.shown_now(connection, item_key)
            if not ai_shown:
                raise ActRefusedError(Refusal.NOTHING_SHOWN)
            about = [answer.model_dump(mode="json") for answer in ai_shown]
            detail = {"judgement": judgement, "because": because, "ai_shown": about}
            line = log.write(connection, Act.JUDGED, item_key, by, now, detail)
            announcing.judged(self.runtime, connection, line, judgement, ai_shown)
            return line.id

        return self._decide(act)

    def undo(self, asked_key: str, by: Reader) -> int:
        """
        Take back one's last judgement or *done*; what was written stays.

        Parameters
        ----------
        asked_key
            Of the item that has the studies now, or that had them when it was said.
        by
            Whose act it was.

        Returns
        -------
        int
            The decision that is undone.
        """

        def act(connection: Connection, now: datetime) -> int:
            """Find it, and do the opposite."""
            item_key = _where_it_goes_on(connection, asked_key)
            lines = log.decisions(connection, [item_key]).get(item_key, [])
            before = log.undone(lines)
            mine = [x for x in lines if x.actor == by.actor and x.id not in before and x.act in (Act.JUDGED, Act.DONE)]
            if not mine:
                raise ActRefusedError(Refusal.NOTHING_TO_UNDO)
            last = mine[-1]
            line = log.write(connection, Act.UNDONE, item_key, by, now, {"undoes": last.id})
            if last.act is Act.JUDGED:
                now_shown = shown.shown_now(connection, item_key)
                announcing.judged(self.runtime, connection, line, "undone", now_shown, last.id)
            else:
                self._reopen(connection, last, by, now)
            return last.id

        return self._decide(act)

    def acknowledge(self, item_key: str, by: Reader) -> None:
        """Take a critical finding: on-call radiology is told no more."""

        def act(connection: Connection, now: datetime) -> None:
            """End the call."""
            _require_known(connection, item_key)
            if not calls.end(connection, item_key, WhyEnded.ACKNOWLEDGED):
                raise ActRefusedError(Refusal.NOBODY_CALLED)
            number = log.append(connection, Act.ACKNOWLEDGED, item_key, by, now)
            announcing.acknowledged(self.runtime, connection, item_key, number, by, now)

        self._decide(act)

    def acknowledge_call(self, reference: int, by: Reader) -> None:
        """Take the critical finding that a message to on-call radiology was about."""
        with self.runtime.database.read() as connection:
            call = calls.get(connection, reference)
        if call is None:
            raise ActRefusedError(Refusal.UNKNOWN_CALL)
        self.acknowledge(call.item_key, by)

    def expire(self) -> None:
        """End the claims whose time is over."""
        self._decide(lambda *_: None)

    def _open(self, connection: Connection, item_key: str, by: Reader, how: HowOpened, now: datetime) -> Claim:
        ai_shown = shown.shown_now(connection, item_key)
        about: Any = None if ai_shown is None else [answer.model_dump(mode="json") for answer in ai_shown]
        reading = log.append(connection, Act.OPENED, item_key, by, now, {"how": how, "ai_shown": about})
        held = claims.take(connection, item_key, by, reading, now)
        if held is None:
            raise ActRefusedError(Refusal.TAKEN)
        calls.end(connection, item_key, WhyEnded.OPENED)
        announcing.opened(self.runtime, connection, held, how, ai_shown)
        return held

    def _reopen(self, connection: Connection, done: Decision, by: Reader, now: datetime) -> None:
        """Put back what a *done* covered, wherever its studies are by now."""
        item_keys = study_store.set_undone(connection, _covered(connection, done))
        for item_key in item_keys:
            Ranking(self.runtime).rank(connection, item_key)
            if item_store.is_listed(connection, item_key) and item_key not in claims.held(connection, [item_key]):
                self._open(connection, item_key, by, "list", now)

    def _decide(self, act: Callable[[Connection, datetime], T]) -> T:
        def expire_and_act(connection: Connection, now: datetime) -> T:
            """End the claims whose time is over, then act."""
            expire(self.runtime, connection, now)
            return act(connection, now)

        return decide(self.runtime, expire_and_act)


def _require_known(connection: Connection, item_key: str) -> bool:
    is_listed = item_store.is_listed(connection, item_key)
    if is_listed is None:
        raise ActRefusedError(Refusal.UNKNOWN_ITEM)
    return is_listed


def _require_listed(connection: Connection, item_key: str) -> None:
    if not _require_known(connection, item_key):
        raise ActRefusedError(Refusal.CLOSED)


def _where_it_goes_on(connection: Connection, item_key: str) -> str:
    """Return the item that is spoken of by a key of before: there alone it is known what was taken back already."""
    if facts_store.item_facts(connection, item_key).studies:
        return item_key
    return log.followed_to(connection, item_key)


def _covered(connection: Connection, done: Decision) -> Collection[str]:
    covers: list[str] | None = done.detail.get("studies")
    if covers is not None:
        return covers
    # One of the version before: it covered what the item had.
    return [study.study_instance_uid for study in facts_store.item_facts(connection, done.item_key).studies]


def _first_free(connection: Connection, by: Reader) -> str | None:
    """Return the first item that nobody has; what this reader put aside comes after the others."""
    handed_back: str | None = None
    offset = 0
    while True:
        page = list_store.listed(connection, PAGE, offset)
        places = {one.item_key: one.place for one in page if one.state is not ItemState.PRIOR}
        taken = claims.held(connection, places)
        lines = log.decisions(connection, places)
        for key, place in places.items():
            if key in taken:
                continue
            if not _is_put_aside(lines.get(key, []), by, place):
                return key
            handed_back = handed_back or key
        if len(page) < PAGE:
            return handed_back
        offset += PAGE


def _is_put_aside(lines: Sequence[Decision], by: Reader, place: SortKey) -> bool:
    """Tell whether a reader handed an item back last, and nothing has moved it up since: no flag, no order, no cap."""
    # What a reader says of AI afterwards, from the row, is no sign of wanting the exam.
    wanting = (Act.OPENED, Act.HANDED_BACK, Act.DONE)
    last = next((line for line in reversed(lines) if line.actor == by.actor and line.act in wanting), None)
    if last is None or last.act is not Act.HANDED_BACK:
        return False
    before: list[float] | None = last.detail.get("place")
    return before is None or _by_policy(place) >= before


def _by_policy(place: SortKey) -> list[float]:
    """Return what the policy sets of a place, before arrival and key; the smallest goes first."""
    return [int(place.tier), int(place.place_class), place.negative_harm_rate]
