"""Key Object rejection notes: what they name is used no more, whenever they come; what stands is read as before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.sr.codedict import codes

from inference.worker import Worker
from ingest.rejection_notes import KEY_OBJECT_SELECTION, REASONS, rejection_note
from tests.builders import make_event, make_runtime, make_series_completed
from tests.integration.inference.test_worker import Scripted, told
from tests.integration.listening import STUDY, Station, make_ct, make_stack, make_station, own_database, with_meta
from voorrang.clock import ManualClock
from voorrang.database import Database
from voorrang.events.records import SeriesRejected
from voorrang.metrics import UNACCOUNTED_INSTANCES, WAITING_INSTANCES
from voorrang.purpose import Purpose

pytestmark = pytest.mark.integration

SERIES = f"{STUDY}.1"
QUIET = 10.0
QUALITY, WRONG_ENTRY = "113001", "113038"


@pytest.fixture
def station(tmp_path: Path, clock: ManualClock) -> Iterator[Station]:
    titles = {"VOORRANG": Purpose.CLINICAL, "VOORRANG-QA": Purpose.QA}
    with own_database(tmp_path) as database:
        yield make_station(database, tmp_path, clock, ae_titles=titles)


def coded(value: str, scheme: str = "DCM") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "a title"
    return item


def make_note(
    *named: Dataset, title: str = QUALITY, scheme: str = "DCM", study: str = STUDY, number: int = 1
) -> Dataset:
    """Make a Key Object that names instances, each under its own study and series."""
    ds = Dataset()
    ds.SOPClassUID = KEY_OBJECT_SELECTION
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study, f"{study}.99"
    ds.SOPInstanceUID = f"{study}.99.{number}"
    ds.Modality = "KO"
    ds.PatientID, ds.PatientName = "T-1", "Test^Patient"
    ds.ConceptNameCodeSequence = [coded(title, scheme)]
    evidence = []
    for one in named:
        sop, series, of = Dataset(), Dataset(), Dataset()
        sop.ReferencedSOPClassUID, sop.ReferencedSOPInstanceUID = one.SOPClassUID, one.SOPInstanceUID
        series.SeriesInstanceUID, series.ReferencedSOPSequence = one.SeriesInstanceUID, [sop]
        of.StudyInstanceUID, of.ReferencedSeriesSequence = one.StudyInstanceUID, [series]
        evidence.append(of)
    ds.CurrentRequestedProcedureEvidenceSequence = evidence
    return with_meta(ds)


def receive(station: Station, *instances: Dataset, called: str = "VOORRANG") -> None:
    station.receive(*instances, called=called)
    station.take_in()
    station.clock.advance(QUIET)
    station.assembler.step()


def completed(station: Station) -> list[tuple[int, int]]:
    """Return revision and number of instances of each completion."""
    return [(e.data.series_revision, e.data.instance_count) for e in station.events("series-completed")]


def rejected(station: Station) -> list[tuple[int, str]]:
    return [(e.data.series_revision, e.data.reason) for e in station.events("series-rejected")]


def withdrawn(station: Station) -> str | None:
    found: str | None = station.events("study-updated")[-1].data.withdrawn
    return found


def awaited(station: Station) -> list[tuple[int, bool]]:
    """Return, for each claim, the revision that is complete and whether more came, as told last."""
    return [(one.series_revision, one.open) for one in station.events("study-updated")[-1].data.claims]


def test_the_four_titles_are_those_of_the_standard() -> None:
    """A second list: pydicom's dictionary of PS3.16."""
    assert set(REASONS) == {
        codes.DCM.RejectedForQualityReasons.value,
        codes.DCM.RejectedForPatientSafetyReasons.value,
        codes.DCM.IncorrectModalityWorklistEntry.value,
        codes.DCM.DataRetentionPolicyExpired.value,
    }


@pytest.mark.parametrize(("title", "scheme"), [("113000", "DCM"), (QUALITY, "99LOCAL")])
def test_another_title_rejects_nothing(title: str, scheme: str) -> None:
    assert rejection_note(make_note(make_ct(), title=title, scheme=scheme)) is None


def test_references_that_say_nothing_are_left_out() -> None:
    note = make_note(make_ct(1), make_ct(2))
    del note.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    found = rejection_note(note)

    assert found is not None
    assert [one.sop_instance_uid for one in found.instances] == [f"{SERIES}.2"]


class TestWholeStudy:
    def test_note_after_its_answer_was_asked_for_voids_the_revision_and_withdraws(self, station: Station) -> None:
        stack = make_stack()
        receive(station, *stack)
        receive(station, make_note(*stack, title=WRONG_ENTRY))

        assert completed(station) == [(1, 12)]
        assert rejected(station) == [(1, "wrong_worklist_entry")]
        assert withdrawn(station) == "wrong_worklist_entry"
        station.account()
        assert (WAITING_INSTANCES._value.get(), UNACCOUNTED_INSTANCES._value.get()) == (0, 0)

    def test_images_that_came_for_qa_alone_keep_nothing_on_the_list(self, station: Station) -> None:
        stack = make_stack()
        receive(station, *stack)
        receive(station, *make_stack(4, first=13), called="VOORRANG-QA")
        receive(station, make_note(*stack, title=WRONG_ENTRY))

        assert completed(station) == [(1, 12)]
        assert rejected(station) == [(1, "wrong_worklist_entry")]
        assert withdrawn(station) == "wrong_worklist_entry"

    def test_note_before_its_images_keeps_them_from_the_models(self, station: Station) -> None:
        stack = make_stack()
        receive(station, make_note(*stack))
        receive(station, *stack)

        assert completed(station) == []
        assert rejected(station) == [(0, "quality")]
        assert withdrawn(station) == "quality"

    def test_images_that_come_later_stand(self, station: Station) -> None:
        stack = make_stack()
        receive(station, *stack)
        receive(station, make_note(*stack))
        receive(station, *make_stack(12, first=13))

        assert completed(station) == [(1, 12), (2, 12)]
        assert rejected(station) == [(1, "quality")]
        assert withdrawn(station) is None


class TestSomeSlices:
    def test_the_rest_becomes_the_next_revision(self, station: Station) -> None:
        stack = make_stack()
        receive(station, *stack)
        receive(station, make_note(*stack[-2:]))

        assert completed(station) == [(1, 12), (2, 10)]
        assert rejected(station) == [(1, "quality")]
        assert withdrawn(station) is None

    def test_and_is_not_rejected_again_by_what_comes_next(self, station: Station) -> None:
        stack = make_stack()
        receive(station, *stack)
        receive(station, make_note(*stack[-2:]))
        receive(station, *make_stack(1, first=11, SeriesInstanceUID=f"{STUDY}.2"), make_note(*stack[-2:]))

        assert rejected(station) == [(1, "quality")]

    def test_second_note_rejects_the_revision_that_the_first_left(self, station: Station) -> None:
        stack = make_stack()
        receive(station, *stack)
        receive(station, make_note(stack[-1]))
        receive(station, make_note(stack[-2], number=2))

        assert completed(station) == [(1, 12), (2, 11), (3, 10)]
        assert rejected(station) == [(1, "quality"), (2, "quality")]

    def test_late_slice_that_was_rejected_before_it_came_opens_and_closes_the_claim(self, station: Station) -> None:
        stack = make_stack(13)
        receive(station, *stack[:12], make_note(stack[12]))
        station.receive(stack[12])
        station.take_in()
        assert awaited(station) == [(1, True)]
        station.clock.advance(QUIET)
        station.assembler.step()

        assert completed(station) == [(1, 12)]
        assert awaited(station) == [(1, False)]


class TestReach:
    def test_note_for_another_purpose_rejects_nothing(self, station: Station) -> None:
        stack = make_stack()
        receive(station, *stack)
        receive(station, make_note(*stack), called="VOORRANG-QA")

        assert (rejected(station), withdrawn(station)) == ([], None)

    @pytest.mark.parametrize("lies", [False, True])
    def test_note_reaches_no_other_study_whatever_it_claims(self, station: Station, lies: bool) -> None:
        stack = make_stack()
        receive(station, *stack[:6])
        other = f"{STUDY}.77"
        note = make_note(*stack, study=other)
        if lies:
            for item in note.CurrentRequestedProcedureEvidenceSequence:
                item.StudyInstanceUID = other
        receive(station, note)
        receive(station, *stack[6:])

        assert completed(station)[-1][1] == 12
        assert rejected(station) == []


class TestInference:
    def worker(self, database: Database, folder: Path) -> tuple[Worker, Scripted]:
        reader = Scripted(())
        return Worker(make_runtime("inference", database, folder), reader), reader

    def rejection(self, revision: int) -> Any:
        return make_event(
            SeriesRejected(
                study_instance_uid=make_series_completed().study_instance_uid,
                series_instance_uid=make_series_completed().series_instance_uid,
                series_revision=revision,
                reason="quality",
                rejected_at=make_series_completed().last_received_at,
            )
        )

    def test_rejected_revision_is_not_begun_and_the_next_is(self, database: Database, tmp_path: Path) -> None:
        worker, reader = self.worker(database, tmp_path)
        worker.on_series_rejected(self.rejection(2))
        worker.on_series_rejected(self.rejection(1))
        for revision in (1, 2):
            worker.on_series_completed(make_event(make_series_completed(series_revision=revision)))
        assert (reader.asked, told(worker.runtime)) == ([], [])

        worker.on_series_completed(make_event(make_series_completed(series_revision=3)))
        assert [one.series_revision for one in told(worker.runtime)] == [3]

    def test_answer_that_was_computed_meanwhile_is_not_told(self, database: Database, tmp_path: Path) -> None:
        worker, reader = self.worker(database, tmp_path)
        read = reader.read

        def read_while_it_is_rejected(job: Any) -> Any:
            for outcome in read(job):
                Worker(worker.runtime, reader).on_series_rejected(self.rejection(1))
                yield outcome

        reader.read = read_while_it_is_rejected  # type: ignore[method-assign]
        worker.on_series_completed(make_event(make_series_completed()))

        assert told(worker.runtime) == []


def test_a_second_note_about_the_same_images_voids_nothing(station: Station) -> None:
    stack = make_stack()
    receive(station, *stack)
    receive(station, make_note(*stack[-2:]))
    receive(station, make_note(*stack[-2:], number=2))

    assert completed(station) == [(1, 12), (2, 10)]
    assert rejected(station) == [(1, "quality")]


def test_a_note_about_what_never_came_voids_nothing(station: Station) -> None:
    stack = make_stack()
    receive(station, *stack)
    receive(station, make_note(stack[-1]))
    receive(station, make_note(make_ct(77), number=2))

    assert completed(station) == [(1, 12), (2, 11)]
    assert rejected(station) == [(1, "quality")]


def test_a_late_image_that_is_rejected_before_it_was_in_a_revision_voids_nothing(station: Station) -> None:
    receive(station, *make_stack())
    stray = make_ct(40)
    station.receive(stray)
    station.take_in()
    receive(station, make_note(stray))

    assert completed(station) == [(1, 12)]
    assert rejected(station) == []
