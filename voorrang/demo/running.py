"""The demo: starts a stack, activates its models, sends orders and studies, waits, reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from voorrang.demo.counting import Timing, accounted_instances, timings
from voorrang.demo.ordering import Acknowledged, DemoOrder, place_orders, report_finally
from voorrang.demo.scratch import AE_TITLE, ScratchStack
from voorrang.demo.sending import Outgoing, Sent, send_studies
from voorrang.errors import ConfigurationError
from voorrang.pathways.loading import load_pathways
from worklist.minutes.projecting import Projected, project, waiting_rows

SETTLE_SECONDS = 600
LOOK_EVERY_SECONDS = 0.25
SETTLED = frozenset({"scored", "out_of_scope", "failed", "no_pathway", "prior"})
CALIBRATIONS = Path(__file__).parent / "calibrations"  # `python -m voorrang.demo.calibrating` makes them
STROKE = (("reference-head", "stroke"),)
LUNG = (("reference-lung", "lung-nodule"),)
REFERENCE_CAD = (*STROKE, *LUNG)
MODELS = (("ich", "stroke"), ("lung-nodule", "lung-nodule"))  # of `voorrang demo`: see `demo_pathways`
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoReport:
    """
    What came of a demo: `rows` with every exam on the list, then what was reported, and the order of what is left.

    `in_minutes` is what the order before the report would bring; `order_at_the_end` is study UIDs, next to read first.
    """

    rows: tuple[dict[str, Any], ...]
    accepted_instances: int
    accounted_instances: int
    urgent_moved_up: bool | None
    in_minutes: Projected
    orders: tuple[dict[str, Any], ...] = ()
    exams_without_pathway: tuple[dict[str, Any], ...] = ()
    reported: dict[str, Any] | None = None
    order_at_the_end: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the object that `voorrang demo --json` prints."""
        return {
            "studies": list(self.rows),
            "accepted_instances": self.accepted_instances,
            "accounted_instances": self.accounted_instances,
            "urgent_moved_up": self.urgent_moved_up,
            "in_minutes": self.in_minutes.to_json(),
            "orders": list(self.orders),
            "exams_without_pathway": list(self.exams_without_pathway),
            "reported": self.reported,
            "order_at_the_end": list(self.order_at_the_end),
        }


def activate_models(stack: ScratchStack, models: Sequence[tuple[str, str]] = REFERENCE_CAD) -> None:
    """
    Give models their influence, by the register's own command, with what was counted on phantoms.

    Parameters
    ----------
    stack
        Runs already.
    models
        Each with its pathway.
    """
    for model, pathway in models:
        stack.command("model", "add", model)
        who = ("--actor", "demo", "--role", "demo", "--reason", "shows how a list is reordered")
        counted = ("--calibration", str(CALIBRATIONS / f"{model}.json"))
        stack.command("model", "activate", model, "--pathway", pathway, "--influence", "rank", *counted, *who)


@dataclass(frozen=True, slots=True)
class Programme:
    """
    What a demo sends.

    Parameters
    ----------
    studies
        In the order of arrival.
    urgent
        UIDs of the studies known to be urgent; empty when only the models can tell.
    orders
        Those that are STAT come after their images, the others before.
    without_pathway
        Exams that no pathway wants.
    """

    studies: Sequence[Outgoing]
    urgent: frozenset[str] = frozenset()
    orders: Sequence[DemoOrder] = ()
    without_pathway: Sequence[Outgoing] = ()


def run_demo(stack: ScratchStack, programme: Programme, say: Say) -> DemoReport:
    """
    Send orders and studies to a stack that runs, wait until each has its answer, report one of them, and tell.

    Parameters
    ----------
    stack
        Runs already.
    programme
        What is sent.
    say
        Told what happens, a line each.
    """
    early = [order for order in programme.orders if order.urgency != "stat"]
    acknowledged = place_orders(early, stack.hl7_port)
    every = [*programme.without_pathway, *programme.studies]
    sent = []
    for one in send_studies(every, "127.0.0.1", stack.dicom_port, AE_TITLE):
        sent.append(one)
        refused = f", {one.refused} refused" if one.refused else ""
        say(f"  study {len(sent)} of {len(every)}: {one.accepted} images accepted{refused}")
    late = [order for order in programme.orders if order.urgency == "stat"]
    acknowledged += place_orders(late, stack.hl7_port)
    if acknowledged:
        say(f"  {len(acknowledged)} orders over HL7, {sum(one.code == 'AA' for one in acknowledged)} accepted")
    uids = {one.study_instance_uid for one in sent if one.accepted}
    taken = {one.order.study_instance_uid for one in acknowledged if one.code == "AA"}
    items = wait_settled(stack, uids, say, taken)
    told = report(stack, sent, items, programme.urgent)
    others = {one.study_instance_uid for one in programme.without_pathway}
    reported = _close(stack, late[0], say) if late else None
    return replace(
        told,
        rows=tuple(row for row in told.rows if row["study_instance_uid"] not in others),
        orders=tuple(_order_row(one, items) for one in acknowledged),
        exams_without_pathway=tuple(row for row in told.rows if row["study_instance_uid"] in others),
        reported=reported,
        order_at_the_end=_order_of(_items(stack)),
    )


def _close(stack: ScratchStack, order: DemoOrder, say: Say) -> dict[str, Any]:
    """Send the final report of an order, and wait until its item has left the list."""
    code = report_finally(order, stack.hl7_port).code
    found: dict[str, Any] | None = None
    deadline = time.monotonic() + SETTLE_SECONDS
    while code == "AA" and found is None and time.monotonic() < deadline:
        found = next((o for o in stack.settled() if order.study_instance_uid in o["study_instance_uids"]), None)
        time.sleep(0 if found else LOOK_EVERY_SECONDS)
    left = found is not None and order.study_instance_uid not in _items(stack)
    if left:
        say("  reported: the STAT exam has its final report and has left the list")
    return {
        "study_instance_uid": order.study_instance_uid,
        "acknowledged": code,
        "left_the_list": left,
        "settled_at": found["at"] if found else None,
    }


def _order_of(items: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    return tuple(sorted((uid for uid in items if items[uid]["rank"]), key=lambda uid: int(items[uid]["rank"])))


def _order_row(one: Acknowledged, items: dict[str, dict[str, Any]]) -> dict[str, Any]:
    item = items.get(one.order.study_instance_uid)
    return {
        "study_instance_uid": one.order.study_instance_uid,
        "urgency": one.order.urgency,
        "acknowledged": one.code,
        "tier": item["tier"] if item else None,
        "rank": item["rank"] if item else None,
    }


def wait_settled(
    stack: ScratchStack, uids: set[str], say: Say, ordered: Set[str] = frozenset()
) -> dict[str, dict[str, Any]]:
    """
    Wait until every study has an answer or needs none, and its order where it is `ordered`; return its item by study.

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
        if all(told.get(uid) in SETTLED for uid in uids) and all(items[uid]["order"] for uid in ordered):
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
        _in_minutes(stack, items),
    )


def _in_minutes(stack: ScratchStack, items: dict[str, dict[str, Any]]) -> Projected:
    pathways = load_pathways(stack.settings.pathways_dir)
    reading_minutes = {name: pathway.reading.minutes for name, pathway in pathways.items()}
    once = {item["item_key"]: item for item in items.values()}  # an item may have several studies
    return project(waiting_rows(once.values(), reading_minutes), readers=1)


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
