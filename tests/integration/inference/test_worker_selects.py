"""Several series of a study at the worker: none is read after a better one, and each that is not read says why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

import pytest
from sqlalchemy import select

import inference.timeline
from inference.archived_series import read_archived
from inference.model import Model, Opinion
from inference.reading import AS_IT_IS, Outcome
from inference.running.messages import Job
from inference.volume import Volume
from inference.worker import Worker
from tests.builders import MODEL, SERIES_UID, START, make_event, make_runtime, make_series_completed
from tests.integration.inference.archived import archive_series
from voorrang.archive import Archive
from voorrang.database import Database
from voorrang.events.envelope import decode
from voorrang.events.records import FindingsScored, ModelIdentity, SeriesCompleted, SeriesRejected
from voorrang.pathways.criteria import SeriesCriteria
from voorrang.pathways.pathway import ModelUse
from voorrang.runtime import Runtime
from voorrang.tables import outbox

pytestmark = pytest.mark.integration

THIN, MIDDLE, THICK = 2.0, 3.0, 5.0
SECOND = ModelIdentity(model_id="second", version_label="1", weights_digest="e" * 64)


@dataclass
class Head:
    """Reads heads; `read_hu` is what it read, and it fails at what is in `fails_at`."""

    model_id: str
    version: str = "1"
    weights_digest: str = "0" * 64
    operating_point: float = 0.5
    scope: SeriesCriteria = field(default_factory=lambda: SeriesCriteria(region="head"))
    read_hu: list[int] = field(default_factory=list)
    fails_at: set[int] = field(default_factory=set)

    def read(self, volume: Volume) -> Opinion:
        """Answer or fail."""
        hu = int(volume.voxels_hu[0, 0, 0])
        self.read_hu.append(hu)
        if hu in self.fails_at:
            raise ValueError
        return Opinion(0.5, ())


@dataclass
class InProcess:
    """A reader without a child."""

    archive: Archive
    models: dict[str, Model]
    identities: Mapping[str, ModelIdentity] = field(default_factory=lambda: {"reference-head": MODEL, "second": SECOND})

    def read(self, job: Job) -> Iterator[tuple[str, Outcome]]:
        """Read as the child does."""
        models = {name: self.models[name] for name in job.models}
        return read_archived(models, self.archive, job.manifest, job.criteria, AS_IT_IS, job.rivals)


@dataclass
class Site:
    """A worker with one or two models; a series is known by the thickness of its slices, and its HU are that."""

    runtime: Runtime
    first: Head
    second: Head
    worker: Worker

    def complete(self, spacing_mm: float, **changes: object) -> SeriesCompleted:
        """Put a series into the archive and hand its event to the worker."""
        uid = f"{SERIES_UID}.{int(spacing_mm)}"
        frame = str(changes.pop("frame", "1.2.826.0.1.3680043.8.498.5"))
        manifest = archive_series(self.runtime.archive, uid, int(spacing_mm), spacing_mm, frame)
        record = make_series_completed(series_instance_uid=uid, manifest=manifest, **changes)
        self.hand_over(record)
        return record

    def hand_over(self, record: SeriesCompleted) -> None:
        """Hand an event to the worker."""
        self.worker.on_series_completed(make_event(record))

    def told(self, model: ModelIdentity = MODEL) -> dict[int, tuple[str, str]]:
        """Return of each series, by the thickness of its slices, state and code of its latest answer by a model."""
        with self.runtime.database.read() as connection:
            rows = connection.execute(select(outbox.c.payload).order_by(outbox.c.id)).scalars()
            answers: list[FindingsScored] = [decode(payload).data for payload in rows]
        mine = sorted((a for a in answers if a.model == model), key=lambda a: (a.series_revision, a.run))
        return {
            int(a.series_instance_uid.rpartition(".")[2]): (a.state.value, a.reasons[0].code if a.reasons else "")
            for a in mine
        }


SCORED, PREFERRED = ("scored", ""), ("out_of_scope", "another_preferred")


@pytest.fixture
def runtime(database: Database, tmp_path: Path) -> Runtime:
    return make_runtime("inference", database, tmp_path)


@pytest.fixture
def site(runtime: Runtime) -> Site:
    return make_site(runtime)


def make_site(runtime: Runtime, *more: str) -> Site:
    stroke = runtime.pathways["stroke"]
    uses = (*stroke.models, *(ModelUse(name=name, operating_point=0.5) for name in more))
    runtime.pathways = {"stroke": stroke.model_copy(update={"models": uses})}
    first, second = Head("reference-head"), Head("second")
    reader = InProcess(runtime.archive, {"reference-head": first, "second": second})
    return Site(runtime, first, second, Worker(runtime, reader))


def test_a_worse_series_after_a_better_one_is_not_read_and_where_says_why(site: Site) -> None:
    site.complete(THIN)
    thick = site.complete(THICK)
    assert site.first.read_hu == [2]
    assert site.told() == {2: SCORED, 5: PREFERRED}
    with site.runtime.database.read() as connection:
        (moment,) = inference.timeline.timeline(connection, [thick.series_instance_uid])
    assert moment.detail.endswith("out of scope: Another series is preferred: slices of 2.0 mm; these are 5.0 mm.")


def test_a_better_series_that_comes_later_is_read_too_and_the_score_before_it_stands(site: Site) -> None:
    thick = site.complete(THICK)
    site.complete(THIN)
    site.hand_over(thick)  # again, as after a restart
    assert site.first.read_hu == [5, 2]
    assert site.told() == {2: SCORED, 5: SCORED}


def test_a_series_whose_images_were_rejected_keeps_no_other_from_being_read(site: Site) -> None:
    thin = site.complete(THIN)
    site.worker.on_series_rejected(
        make_event(
            SeriesRejected(
                study_instance_uid=thin.study_instance_uid,
                series_instance_uid=thin.series_instance_uid,
                series_revision=thin.series_revision,
                reason="quality",
                rejected_at=START,
            )
        )
    )
    site.complete(THICK)
    assert site.told()[5] == SCORED


@pytest.mark.parametrize("order", list(permutations([THIN, MIDDLE, THICK])))
def test_in_whatever_order_they_come_the_best_is_scored_and_none_is_read_after_a_better_one(
    site: Site, order: tuple[float, ...]
) -> None:
    records = [site.complete(spacing) for spacing in order]
    for record in records:
        site.hand_over(record)
    assert site.first.read_hu == [int(s) for n, s in enumerate(order) if s == min(order[: n + 1])]
    told = site.told()
    assert told == {int(s): SCORED if int(s) in site.first.read_hu else PREFERRED for s in order}
    assert told[2] == SCORED


def test_what_no_model_could_score_stands_in_nobodys_way(site: Site) -> None:
    site.first.fails_at = {2}
    site.complete(THIN)
    site.complete(THICK)
    assert site.told() == {2: ("failed", "model_error"), 5: SCORED}


def test_each_model_reads_the_best_of_those_that_it_could_score(runtime: Runtime) -> None:
    site = make_site(runtime, "second")
    site.second.fails_at = {2}
    site.complete(THIN)
    site.complete(THICK)
    assert (site.first.read_hu, site.second.read_hu) == ([2], [2, 5])
    assert (site.told(MODEL)[5], site.told(SECOND)[5]) == (PREFERRED, SCORED)


def test_a_patient_scanned_anew_is_read_anew(site: Site) -> None:
    site.complete(THIN)
    site.complete(THICK, frame="1.2.826.0.1.3680043.8.498.7")
    assert site.told() == {2: SCORED, 5: SCORED}


def test_a_series_of_another_study_or_by_another_version_is_no_rival(site: Site) -> None:
    site.complete(THIN, study_instance_uid="1.2.826.0.1.3680043.8.498.8")
    site.complete(MIDDLE)
    newer = MODEL.model_copy(update={"version_label": "2"})
    site.worker.reader.identities = {"reference-head": newer}  # type: ignore[misc]
    site.complete(THICK)
    assert site.first.read_hu == [2, 3, 5]


def test_a_run_that_somebody_asked_for_reads_what_its_rival_no_longer_answers(site: Site) -> None:
    site.complete(THIN)
    thick = site.complete(THICK)
    site.first.fails_at = {2}
    site.complete(THIN, series_revision=2)
    site.hand_over(thick.model_copy(update={"run": 2}))
    assert site.told() == {2: ("failed", "model_error"), 5: SCORED}


def test_a_series_that_does_not_fit_says_that_and_nothing_of_rivals(site: Site) -> None:
    site.complete(THIN)
    site.complete(8.0)
    assert site.told()[8][1] == "slice_thickness"
