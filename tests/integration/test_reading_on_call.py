"""On-call radiology is told, by a real mail server and a real web server, and only while somebody should look."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.worklist_world import (
    LUNG,
    STROKE,
    World,
    make_answer,
    make_confirmation,
    make_study,
    serving,
    uid,
    worklist_world,
)
from tests.neighbours.mail import Hook, Mailbox, mail_server, web_server
from voorrang.__main__ import main
from voorrang.metrics import ESCALATIONS
from voorrang.pathways.pathway import EscalationRule
from voorrang.register import Influence
from worklist.orders.facts import Standing
from worklist.reading import ending, log
from worklist.reading.log import Act, Reader
from worklist.reading.oncall import OnCall
from worklist.reading.telling import channels

pytestmark = pytest.mark.integration

ANNA = Reader("anna", "radiologist")
RULE = EscalationRule(after_minutes=5, repeat_minutes=10, max_per_hour=3)
PATHWAYS = {"stroke": STROKE.model_copy(update={"escalation": RULE}), "lung-nodule": LUNG}
IDENTIFIERS = ("Testnaam", "Alida", "1951", "ID000001", "ACC000001", uid(1), "CT hersenen")


class Night:
    """A list, a mailbox, a web hook, and what looks after them."""

    def __init__(self, world: World, box: Mailbox, hook: Hook) -> None:
        self.world, self.box, self.hook = world, box, hook
        self.on_call = OnCall(world.runtime, channels(world.runtime.settings))

    def flag(self, *numbers: int) -> None:
        """Let exams come in now, flagged at once."""
        for number in numbers:
            self.world.name(number)
            self.world.tell(make_study(number, arrived_at=self.world.clock.now()), make_answer(number, 0.9))

    def after(self, minutes: float) -> int:
        """Let time pass, look, and return how many mails there are in all."""
        self.world.clock.advance(60 * minutes)
        self.on_call.step()
        return len(self.box.mails)

    def acts(self, number: int = 1) -> list[Act]:
        """Return what the log says of an exam."""
        with self.world.database.read() as connection:
            return [line.act for line in log.decisions(connection, [uid(number)]).get(uid(number), [])]

    def words(self, number: int = 1) -> str:
        """Return what the list says of the call."""
        mark = self.world.row(number).reading
        return mark.call if mark else ""


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    with ExitStack() as stack:
        box, hook = stack.enter_context(mail_server()), stack.enter_context(web_server())
        settings: dict[str, Any] = {
            "readers": {"anna": "radiologist"},
            "escalation_smtp": f"127.0.0.1:{box.port}",
            "escalation_from": "voorrang@hospital.example",
            "escalation_to": "on-call@hospital.example",
            "escalation_webhook": f"http://127.0.0.1:{hook.port}/call?key=1",
        }
        world = stack.enter_context(worklist_world(tmp_path, PATHWAYS, **settings))
        world.activate()
        yield Night(world, box, hook)


def test_on_call_radiology_alone_is_told_what_waits_and_nobody_whose_it_is(night: Night) -> None:
    night.flag(1)
    assert night.after(0) == night.after(4.9) == 0
    assert night.after(0.1) == 1

    (mail,) = night.box.mails
    assert night.box.recipients == [["on-call@hospital.example"]]
    assert mail["Subject"] == "Critical finding waits unread: stroke, reference 1"
    assert "waited unread for 5 minutes" in mail.get_content()
    (body,) = night.hook.bodies
    posted = json.loads(body)
    assert (posted["reference"], posted["pathway"], posted["waits_minutes"]) == (1, "stroke", 5)
    everything = mail.as_string() + body.decode()
    assert [word for word in IDENTIFIERS if word in everything] == []
    (event,) = night.world.announced("finding-escalated")
    assert (event.data.step, event.data.channels, event.data.item_key) == (1, ("email", "webhook"), uid(1))
    assert (night.acts(), night.words()) == ([Act.CALLED], "on-call told 1×")


def test_messages_go_on_until_somebody_takes_it(night: Night) -> None:
    night.flag(1)
    told = [night.after(0), night.after(5), night.after(9), night.after(1), night.after(10)]
    assert told == [0, 1, 1, 2, 3]

    night.world.reading.acknowledge(uid(1), ANNA)
    assert night.after(10) == night.after(100) == 3
    (event,) = night.world.announced("finding-acknowledged")
    assert (event.data.actor, event.data.role) == ("anna", "radiologist")
    assert night.acts()[-1] is Act.ACKNOWLEDGED


def test_the_command_takes_it_by_the_reference_of_the_message(
    night: Night, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    night.flag(1)
    assert [night.after(0), night.after(5)] == [0, 1]
    monkeypatch.setenv("VOORRANG_READERS", '{"anna": "radiologist"}')
    with serving(night.world) as server:
        monkeypatch.setenv("VOORRANG_WORKLIST_PORT", str(server.port))
        assert [main(["worklist", "take", reference]) for reference in ("1", "1", "7")] == [0, 1, 1]

    printed = capsys.readouterr()
    assert printed.out == "reference 1 is taken; on-call radiology is told no more\n"
    assert printed.err.splitlines() == [
        "voorrang: no critical finding waits here",
        "voorrang: no message had this reference",
    ]
    assert night.after(10) == 1
    assert main(["worklist", "take", "1"]) == 1  # nobody listens any more


@pytest.mark.parametrize("how", ["open", "report", "done", "suspend"])
def test_opening_and_reporting_and_suspending_stop_it(how: str, night: Night) -> None:
    night.flag(1)
    assert [night.after(0), night.after(5)] == [0, 1]
    if how == "open":
        night.world.reading.open(uid(1), ANNA, "pacs")
        night.world.reading.hand_back(uid(1), ANNA)
    elif how == "done":
        night.world.done(uid(1), ANNA)
    elif how == "report":
        with night.world.database.write() as connection:
            ending.end_reading(night.world.runtime, connection, uid(1), Standing.REPORTED, night.world.clock.now())
    else:
        night.world.suspend()
        night.world.ranking.step()

    assert night.after(10) == night.after(100) == 1


def test_nothing_begins_for_what_was_opened_before_it_was_due(night: Night) -> None:
    night.flag(1)
    night.after(0)
    night.world.reading.open(uid(1), ANNA, "list")

    assert night.after(5) == night.after(60) == 0


def test_what_a_reader_had_open_before_the_flag_waits_until_it_is_handed_back(night: Night) -> None:
    night.world.tell(make_study(1, arrived_at=night.world.clock.now()))
    night.world.reading.open(uid(1), ANNA, "list")
    night.world.clock.advance(60)
    night.flag(1)
    assert [night.after(0), night.after(5)] == [0, 0]
    night.world.reading.hand_back(uid(1), ANNA)

    assert [night.after(4), night.after(1)] == [0, 1]


def test_a_model_has_its_limit_for_an_hour_and_who_is_left_out_is_shown(night: Night) -> None:
    night.flag(1, 2, 3, 4, 5)
    assert [night.after(0), night.after(5)] == [0, 3]
    assert [night.words(n) for n in (3, 4, 5)] == [
        "on-call told 1×",
        *2 * ["on-call not told; limit of messages reached"],
    ]

    assert night.after(10.1) == 3
    assert night.words(5) == "on-call not told: limit of messages"
    assert night.acts(5) == [Act.CALL_SKIPPED]


def test_nobody_is_told_of_a_backlog_after_an_outage(night: Night) -> None:
    before = ESCALATIONS.labels("none", "backlog")._value.get()
    night.flag(1)
    assert night.after(16) == 0  # we were away
    night.world.tell(make_study(2, arrived_at=night.world.clock.now()))
    night.world.clock.advance(60 * 31)  # the model was away
    night.world.tell(make_answer(2, 0.9))

    assert [night.after(0), night.after(5), night.after(60)] == [0, 0, 0]
    assert night.words(1) == night.words(2) == "on-call not told: too late, after an outage"
    assert ESCALATIONS.labels("none", "backlog")._value.get() == before + 2


def test_a_mail_server_that_is_away_is_tried_again_and_the_other_way_counts(night: Night) -> None:
    night.flag(1)
    night.after(0)
    night.box.answer, night.hook.status = "451 later", 302
    before = ESCALATIONS.labels("none", "failed")._value.get()
    assert night.after(5) == 0
    assert (night.acts(), len(night.hook.bodies)) == ([Act.CALL_FAILED], 1)  # a redirection is not followed
    assert ESCALATIONS.labels("none", "failed")._value.get() == before + 1
    night.hook.status = 200
    night.after(1)
    assert ESCALATIONS.labels("none", "failed")._value.get() == before + 1  # one way was enough

    (event,) = night.world.announced("finding-escalated")
    assert (event.data.channels, event.data.step) == (("webhook",), 1)


def test_a_pathway_without_a_rule_and_a_negative_are_told_to_nobody(night: Night) -> None:
    night.world.activate("lung", "lung-nodule")
    now = night.world.clock.now()
    night.world.tell(make_study(1, claims=[(1, "lung-nodule")], arrived_at=now))
    night.world.tell(make_answer(1, 0.9, pathway="lung-nodule", model="lung"))
    night.world.tell(make_study(2, arrived_at=now), make_answer(2, 0.1))

    assert [night.after(0), night.after(5), night.after(5)] == [0, 0, 0]
    assert night.words(1) == night.words(2) == ""


def test_a_flag_that_was_gone_and_is_back_is_told_of(night: Night) -> None:
    night.flag(1)
    assert night.after(2) == 0
    night.world.tell(make_answer(1, 0.1, revision=2))
    assert night.after(5) == 0

    night.world.tell(make_answer(1, 0.95, revision=3))
    assert night.after(4.9) == 0
    assert night.after(0.2) == 1


def test_a_flag_is_told_of_whatever_another_study_of_its_order_says(night: Night) -> None:
    now = night.world.clock.now()
    night.world.tell(*(make_study(n, arrived_at=now) for n in (1, 2)), order_key="o_1")
    night.world.tell(make_answer(1, 0.9), make_answer(2, 0.1), make_confirmation(2))

    assert night.world.row(1).pathways[0].flagged
    assert [night.after(0), night.after(5)] == [0, 1]


def test_a_model_that_was_suspended_for_minutes_has_its_finding_told(night: Night) -> None:
    night.flag(1)
    night.world.suspend()
    night.world.ranking.step()
    assert night.after(5) == 0

    night.world.activate()
    night.world.ranking.step()
    assert night.after(0) == night.after(4.9) == 0
    assert night.after(0.2) == 1


def test_of_what_is_only_displayed_nobody_is_told(night: Night) -> None:
    night.world.activate(influence=Influence.DISPLAY)
    night.flag(1)

    assert night.world.row(1).pathways[0].flagged
    assert night.after(6) == night.after(60) == 0


def test_a_clock_that_was_put_back_hides_no_flag(night: Night) -> None:
    night.world.clock.advance(120)
    night.world.tell(make_study(1, arrived_at=night.world.clock.now()), make_answer(1, 0.1), make_confirmation(1))
    assert night.after(1) == 0

    night.world.clock.advance(-1800)
    night.world.tell(make_answer(1, 0.9, revision=2))
    night.world.reading.judge(uid(1), ANNA, "agree", None)
    assert night.after(0) == night.after(34) == 0
    assert night.after(3) + night.after(0) > 0


@pytest.mark.parametrize("how", ["opened", "not opened"])
def test_a_flag_of_a_study_that_came_after_the_flagged_one_was_read_is_told_of(how: str, night: Night) -> None:
    world = night.world
    world.tell(make_study(1, arrived_at=world.clock.now()), order_key="o_1")
    world.tell(make_answer(1, 0.9))
    assert [night.after(0), night.after(5)] == [0, 1]
    if how == "opened":
        world.reading.open("o_1", ANNA, "list")
    world.done("o_1", ANNA)
    world.clock.advance(60)
    world.tell(make_study(2, arrived_at=world.clock.now()), order_key="o_1")
    assert night.after(6) == 1  # what was flagged was read
    world.tell(make_answer(2, 0.9))

    assert night.after(0) == night.after(4.9) == 1
    assert night.after(0.2) == 2


@pytest.mark.parametrize("how", ["told before", "opened before", "not known before"])
def test_a_flag_that_the_reader_had_not_seen_when_pressing_done_is_told_of(how: str, night: Night) -> None:
    world = night.world
    world.tell(make_study(1, arrived_at=world.clock.now()), order_key="o_1")
    world.tell(make_answer(1, 0.6))
    if how != "not known before":
        assert [night.after(0), night.after(5)] == [0, 1]
    world.tell(make_study(2, arrived_at=world.clock.now()), order_key="o_1")
    world.tell(make_answer(2, 0.9))  # the louder flag: what is shown does not change when the other is read
    if how == "opened before":
        world.reading.open("o_1", ANNA, "list")
        night.after(0)
    world.clock.advance(20)
    told = len(night.box.mails)
    world.reading.done("o_1", ANNA, [uid(1)])
    assert night.after(0) == night.after(4.9) == told
    assert night.after(0.2) == told + 1

    world.reading.done("o_1", ANNA, [uid(2)])
    assert night.after(60) == told + 1


def test_messages_of_a_clock_that_was_ahead_are_not_those_of_this_hour(night: Night) -> None:
    night.flag(1, 2, 3)
    assert [night.after(0), night.after(5)] == [0, 3]
    night.world.clock.advance(-86_400)
    night.flag(4)

    assert [night.after(0), night.after(5)] == [3, 4]


def test_a_flag_of_a_study_that_came_after_its_order_was_handed_back_is_told_of(night: Night) -> None:
    world = night.world
    world.tell(make_study(1, arrived_at=world.clock.now()), order_key="o_1")
    world.tell(make_answer(1, 0.9))
    assert [night.after(0), night.after(5)] == [0, 1]
    world.reading.open("o_1", ANNA, "list")
    world.reading.hand_back("o_1", ANNA)
    assert night.after(10) == 1
    world.tell(make_study(2, arrived_at=world.clock.now()), order_key="o_1")
    world.tell(make_answer(2, 0.95))

    assert night.after(0) == night.after(4.9) == 1
    assert night.after(0.2) == 2


def test_what_was_seen_and_handed_back_is_not_told_again_for_more_images_of_it(night: Night) -> None:
    night.flag(1)
    assert [night.after(0), night.after(5)] == [0, 1]
    night.world.reading.open(uid(1), ANNA, "list")
    night.world.reading.hand_back(uid(1), ANNA)
    night.world.tell(make_answer(1, 0.95, revision=2))

    assert night.after(0) == night.after(6) == night.after(60) == 1


def test_a_call_that_waits_goes_with_its_study_to_an_order_that_was_opened_before(night: Night) -> None:
    world = night.world
    world.tell(make_study(1, arrived_at=world.clock.now()), order_key="o_1")
    world.tell(make_answer(1, 0.9))
    assert [night.after(0), night.after(5)] == [0, 1]
    came_at = world.clock.now()
    night.flag(2)
    assert night.after(0) == 1
    world.clock.advance(60)
    world.reading.open("o_1", ANNA, "list")
    world.reading.hand_back("o_1", ANNA)
    world.tell(make_study(2, version=2, arrived_at=came_at), order_key="o_1")  # its number was corrected
    assert night.after(3.9) == 1
    assert night.after(0.2) == 2
    assert "reference 2" in night.box.mails[-1]["Subject"]

    world.reading.acknowledge_call(2, ANNA)
    assert night.after(60) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"escalation_webhook": "http://127.0.0.1:99999/call"},
        {"escalation_webhook": "http://[hospital.example/call"},
        {"escalation_webhook": "http://hospital..example/call"},
        {"escalation_smtp": "mail..example:25"},
        {"escalation_to": "on-call@hospital.example\nX: y"},
    ],
)
def test_an_address_that_is_none_fails_and_ends_nothing(changed: dict[str, str], night: Night) -> None:
    way = "webhook" if "escalation_webhook" in changed else "email"
    before = ESCALATIONS.labels(way, "failed")._value.get()
    settings = night.world.runtime.settings.model_copy(update=changed)
    night.on_call = OnCall(night.world.runtime, channels(settings))
    night.flag(1)
    night.after(0)
    night.after(5)

    assert ESCALATIONS.labels(way, "failed")._value.get() == before + 1
    (event,) = night.world.announced("finding-escalated")
    assert event.data.channels == (("email",) if way == "webhook" else ("webhook",))
