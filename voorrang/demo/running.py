"""The demo: starts a stack, activates the reference CAD, sends, waits for the order, reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from voorrang.demo.counting import Timing, accounted_instances, timings
from voorrang.demo.scratch import AE_TITLE, ScratchStack
from voorrang.demo.sending import Outgoing, Sent, send_studies
from voorrang.errors import ConfigurationError

SETTLE_SECONDS = 600
LOOK_EVERY_SECONDS = 0.25
SETTLED = frozenset({"scored", "out_of_scope", "failed", "no_pathway", "prior"})
MODELS = (("reference-head", "stroke"), ("reference-lung", "lung-nodule"))
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What came of a demo."""

    rows: tuple[dict[str, Any], ...]
    accepted_instances: int
    accounted_instances: int
    urgent_moved_up: bool | None

    def to_json(self) -> dict[str, Any]:
        """Return the object that `voorrang demo --json` prints."""
        return {
            "studies": list(self.rows),
            "accepted_instances": self.accepted_instances,
            "accounted_instances": self.accounted_instances,
            "urgent_moved_up": self.urgent_moved_up,
        }


def activate_reference_cad(stack: ScratchStack) -> None:
    """Give the reference CAD its influence, by the register's own command."""
    for model, pathway in MODELS:
        stack.command("model", "add", model)
        who = ("--actor", "demo", "--role", "demo", "--reason", "shows how a list is reordered")
        stack.command("model", "activate", model, "--pathway", pathway, "--influence", "rank", *who)


def run_demo(stack: ScratchStack, studies: Sequence[Outgoing], urgent: frozenset[str], say: Say) -> DemoReport:
    """
    Send studies to a stack that runs, wait until each has its answer, and report.

    Parameters
    ----------
    stack
        Runs already.
    studies
        In the order of arrival.
    urgent
        UIDs of the studies known to be urgent; empty when only the models can tell.
    say
        Told what happens, a line each.
    """
    sent = []
    for one in send_studies(studies, "127.0.0.1", stack.dicom_port, AE_TITLE):
        sent.append(one)
        refused = f", {one.refused} refused" if one.refused else ""
        say(f"  study {len(sent)} of {len(studies)}: {one.accepted} images accepted{refused}")
    uids = {one.study_instance_uid for one in sent if one.accepted}
    items = wait_settled(stack, uids, say)
    return report(stack, sent, items, urgent)


def wait_settled(stack: ScratchStack, uids: set[str], say: Say) -> dict[str, dict[str, Any]]:
    """
    Wait until every study has an answer or needs none; return its item by study.

    Raises
    ------
    ConfigurationError
        When that takes more than ten minutes.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    told: dict[str, str] = {}
    while time.monotonic() < deadline:
        items = _items(stack)
        for uid in uids & items.keys():
            state = items[uid]["state"]
            if told.get(uid) != state and state in SETTLED:
                say(f"  {state.replace('_', ' ')}: {items[uid]['reason']}")
            told[uid] = state
        if all(told.get(uid) in SETTLED for uid in uids):
            return items
        time.sleep(LOOK_EVERY_SECONDS)
    waiting = {uid: told.get(uid, "not on the list") for uid in uids if told.get(uid) not in SETTLED}
    raise ConfigurationError(f"{len(waiting)} studies without an answer after {SETTLE_SECONDS} s: {waiting.values()}")


def report(
    stack: ScratchStack, sent: Sequence[Sent], items: dict[str, dict[str, Any]], urgent: frozenset[str]
) -> DemoReport:
    """Return what came of it, recounted from rows, files and events."""
    measured = timings(stack.settings)
    rows = tuple(
        _row(one.study_instance_uid, items[one.study_instance_uid], measured.get(one.study_instance_uid))
        for one in sent
        if one.study_instance_uid in items
    )
    uids = [one.study_instance_uid for one in sent]
    return DemoReport(
        rows,
        sum(one.accepted for one in sent),
        accounted_instances(stack.settings, uids),
        _moved_up(rows, items, urgent),
    )


def _items(stack: ScratchStack) -> dict[str, dict[str, Any]]:
    try:
        listing = stack.worklist()
    except httpx.HTTPError:
        return {}  # the worklist is being restarted: ask again
    return {uid: item for item in listing["items"] for uid in item["study_instance_uids"]}


def _row(uid: str, item: dict[str, Any], timing: Timing | None) -> dict[str, Any]:
    speaks = item["pathways"][0] if item["pathways"] else None
    return {
        "study_instance_uid": uid,
        "pathway": speaks["pathway"] if speaks else None,
        "state": item["state"],
        "provisional": item["provisional"],
        "score": speaks["score"] if speaks else None,
        "rank_fifo": item["rank_without_ai"],
        "rank": item["rank"],
        "reason": item["reason"],
        "seconds_last_slice_to_completed": round(timing.seconds_to_completed, 3) if timing else None,
        "seconds_last_slice_to_ranked": round(timing.seconds_to_ranked, 3) if timing else None,
    }


def _moved_up(rows: Sequence[dict[str, Any]], items: dict[str, dict[str, Any]], urgent: frozenset[str]) -> bool | None:
    """Tell whether every urgent study stands earlier than by arrival, or could stand no earlier."""
    wanted = urgent or {
        row["study_instance_uid"] for row in rows if items[row["study_instance_uid"]]["tier"] != "routine"
    }
    mine = [row for row in rows if row["study_instance_uid"] in wanted]
    if not mine:
        return None
    lifted = all(items[row["study_instance_uid"]]["tier"] != "routine" for row in mine)
    return lifted and all(row["rank"] < row["rank_fifo"] or row["rank"] <= len(mine) for row in mine)
