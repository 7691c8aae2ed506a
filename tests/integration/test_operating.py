"""Operators' acts: what each changes, that it is written down with it, and that nothing else changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from ingest import store
from ingest.tables import claim, study
from tests.integration.desks import (
    ACTOR,
    BY,
    QUIET,
    SERIES,
    acts,
    complete,
    completed,
    do,
    let_pass,
    receive,
    station_with_commands,
    told_acts,
    waiting,
)
from tests.integration.listening import STUDY, Station, make_stack
from voorrang.__main__ import main
from voorrang.clock import ManualClock
from voorrang.errors import ConfigurationError
from voorrang.events.records import OperatorVerb
from voorrang.register import Actor
from voorrang.settings import SenderRule
from voorrang.tables import outbox

pytestmark = pytest.mark.integration

OTHER = f"{STUDY}.7"
CAP = 130.0
VERBS: tuple[OperatorVerb, ...] = ("force-complete", "reprocess", "resend", "suppress", "hold", "release")


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    senders = {"ELSEWHERE": SenderRule(default_issuer="HOSPITAL-B")}
    with station_with_commands(tmp_path, clock, monkeypatch, senders=senders) as made:
        yield made


def study_now(station: Station) -> Any:
    return station.rows(select(study).where(study.c.study_instance_uid == STUDY))[0]


def unpublished(station: Station) -> list[str]:
    """Return the topics of the rows that wait for the broker."""
    query = select(outbox.c.topic).where(outbox.c.published_at.is_(None)).order_by(outbox.c.id)
    return [row.topic for row in station.rows(query)]


# Each act is written down


@pytest.mark.parametrize("verb", VERBS)
def test_act_is_written_into_the_log_and_told_as_an_event(verb: OperatorVerb, station: Station) -> None:
    if verb == "force-complete":
        receive(station, 3)
    else:
        complete(station)
    if verb == "release":
        do(station, "hold")
    do(station, verb)
    assert acts(station)[-1] == (verb, BY.actor, BY.role, STUDY, BY.reason)
    assert told_acts(station)[-1] == (verb, BY.actor, BY.role, BY.reason, STUDY, None)
    event = station.events("operator-action")[-1]
    assert (event.subject, event.patient_key, event.order_key) == (
        STUDY,
        station.study().patient_key,
        station.study().order_key,
    )


def test_two_equal_acts_are_two_events(station: Station) -> None:
    complete(station)
    do(station, "resend")
    do(station, "resend")
    assert len({event.id for event in station.events("operator-action")}) == 2


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "by", [Actor("", "r", "w"), Actor("a", " ", "w"), Actor("a", "r", ""), Actor("a" * 200, "r", "w")]
)
def test_nothing_is_done_for_nobody(verb: OperatorVerb, by: Actor, station: Station) -> None:
    complete(station)
    before = [station.rows(select(table)) for table in (study, claim, outbox)]
    with pytest.raises(ConfigurationError, match="--actor"):
        do(station, verb, by=by)
    assert [station.rows(select(table)) for table in (study, claim, outbox)] == before
    assert acts(station) == []


@pytest.mark.parametrize("verb", VERBS)
def test_unknown_is_said_to_be_so_with_exit_code_1(
    verb: OperatorVerb, station: Station, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", verb, "1.2.3", *ACTOR]) == 1
    assert "nothing is known of 1.2.3" in capsys.readouterr().err


def test_command_says_what_was_done(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    complete(station)
    assert main(["ingest", "hold", "A-1", *ACTOR]) == 0
    assert capsys.readouterr().out == f"study {STUDY}: held: retention leaves it alone\n"


def test_what_is_refused_leaves_nothing_behind(station: Station) -> None:
    complete(station)
    for verb in ("force-complete", "release"):
        with pytest.raises(ConfigurationError):
            do(station, verb)
    assert acts(station) == []
    assert told_acts(station) == []


# Which study is meant


@pytest.mark.parametrize("asked", [STUDY, SERIES, "A-1", " A-1 "])
def test_a_study_is_found_by_each_of_its_names(asked: str, station: Station) -> None:
    complete(station)
    do(station, "hold", asked)
    assert study_now(station).held


def test_an_accession_number_reaches_no_log_and_no_event(station: Station) -> None:
    complete(station)
    do(station, "suppress", "A-1")
    assert b"A-1" not in b"".join(row.payload for row in station.rows(select(outbox.c.payload)))
    assert "A-1" not in repr(acts(station))


def test_an_accession_number_stands_for_all_studies_of_its_order(station: Station) -> None:
    receive(station)
    receive(station, StudyInstanceUID=OTHER, SeriesInstanceUID=f"{OTHER}.1")
    assert len(do(station, "hold", "A-1")) == 2
    assert [row.held for row in station.rows(select(study.c.held))] == [True, True]


def test_a_number_of_two_orders_is_not_guessed_at(station: Station) -> None:
    receive(station)
    elsewhere = make_stack(12, StudyInstanceUID=OTHER, SeriesInstanceUID=f"{OTHER}.1")
    station.receive(*elsewhere, calling="ELSEWHERE")
    station.take_in()
    with pytest.raises(ConfigurationError, match="several orders"):
        do(station, "suppress", "A-1")
    assert acts(station) == []


# force-complete


@pytest.mark.parametrize("asked", [STUDY, SERIES])
def test_forced_series_goes_on_with_what_is_there(asked: str, station: Station) -> None:
    receive(station, 3)
    let_pass(station, 1)
    assert completed(station) == []
    do(station, "force-complete", asked)
    let_pass(station, 1)
    assert [(r.instance_count, "forced" in r.verdict) for r in completed(station)] == [(3, True)]


def test_forcing_one_series_leaves_the_other_alone(station: Station) -> None:
    receive(station, 3)
    receive(station, 3, SeriesInstanceUID=f"{STUDY}.2")
    do(station, "force-complete", SERIES)
    let_pass(station, 1)
    assert [r.series_instance_uid for r in completed(station)] == [SERIES]
    assert acts(station)[-1][3] == f"{STUDY}/{SERIES}"
    assert told_acts(station)[-1][4:] == (STUDY, SERIES)


def test_what_was_forced_waits_again_for_late_images(station: Station) -> None:
    receive(station, 3)
    do(station, "force-complete")
    let_pass(station, 1)
    receive(station, 3, first=4)
    let_pass(station, 1)
    assert len(completed(station)) == 1


def test_a_study_that_waits_for_no_images_cannot_be_forced(station: Station) -> None:
    complete(station)
    with pytest.raises(ConfigurationError, match="waits for no more images"):
        do(station, "force-complete")


# resend


def test_resend_publishes_every_event_of_the_study_again(station: Station) -> None:
    complete(station)
    let_pass(station, 120)
    station.runtime.relay.publish()
    assert unpublished(station) == []
    (words,) = do(station, "resend")
    topics = set(unpublished(station))
    assert topics >= {"series-completed-urgent", "series-confirmed", "study-updated"}
    assert words.startswith(f"study {STUDY}: {len(unpublished(station)) - 1} events")
    station.runtime.relay.publish()
    assert unpublished(station) == []


def test_resend_of_what_the_outbox_has_no_more_says_so(station: Station) -> None:
    complete(station)
    with station.runtime.database.write() as connection:
        connection.execute(delete(outbox))
    with pytest.raises(ConfigurationError, match="reprocess"):
        do(station, "resend")


def test_resend_touches_no_other_study(station: Station) -> None:
    complete(station)
    receive(station, StudyInstanceUID=OTHER, SeriesInstanceUID=f"{OTHER}.1", AccessionNumber="A-2")
    station.runtime.relay.publish()
    do(station, "resend")
    waits = station.rows(select(outbox.c.key).where(outbox.c.published_at.is_(None)).distinct())
    assert [row.key for row in waits] == [STUDY]


# suppress


def test_a_suppressed_study_is_announced_no_more_and_still_listed(station: Station) -> None:
    receive(station)
    do(station, "suppress")
    receive(station, 2, first=13)
    receive(station, SeriesInstanceUID=f"{STUDY}.2")
    let_pass(station, CAP)
    assert completed(station) == []
    assert waiting(station) == 0
    told = station.events("study-updated")[-1].data
    assert told.study_instance_uid == STUDY
    assert {one.series_instance_uid for one in told.claims} == {SERIES, f"{STUDY}.2"}


def test_suppressing_withdraws_what_nobody_has_answered(station: Station) -> None:
    complete(station)
    do(station, "suppress")
    assert "series-completed-urgent" not in unpublished(station)
    row = station.rows(select(outbox).where(outbox.c.topic == "series-completed-urgent"))[0]
    assert row.answered_at is not None  # so that the reconciler does not publish it again either
    with station.runtime.database.read() as connection:
        assert store.oldest_unanswered(connection, ["stroke"]) is None


def test_a_study_is_suppressed_once(station: Station) -> None:
    complete(station)
    do(station, "suppress")
    with pytest.raises(ConfigurationError, match="suppressed already"):
        do(station, "suppress")
    with pytest.raises(ConfigurationError, match="is suppressed"):
        do(station, "force-complete")


def test_resend_of_a_suppressed_study_leaves_the_models_out(station: Station) -> None:
    complete(station)
    do(station, "suppress")
    station.runtime.relay.publish()
    do(station, "resend")
    assert set(unpublished(station)) == {"study-updated", "operator-action"}


def test_reprocess_ends_a_suppression(station: Station) -> None:
    complete(station)
    do(station, "suppress")
    do(station, "reprocess")
    assert study_now(station).suppressed_at is None
    assert [r.run for r in completed(station)] == [1, 2]
    assert waiting(station) == 12


def test_reprocess_lets_a_suppressed_series_complete_that_never_was(station: Station) -> None:
    receive(station)
    do(station, "suppress")
    do(station, "reprocess")
    let_pass(station, QUIET)
    assert [r.run for r in completed(station)] == [1]


# hold and release


def test_hold_and_release_mark_the_study(station: Station) -> None:
    complete(station)
    do(station, "hold")
    assert study_now(station).held
    with pytest.raises(ConfigurationError, match="held already"):
        do(station, "hold")
    do(station, "release")
    assert not study_now(station).held
    with pytest.raises(ConfigurationError, match="not held"):
        do(station, "release")
