from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from pydicom import Dataset, dcmread
from sqlalchemy import delete, func, select

from ingest import intake, intake_store, retention_store, store
from ingest.admission import StoreStatus
from ingest.answering import on_findings_scored
from ingest.ledger import Position, read_entries
from ingest.recovery import recover
from ingest.study_series import series_of_study
from ingest.tables import claim, conflict, instance, refusal, series
from ingest.taking import ReceivedInstance
from tests.builders import make_event, make_findings_scored
from tests.integration.listening import STUDY, Station, make_ct, make_stack, make_station, own_database
from tests.neighbours.starting import wait_until
from voorrang.archive import Archive, ArchiveFullError
from voorrang.clock import ManualClock, utc
from voorrang.database import Database
from voorrang.dicom.manifest import decode_manifest, instances_digest
from voorrang.errors import RetryableError
from voorrang.events.envelope import Event
from voorrang.identity import look_up
from voorrang.purpose import Purpose
from voorrang.settings import SenderRule
from voorrang.tables import outbox

pytestmark = pytest.mark.integration

SERIES = f"{STUDY}.1"
TITLES = {"VOORRANG": Purpose.CLINICAL, "VOORRANG-QA": Purpose.QA}
SENDERS = {"PACS": SenderRule(prefetch=True, default_issuer="HOSPITAL-B")}
NewStation = Callable[..., Station]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with own_database(tmp_path) as opened:
        yield opened


@pytest.fixture
def new_station(database: Database, tmp_path: Path, clock: ManualClock) -> NewStation:
    """Start ingest, as often as wanted, on one database and one archive."""

    def start(**settings: Any) -> Station:
        return make_station(database, tmp_path / "data", clock, ae_titles=TITLES, senders=SENDERS, **settings)

    return start


@pytest.fixture
def station(new_station: NewStation) -> Station:
    return new_station()


def let_pass(station: Station, seconds: float) -> None:
    """Let time pass and look at every claim."""
    station.clock.advance(seconds)
    station.assembler.step()


def gauge(name: str) -> float:
    value = REGISTRY.get_sample_value(name)
    assert value is not None
    return value


def unaccounted(station: Station) -> float:
    station.account()
    return gauge("voorrang_unaccounted_instances")


def completed(station: Station) -> list[tuple[str, int, int]]:
    """Return (pathway, revision, number of instances) of each `series-completed`."""
    events = station.events("series-completed")
    return [(e.data.pathway, e.data.series_revision, e.data.instance_count) for e in events]


def digests(station: Station) -> list[str]:
    return [event.data.instances_digest for event in station.events("series-completed")]


def count(station: Station, table: Any) -> int:
    found: int = station.rows(select(func.count()).select_from(table))[0][0]
    return found


def everything(station: Station) -> list[list[Any]]:
    return [station.rows(select(table)) for table in (instance, series, claim, conflict, refusal, outbox)]


def claims_of(event: Event[Any]) -> set[str]:
    return {one.pathway for one in event.data.claims}


def told_claims(station: Station) -> list[tuple[int, bool]]:
    """Return, for each claim, the revision that is complete and whether more came, as told last."""
    return [(one.series_revision, one.open) for one in station.events("study-updated")[-1].data.claims]


# A series completes


def test_a_whole_quiet_series_is_announced_once_with_a_manifest_of_every_instance(station: Station) -> None:
    stack = make_stack(12)
    station.receive(*stack)
    station.take_in()
    let_pass(station, 3.9)
    assert completed(station) == []
    let_pass(station, 0.1)
    let_pass(station, 30)
    assert completed(station) == [("stroke", 1, 12)]
    record = station.events("series-completed")[0].data
    assert (record.partial, record.verdict, record.lane) == (False, ("geometry_whole", "quiet"), "urgent")
    assert record.instances_digest == instances_digest(str(ds.SOPInstanceUID) for ds in stack)
    manifest = decode_manifest(station.runtime.archive.read(record.manifest))
    assert {entry.header.sop_instance_uid for entry in manifest} == {str(ds.SOPInstanceUID) for ds in stack}
    assert all(station.runtime.archive.path(entry.locator).is_file() for entry in manifest)


def test_a_series_is_confirmed_after_the_longer_quiet_time(station: Station) -> None:
    station.receive(*make_stack(12))
    station.take_in()
    let_pass(station, 5)
    let_pass(station, 54.9)
    assert station.events("series-confirmed") == []
    let_pass(station, 0.1)
    let_pass(station, 60)
    confirmed = station.events("series-confirmed")
    assert [(e.data.series_revision, e.data.pathway) for e in confirmed] == [(1, "stroke")]
    assert [e.data.instances_digest for e in confirmed] == digests(station)


def test_a_truncated_stack_is_announced_but_never_confirmed(station: Station) -> None:
    station.receive(*make_stack(6))
    station.take_in()
    for _ in range(4):
        let_pass(station, 60)
    assert completed(station) == [("stroke", 1, 6)]
    assert station.events("series-confirmed") == []


def test_a_series_with_a_gap_goes_on_as_partial_at_the_cap_and_as_whole_when_the_slice_comes(station: Station) -> None:
    stack = make_stack(12)
    missing = stack.pop(6)
    station.receive(*stack)
    station.take_in()
    let_pass(station, 119)
    assert completed(station) == []
    let_pass(station, 1)
    station.receive(missing)
    station.take_in()
    let_pass(station, 5)
    assert completed(station) == [("stroke", 1, 11), ("stroke", 2, 12)]
    assert [e.data.partial for e in station.events("series-completed")] == [True, False]


def test_late_slices_make_revision_2_with_a_digest_of_its_own(station: Station) -> None:
    station.receive(*make_stack(9))
    station.take_in()
    let_pass(station, 5)
    station.clock.advance(600)
    station.receive(*make_stack(3, first=10))
    station.take_in()
    let_pass(station, 3.9)
    assert completed(station) == [("stroke", 1, 9)]
    let_pass(station, 0.1)
    assert completed(station) == [("stroke", 1, 9), ("stroke", 2, 12)]
    assert len(set(digests(station))) == 2


def test_a_duplicate_makes_no_revision(station: Station) -> None:
    station.receive(*make_stack(12))
    station.take_in()
    let_pass(station, 5)
    before = everything(station)
    assert station.receive(*make_stack(12), calling="PACS") == [StoreStatus.SUCCESS] * 12
    station.take_in()
    for _ in range(3):
        let_pass(station, 4)
    assert everything(station) == before
    assert unaccounted(station) == 0


def test_slices_that_come_while_a_series_is_judged_keep_it_open(station: Station) -> None:
    station.receive(*make_stack(12))
    station.take_in()
    with station.runtime.database.read() as connection:
        found = store.open_claims(connection)[0]
    station.receive(*make_stack(1, first=13))
    station.take_in()
    with station.runtime.database.write() as connection:
        assert store.complete_claim(connection, found, "digest of 12", station.clock.now()) is None
    let_pass(station, 5)
    assert completed(station) == [("stroke", 1, 13)]


def test_slices_that_come_while_a_series_is_confirmed_leave_it_unconfirmed(station: Station) -> None:
    station.receive(*make_stack(12))
    station.take_in()
    let_pass(station, 5)
    with station.runtime.database.read() as connection:
        found = store.unconfirmed_claims(connection, datetime(2020, 1, 1, tzinfo=UTC))[0]
    station.receive(*make_stack(1, first=13))
    station.take_in()
    with station.runtime.database.write() as connection:
        assert not store.confirm_claim(connection, found)
    let_pass(station, 5)
    let_pass(station, 60)
    assert [e.data.series_revision for e in station.events("series-confirmed")] == [2]


def test_two_pathways_that_claim_one_series_share_its_revisions(station: Station) -> None:
    def stack(n: int, first: int = 1) -> list[Dataset]:
        return make_stack(n, first, BodyPartExamined="")  # it says nothing, so both want it

    station.receive(*stack(11))
    station.take_in()
    let_pass(station, 5)
    let_pass(station, 5)
    assert completed(station) == [("stroke", 1, 11), ("lung-nodule", 1, 11)]
    station.receive(*stack(1, first=12))
    station.take_in()
    let_pass(station, 5)
    station.receive(*stack(1, first=13))  # one of the two has not yet taken up revision 2
    station.take_in()
    let_pass(station, 5)
    let_pass(station, 5)
    assert completed(station)[2:] == [("stroke", 2, 12), ("stroke", 3, 13), ("lung-nodule", 3, 13)]
    assert digests(station)[0] == digests(station)[1]
    assert digests(station)[3] == digests(station)[4]
    assert len(set(digests(station))) == 3


def test_a_disk_that_takes_no_manifest_only_delays(station: Station) -> None:
    class FullArchive(Archive):
        def store_manifest(self, study: str, series: str, content: bytes) -> str:
            raise ArchiveFullError("full")

    station.receive(*make_stack(12))
    station.take_in()
    archive = station.runtime.archive
    station.runtime.archive = FullArchive(station.runtime.settings.archive_dir)
    with pytest.raises(RetryableError):
        let_pass(station, 5)
    station.runtime.archive = archive
    let_pass(station, 1)
    assert completed(station) == [("stroke", 1, 12)]


# A study is announced


def test_versions_of_a_study_grow_by_one_and_the_last_counts_everything(station: Station) -> None:
    for first in (1, 5, 9):
        station.receive(*make_stack(4, first))
        station.take_in()
        station.clock.advance(1)
    station.receive(make_ct(1, SeriesInstanceUID=f"{STUDY}.2", Modality="SR"))
    station.take_in()
    let_pass(station, 5)
    station.receive(make_ct(13))
    station.take_in()
    let_pass(station, 5)
    updates = [event.data for event in station.events("study-updated")]
    assert [update.study_version for update in updates] == list(range(1, len(updates) + 1))
    assert (updates[0].series_count, updates[0].instance_count) == (1, 4)
    assert (updates[-1].series_count, updates[-1].instance_count) == (2, 14)
    assert updates[-1].modalities == ("CT", "SR")
    assert len({event.id for event in station.events("study-updated")}) == len(updates)


def test_late_slices_are_announced_when_they_come_and_when_they_are_complete(station: Station) -> None:
    station.receive(*make_stack(12))
    station.take_in()
    assert told_claims(station) == [(0, True)]
    let_pass(station, 5)
    assert told_claims(station) == [(1, False)]
    let_pass(station, 1200)
    station.receive(*make_stack(1, first=13))
    station.take_in()
    assert told_claims(station) == [(1, True)]
    assert station.events("study-updated")[-1].data.last_received_at == station.clock.now()
    count_before = len(station.events("study-updated"))
    station.receive(*make_stack(1, first=14))
    station.take_in()
    assert len(station.events("study-updated")) == count_before
    let_pass(station, 5)
    assert told_claims(station) == [(2, False)]


def test_events_carry_keys_and_no_identity(station: Station) -> None:
    station.receive(*make_stack(12))
    station.take_in()
    let_pass(station, 5)
    let_pass(station, 60)
    payloads = b"".join(row.payload for row in station.rows(select(outbox.c.payload)))
    for word in (b"Test^Patient", b"T-1", b"19600101", b"A-1"):
        assert word not in payloads
    keys = station.runtime.keys
    for event_type in ("study-updated", "series-completed", "series-confirmed"):
        event = station.events(event_type)[0]
        assert (event.patient_key, event.order_key) == (keys.patient_key("", "T-1"), keys.order_key("", "A-1"))
        assert event.subject == STUDY


def test_a_study_that_no_pathway_wants_is_announced_too(station: Station) -> None:
    station.receive(*make_stack(3, BodyPartExamined="KNEE"))
    station.take_in()
    let_pass(station, 600)
    updates = station.events("study-updated")
    assert [claims_of(event) for event in updates] == [set()]
    assert completed(station) == []


def test_times_of_a_study_hold_every_instance_in_whatever_order_they_are_taken_in(station: Station) -> None:
    station.receive(make_ct(1))
    station.clock.advance(60)
    station.receive(make_ct(2))
    batch = station.unread()
    station.intake.take(batch[::-1])
    row = station.study()
    assert (row.last_received_at - row.first_received_at).total_seconds() == 60
    first, last = station.rows(select(series.c.first_received_at, series.c.last_received_at))[0]
    assert (utc(first), utc(last)) == (row.first_received_at, row.last_received_at)


# Priors


@pytest.mark.parametrize(
    ("calling", "study_date", "is_prior"),
    [("PACS", "20190401", True), ("PACS", "", False), ("PACS", "20261121", False), ("SCANNER", "20190401", False)],
)
def test_only_an_old_study_of_a_prefetching_sender_is_a_prior(
    station: Station, calling: str, study_date: str, is_prior: bool
) -> None:
    station.receive(*make_stack(12, StudyDate=study_date), calling=calling)
    station.take_in()
    let_pass(station, 5)
    event = station.events("study-updated")[-1]
    assert event.data.prior is is_prior
    assert claims_of(event) == (set() if is_prior else {"stroke"})
    assert len(completed(station)) == (0 if is_prior else 1)


# Purpose


def test_an_image_sent_for_qa_is_stored_and_announced_for_qa_and_not_claimed(station: Station) -> None:
    assert station.receive(*make_stack(12), called="VOORRANG-QA") == [StoreStatus.SUCCESS] * 12
    station.take_in()
    let_pass(station, 600)
    assert len(station.stored()) == 12
    updates = station.events("study-updated")
    assert [(event.purpose, claims_of(event)) for event in updates] == [(Purpose.QA, set())]
    assert completed(station) == []
    assert count(station, instance) == 12
    assert unaccounted(station) == 0


@pytest.mark.parametrize("new_slices", [0, 1])
def test_a_study_tried_for_qa_and_then_sent_for_reading_is_on_the_list(station: Station, new_slices: int) -> None:
    station.receive(*make_stack(12), called="VOORRANG-QA")
    station.take_in()
    station.receive(*make_stack(12 + new_slices))
    station.take_in()
    let_pass(station, 5)
    assert station.study().purpose is Purpose.CLINICAL
    last = station.events("study-updated")[-1]
    assert (last.purpose, claims_of(last)) == (Purpose.CLINICAL, {"stroke"})
    assert completed(station) == [("stroke", 1, 12 + new_slices)]
    assert station.events("series-completed")[0].purpose is Purpose.CLINICAL
    assert unaccounted(station) == 0


def test_a_study_tried_for_qa_is_whose_it_is_and_as_old_as_when_it_is_sent_for_reading(station: Station) -> None:
    tried: dict[str, Any] = {
        "PatientID": "QA-1",
        "PatientName": "Phantom^Test",
        "AccessionNumber": "Q-1",
        "StudyDate": "20190401",
    }
    station.receive(*make_stack(12, **tried), called="VOORRANG-QA", calling="PACS")
    station.take_in()
    assert station.study().prior
    station.clock.advance(3600)
    station.receive(*make_stack(12))
    station.take_in()
    let_pass(station, 5)
    row, keys, sent_at = station.study(), station.runtime.keys, station.clock.now() - timedelta(seconds=5)
    assert (row.patient_key, row.order_key) == (keys.patient_key("", "T-1"), keys.order_key("", "A-1"))
    assert (row.prior, row.first_received_at) == (False, sent_at)
    assert completed(station) == [("stroke", 1, 12)]
    with station.runtime.database.read() as connection:
        known = look_up(connection, [STUDY])[STUDY]
    assert (known.patient.name, known.patient.patient_id, known.accession_number) == ("Test^Patient", "T-1", "A-1")


def test_what_is_tried_for_qa_renames_no_patient_and_makes_no_study_younger(station: Station) -> None:
    station.receive(*make_stack(12))
    station.take_in()
    before = station.study()
    station.clock.advance(3600)
    station.receive(*make_stack(4, first=13, PatientName="Phantom^Test"), called="VOORRANG-QA")
    station.receive(*make_stack(12), called="VOORRANG-QA")
    station.take_in()
    assert station.study().last_received_at == before.last_received_at
    with station.runtime.database.read() as connection:
        assert look_up(connection, [STUDY])[STUDY].patient.name == "Test^Patient"


def test_a_series_tried_for_qa_and_then_sent_for_reading_is_read_in_a_study_on_the_list(station: Station) -> None:
    station.receive(make_ct(1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    head = make_stack(12, SeriesInstanceUID=f"{STUDY}.2")
    station.receive(*head, called="VOORRANG-QA")
    station.take_in()
    let_pass(station, 150)
    assert claims_of(station.events("study-updated")[-1]) == set()
    station.receive(*head)
    station.take_in()
    assert claims_of(station.events("study-updated")[-1]) == {"stroke"}
    let_pass(station, 5)
    assert completed(station) == [("stroke", 1, 12)]
    assert station.events("series-completed")[0].purpose is Purpose.CLINICAL
    before = everything(station)
    station.receive(*head)
    station.receive(*head, called="VOORRANG-QA")
    station.take_in()
    let_pass(station, 5)
    assert everything(station) == before
    assert unaccounted(station) == 0


def test_late_slices_tried_for_qa_first_make_a_revision_once_they_are_sent_for_reading(station: Station) -> None:
    station.receive(*make_stack(12))
    station.take_in()
    let_pass(station, 5)
    late = make_stack(4, first=13)
    station.receive(*late, called="VOORRANG-QA")
    station.take_in()
    let_pass(station, 150)
    station.receive(*late)
    station.take_in()
    let_pass(station, 3.9)
    assert completed(station) == [("stroke", 1, 12)]
    let_pass(station, 0.1)
    assert completed(station) == [("stroke", 1, 12), ("stroke", 2, 16)]
    assert unaccounted(station) == 0


def test_images_sent_for_reading_take_the_place_of_others_of_their_uids_that_were_tried_for_qa(
    station: Station,
) -> None:
    other = f"{STUDY}.55"
    tried = [
        *make_stack(6, PatientName="Phantom^Test"),
        *(
            make_ct(n, StudyInstanceUID=other, SeriesInstanceUID=f"{other}.1", SOPInstanceUID=f"{SERIES}.{n}")
            for n in range(7, 13)
        ),
    ]
    station.receive(*tried, called="VOORRANG-QA")
    station.take_in()
    station.receive(*make_stack(12))
    station.receive(*tried, called="VOORRANG-QA")
    station.receive(*make_stack(12), calling="PACS")
    station.take_in()
    let_pass(station, 5)
    assert completed(station) == [("stroke", 1, 12)]
    manifest = station.runtime.archive.read(station.events("series-completed")[0].data.manifest)
    read = [decoded.locator for decoded in decode_manifest(manifest)]
    assert len(read) == 12
    for locator in read:
        assert dcmread(station.runtime.archive.path(locator)).PatientName == "Test^Patient"
    assert (count(station, instance), count(station, conflict)) == (12, 12)
    assert unaccounted(station) == 0


def test_slices_sent_for_qa_alone_are_in_no_revision_and_delay_none(station: Station) -> None:
    station.receive(*make_stack(12))
    station.take_in()
    station.clock.advance(3)
    station.receive(*make_stack(4, first=13), called="VOORRANG-QA")
    station.take_in()
    let_pass(station, 1)
    assert completed(station) == [("stroke", 1, 12)]
    let_pass(station, 150)
    station.receive(*make_stack(1, first=13))
    station.take_in()
    let_pass(station, 5)
    assert completed(station) == [("stroke", 1, 12), ("stroke", 2, 13)]
    manifest = station.events("series-completed")[-1].data.manifest
    assert len(decode_manifest(station.runtime.archive.read(manifest))) == 13
    assert station.events("study-updated")[-1].data.instance_count == 13
    with station.runtime.database.read() as connection:
        assert store.count_waiting(connection) == 13
    assert count(station, instance) == 16
    assert unaccounted(station) == 0


@pytest.mark.parametrize("is_scout_first", [True, False])
def test_a_series_sent_for_qa_alone_is_none_of_a_study_on_the_list(station: Station, is_scout_first: bool) -> None:
    scout = [make_ct(1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])]
    head = make_stack(12, SeriesInstanceUID=f"{STUDY}.2", Modality="XX")
    for called in ("VOORRANG", "VOORRANG-QA") if is_scout_first else ("VOORRANG-QA", "VOORRANG"):
        station.receive(*(scout if called == "VOORRANG" else head), called=called)
        station.take_in()
    let_pass(station, 150)
    assert station.study().purpose is Purpose.CLINICAL
    last = station.events("study-updated")[-1].data
    assert (last.modalities, last.series_count, last.instance_count, last.claims) == (("CT",), 1, 1, ())
    with station.runtime.database.read() as connection:
        assert [one.instance_count for one in series_of_study(connection, STUDY)] == [1]
        assert len(store.series_heads(connection, STUDY)) == 1
    assert (completed(station), unaccounted(station)) == ([], 0)


def test_a_series_that_was_tried_is_of_the_sender_that_sent_it_for_reading(station: Station) -> None:
    station.receive(*make_stack(12), called="VOORRANG-QA", calling="PHYSICIST")
    station.take_in()
    station.receive(*make_stack(12), calling="CT-7")
    station.take_in()
    assert station.rows(select(series.c.sender)) == [("CT-7",)]


def test_a_study_on_the_list_stays_there_when_it_is_sent_for_qa(station: Station) -> None:
    station.receive(*make_stack(12))
    station.receive(*make_stack(12), called="VOORRANG-QA")
    station.take_in()
    let_pass(station, 5)
    assert station.study().purpose is Purpose.CLINICAL
    assert [event.purpose for event in station.events("series-completed")] == [Purpose.CLINICAL]


# UIDs that others have


def copied(study_uid: str, series_uid: str) -> list[Dataset]:
    """Make the stack again, under another study or series and for another patient, with the same instance UIDs."""
    elements = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid, "PatientID": "T-2"}
    return [make_ct(n, **elements, AccessionNumber="B-2", SOPInstanceUID=f"{SERIES}.{n}") for n in range(1, 13)]


@pytest.mark.parametrize("series_uid", [f"{STUDY}.55.1", SERIES])
def test_an_exam_of_which_another_has_the_instance_uids_is_listed_and_not_read(
    station: Station, series_uid: str
) -> None:
    other = f"{STUDY}.55"
    station.receive(*make_stack(12))
    station.take_in()
    let_pass(station, 5)
    let_pass(station, 60)
    assert station.receive(*copied(other, series_uid)) == [StoreStatus.SUCCESS] * 12
    station.take_in()
    updates = [event for event in station.events("study-updated") if event.data.study_instance_uid == other]
    wanted = {"stroke"} if series_uid != SERIES else set()  # one series is not of two studies
    assert [(e.data.instance_count, e.data.prior, claims_of(e)) for e in updates] == [(0, False, wanted)]
    with station.runtime.database.read() as connection:
        assert look_up(connection, [other])[other].patient.patient_id == "T-2"
    before = everything(station)
    station.receive(*copied(other, series_uid), calling="PACS")
    station.take_in()
    let_pass(station, 600)
    assert everything(station)[:5] == before[:5]
    assert completed(station) == [("stroke", 1, 12)]
    assert unaccounted(station) == 0
    with station.runtime.database.read() as connection:
        assert not any(facts.is_open for facts in retention_store.facts(connection, station.clock.now()))


def test_a_series_of_which_another_of_the_study_has_the_instance_uids_is_claimed(station: Station) -> None:
    station.receive(*make_stack(12))
    station.take_in()
    let_pass(station, 5)
    station.receive(*copied(STUDY, f"{STUDY}.2"))
    station.take_in()
    last = station.events("study-updated")[-1].data
    assert {(one.series_instance_uid, one.pathway) for one in last.claims} == {
        (SERIES, "stroke"),
        (f"{STUDY}.2", "stroke"),
    }
    station.receive(*make_stack(12, first=21, SeriesInstanceUID=f"{STUDY}.2"))  # what has UIDs of its own is read
    station.take_in()
    let_pass(station, 5)
    assert completed(station) == [("stroke", 1, 12), ("stroke", 1, 12)]
    assert unaccounted(station) == 0


def test_an_exam_tried_for_qa_under_the_instance_uids_of_another_is_not_listed_for_reading(station: Station) -> None:
    station.receive(*make_stack(12))
    station.receive(*copied(f"{STUDY}.55", f"{STUDY}.55.1"), called="VOORRANG-QA")
    station.take_in()
    last = station.events("study-updated")[-1]
    assert (last.data.study_instance_uid, last.purpose, claims_of(last)) == (f"{STUDY}.55", Purpose.QA, set())
    station.receive(*copied(f"{STUDY}.55", f"{STUDY}.55.1"))
    station.take_in()
    last = station.events("study-updated")[-1]
    assert (last.data.study_instance_uid, last.purpose, claims_of(last)) == (
        f"{STUDY}.55",
        Purpose.CLINICAL,
        {"stroke"},
    )


# After a kill


def kill(station: Station) -> None:
    """Lose more than a killed process loses: the whole ledger."""
    for path in (station.intake.folder / "0").iterdir():
        path.unlink()


def test_what_was_on_disk_without_a_row_is_recovered(new_station: NewStation) -> None:
    killed = new_station()
    killed.receive(*make_stack(4))
    killed.take_in()
    killed.receive(*make_stack(8, first=5))
    kill(killed)
    started = new_station()
    assert recover(started.runtime, started.intake) == 8
    assert count(started, instance) == 12
    let_pass(started, 600)
    assert completed(started) == [("stroke", 1, 12)]


def test_a_stored_file_of_which_no_header_can_be_made_keeps_nothing_else_from_being_recovered(
    new_station: NewStation,
) -> None:
    station = new_station()
    station.receive(*make_stack(12))
    kill(station)
    path = station.runtime.archive.path(station.stored()[0])
    damaged = dcmread(path)
    damaged.SOPClassUID = ""
    damaged.save_as(path)
    again = new_station()
    assert recover(again.runtime, again.intake) == 11
    let_pass(again, 30)
    assert count(again, instance) == 11


def test_what_is_recovered_has_the_purpose_the_sender_and_the_time_of_its_receipt(new_station: NewStation) -> None:
    killed = new_station()
    killed.receive(make_ct(1), called="VOORRANG-QA", calling="PACS")
    other = f"{STUDY}.77"
    killed.receive(
        make_ct(1, StudyInstanceUID=other, SeriesInstanceUID=f"{other}.1", StudyDate="20190401"), calling="PACS"
    )
    kill(killed)
    received_at = datetime(2026, 11, 22, 7, 59, 12, 250_000, tzinfo=UTC)
    for locator in killed.stored():
        os.utime(killed.runtime.archive.path(locator), (received_at.timestamp(),) * 2)
    started = new_station()
    assert recover(started.runtime, started.intake) == 2
    assert (started.study().purpose, started.study(other).purpose) == (Purpose.QA, Purpose.CLINICAL)
    key = started.runtime.keys.patient_key("HOSPITAL-B", "T-1")  # by the rule of its sender
    assert (started.study().patient_key, started.study(other).patient_key) == (key, key)
    assert started.study(other).prior
    assert {started.study().first_received_at, started.study(other).last_received_at} == {received_at}
    assert {utc(row.received_at) for row in started.rows(select(instance.c.received_at))} == {received_at}
    with started.runtime.database.read() as connection:
        assert look_up(connection, [STUDY])[STUDY].patient.name == "Test^Patient"


def test_the_purpose_of_what_is_recovered_is_that_of_its_receipt_whatever_the_settings_say_now(
    database: Database, tmp_path: Path, clock: ManualClock
) -> None:
    killed = make_station(database, tmp_path / "data", clock, ae_titles=TITLES)
    killed.receive(make_ct(1), called="VOORRANG-QA")
    kill(killed)
    started = make_station(database, tmp_path / "data", clock, ae_titles={"VOORRANG-QA": Purpose.CLINICAL})
    recover(started.runtime, started.intake)
    assert started.study().purpose is Purpose.QA


def test_recovering_again_changes_nothing(new_station: NewStation) -> None:
    killed = new_station()
    killed.receive(*make_stack(5))
    killed.receive(make_ct(1, PatientName="Other^Bytes"))
    killed.receive(make_ct(1, SOPInstanceUID=f"{SERIES}.2", SeriesInstanceUID=f"{STUDY}.2"))
    kill(killed)
    started = new_station()
    assert recover(started.runtime, started.intake) == 7
    before = everything(started)
    assert recover(started.runtime, started.intake) == 0
    again = new_station()
    assert recover(again.runtime, again.intake) == 0
    assert everything(again) == before


def test_recovering_what_waited_in_the_queue_and_comes_again_makes_one_row(new_station: NewStation) -> None:
    station = new_station()
    station.receive(*make_stack(3))
    assert recover(station.runtime, station.intake) == 3
    station.take_in()
    station.receive(*make_stack(3))
    station.take_in()
    assert count(station, instance) == 3


# Accounting


def test_every_accepted_instance_is_accounted_for_after_all_that_can_happen(station: Station) -> None:
    station.receive(*make_stack(12))
    station.receive(*make_stack(12), calling="PACS")
    station.receive(*make_stack(3, PatientName="Other^Bytes"))
    station.receive(*make_stack(3, PatientName="Other^Bytes"), calling="PACS")
    station.receive(make_ct(1, SOPInstanceUID=f"{SERIES}.2", SeriesInstanceUID=f"{STUDY}.2"))
    station.receive(make_ct(40, StudyInstanceUID=""))
    station.receive(make_ct(41), called="SOMEBODY")
    station.receive(make_ct(42), called="VOORRANG-QA")
    assert unaccounted(station) == 0  # while they wait
    station.take_in()
    assert unaccounted(station) == 0
    assert (count(station, instance), count(station, conflict), count(station, refusal)) == (13, 4, 2)
    let_pass(station, 5)
    assert unaccounted(station) == 0
    assert len(station.stored()) == 17


def test_a_row_that_is_lost_behind_our_back_is_seen(station: Station) -> None:
    station.receive(*make_stack(5))
    station.take_in()
    assert unaccounted(station) == 0
    with station.runtime.database.write() as connection:
        connection.execute(delete(instance).where(instance.c.sop_instance_uid == f"{SERIES}.3"))
    assert unaccounted(station) == 1
    assert recover(station.runtime, station.intake) == 1
    assert unaccounted(station) == 0


def test_an_instance_of_which_no_row_can_be_made_stops_nothing_and_is_accounted_for(station: Station) -> None:
    station.receive(*make_stack(5))
    batch = station.unread()
    poisoned = batch[2]
    assert isinstance(poisoned, ReceivedInstance)
    odd = poisoned.header_values | {"sop_instance_uid": "\ud800"}  # half a character: no text
    batch[2] = replace(poisoned, header_values=odd)
    station.intake.take(batch)
    assert count(station, instance) == 4
    assert [row.locator for row in station.rows(select(refusal))] == [poisoned.locator]
    assert unaccounted(station) == 0
    assert recover(station.runtime, station.intake) == 0


def test_a_defect_of_ours_sets_nothing_aside(station: Station) -> None:
    station.receive(*make_stack(2))
    batch = station.unread()
    assert isinstance(batch[1], ReceivedInstance)
    batch[1] = replace(batch[1], header_values=None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        station.intake.take(batch)
    assert (count(station, instance), count(station, refusal)) == (0, 0)
    assert recover(station.runtime, station.intake) == 2


def test_what_awaits_an_answer_is_counted_until_every_model_has_answered(station: Station) -> None:
    station.receive(*make_stack(12))
    station.account()
    assert gauge("voorrang_waiting_instances") == 12
    station.take_in()
    let_pass(station, 5)
    station.account()
    assert gauge("voorrang_waiting_instances") == 12
    answer = make_findings_scored(study_instance_uid=STUDY, series_instance_uid=SERIES)
    for revision in (1, 1):
        event = make_event(answer.model_copy(update={"series_revision": revision}), facts=(revision,))
        on_findings_scored(station.runtime, event)
    station.account()
    assert gauge("voorrang_waiting_instances") == 0


def test_the_age_of_what_waits_for_an_answer_is_told_by_lane(station: Station) -> None:
    station.receive(*make_stack(12))
    station.take_in()
    let_pass(station, 5)
    station.clock.advance(120)
    station.account()
    found = {lane: REGISTRY.get_sample_value("voorrang_oldest_waiting_seconds", {"lane": lane}) for lane in LANES}
    assert found == {"urgent": 120, "routine": 0}


@pytest.mark.parametrize(("calling", "lane"), [("NIGHT", "routine"), ("SCANNER", "urgent")])
def test_the_age_is_that_of_the_lane_that_is_agreed_with_the_sender(
    database: Database, tmp_path: Path, clock: ManualClock, calling: str, lane: str
) -> None:
    senders = {"NIGHT": SenderRule(lane="routine")}
    station = make_station(database, tmp_path / "data", clock, senders=senders)
    station.receive(*make_stack(12), calling=calling)
    station.take_in()
    let_pass(station, 5)
    assert [event.data.lane for event in station.events("series-completed")] == [lane]
    station.clock.advance(120)
    station.account()
    found = {lane: REGISTRY.get_sample_value("voorrang_oldest_waiting_seconds", {"lane": lane}) for lane in LANES}
    assert found == dict.fromkeys(LANES, 0) | {lane: 120}


LANES = ("urgent", "routine")


# The worker


def test_the_worker_takes_in_what_comes_until_it_is_stopped(station: Station) -> None:
    station.runtime.work("intake", station.intake.run)
    try:
        station.receive(*make_stack(12))
        wait_until(lambda: not station.intake.has_unread(), 20, "the intake did not take everything in")
        assert count(station, instance) == 12
    finally:
        station.runtime.stop.set()
        wait_until(lambda: not any(thread.is_alive() for thread in station.runtime._threads), 20, "it did not stop")
    assert not station.runtime.failed


def move_to_another_process(station: Station, entries: int) -> None:
    """Make the last entries of the ledger those of another process of the listener."""
    segment = max((station.intake.folder / "0").iterdir())
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:-entries]))
    other = station.intake.folder / "1" / segment.name
    other.parent.mkdir()
    other.write_bytes(b"".join(lines[-entries:]))


def test_a_study_that_comes_by_several_processes_is_taken_in_and_told_at_once(station: Station) -> None:
    station.receive(*make_stack(12))
    move_to_another_process(station, 5)
    station.take_in()
    assert len(station.events("study-updated")) == 1
    assert count(station, instance) == 12
    assert not station.intake.has_unread()
    assert unaccounted(station) == 0


def test_who_has_more_than_a_batch_does_not_keep_others_waiting(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH", 3)
    station.receive(*make_stack(12), make_ct(SOPInstanceUID=f"{SERIES}.99", InstanceNumber=99))
    move_to_another_process(station, 1)
    station.intake.step()
    station.intake.step()
    assert station.rows(select(instance.c.sop_instance_uid).where(instance.c.sop_instance_uid == f"{SERIES}.99"))
    assert count(station, instance) == 6
    station.take_in()
    assert count(station, instance) == 13
    assert unaccounted(station) == 0


def test_what_waits_behind_a_batch_that_could_not_be_written_is_not_forgotten(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RetryableError("database: locked")

    monkeypatch.setattr(intake, "BATCH", 8)
    assert station.intake.is_behind  # nobody has looked yet
    station.receive(*make_stack(12))
    station.intake.step()
    assert station.intake.is_behind
    with monkeypatch.context() as patched:
        patched.setattr(intake_store, "advance", fail)
        with pytest.raises(RetryableError):
            station.intake.step()
    assert station.intake.is_behind
    station.take_in()
    assert not station.intake.is_behind


def test_a_ledger_that_the_disk_does_not_give_stops_no_other(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(folder: Path, position: Position, limit: int) -> tuple[list[dict[str, Any]], Position]:
        if folder.name == "0":
            raise OSError(errno.EIO, "Input/output error")
        return read_entries(folder, position, limit)

    station.receive(*make_stack(12))
    move_to_another_process(station, 5)
    monkeypatch.setattr(intake, "read_entries", read)
    station.intake.step()
    assert count(station, instance) == 5
    with pytest.raises(OSError, match="Input/output error"):
        station.intake.step()


def test_what_could_not_be_written_is_read_again_from_every_ledger(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RetryableError("database: locked")

    station.receive(*make_stack(12))
    move_to_another_process(station, 5)
    with monkeypatch.context() as patched:
        patched.setattr(intake_store, "advance", fail)
        with pytest.raises(RetryableError):
            station.intake.step()
    assert count(station, instance) == 0
    station.take_in()
    assert count(station, instance) == 12
    assert unaccounted(station) == 0
