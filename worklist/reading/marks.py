"""What the list shows of reading beside an item: who has it, what was said of it, who was told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from pydantic import BaseModel

from voorrang.database import Connection
from voorrang.events.reading_records import ShownAnswer
from worklist.reading import calls, claims, log, shown
from worklist.reading.calls import Call
from worklist.reading.claims import Claim
from worklist.reading.escalating import CallState, WhyEnded
from worklist.reading.log import Decision


class Mark(BaseModel):
    """
    Beside one item; `reader` has it until `until`.

    `judged_before`: AI shows something else by now than what `judgement` was about.
    `call` says in words what on-call radiology was told, `reference` is the number that the message had;
    `waits_to_be_taken` while somebody should take a critical finding.
    """

    reader: str = ""
    until: datetime | None = None
    judgement: str = ""
    because: str = ""
    judged_by: str = ""
    judged_before: bool = False
    call: str = ""
    reference: int | None = None
    waits_to_be_taken: bool = False


def marks(connection: Connection, item_keys: Collection[str]) -> dict[str, Mark]:
    """Return what there is to say of some items; nothing of most."""
    held = claims.held(connection, item_keys)
    lines = log.decisions(connection, item_keys)
    called = calls.of_items(connection, item_keys)
    judged = {key: said for key, mine in lines.items() if (said := log.last_judgement(mine)) is not None}
    now_shown = shown.shown_by_item(connection, judged)
    before = {key for key, said in judged.items() if _what_it_is_about(said) != now_shown[key]}
    return {
        key: _mark(held.get(key), judged.get(key), called.get(key, ()), judged_before=key in before)
        for key in item_keys
        if key in held or key in lines or key in called
    }


def _what_it_is_about(said: Decision) -> tuple[ShownAnswer, ...]:
    return tuple(ShownAnswer.model_validate(answer) for answer in said.detail["ai_shown"])


def _mark(held: Claim | None, said: Decision | None, called: Sequence[Call], *, judged_before: bool) -> Mark:
    last = next((call for call in called if call.state is CallState.WAITING), called[-1] if called else None)
    return Mark(
        reader=held.actor if held else "",
        until=held.until if held else None,
        judgement=str(said.detail["judgement"]) if said else "",
        because=str(said.detail["because"] or "") if said else "",
        judged_by=said.actor if said else "",
        judged_before=judged_before,
        call=_call_words(last) if last else "",
        reference=last.id if last else None,
        waits_to_be_taken=last is not None and last.state is CallState.WAITING,
    )


def _call_words(call: Call) -> str:
    told = f"on-call told {call.step}×" if call.step else "on-call not told"
    if call.state is CallState.WAITING:
        return f"{told}; limit of messages reached" if call.limited else told
    if call.why in (WhyEnded.BACKLOG, WhyEnded.LIMIT):
        return f"{told}: {'too late, after an outage' if call.why is WhyEnded.BACKLOG else 'limit of messages'}"
    return told if call.step else ""
