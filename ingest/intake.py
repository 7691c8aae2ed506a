"""Intake: gives stored instances their rows, many in one transaction, and announces what they changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from queue import Empty

from ingest import store
from ingest.admission import is_prior
from ingest.received import ReceivedInstance, RefusedInstance
from ingest.receiving import Intake
from voorrang.database import Connection
from voorrang.dicom.headers import InstanceHeader
from voorrang.errors import RetryableError
from voorrang.events.records import Claim, StudyUpdated
from voorrang.identity import StudyIdentity, remember
from voorrang.logs import get_logger
from voorrang.metrics import STUDIES_RECEIVED
from voorrang.pathways.claiming import claiming
from voorrang.runtime import Origin, Runtime

BATCH = 200
GATHER_SECONDS = 0.05


@dataclass(slots=True)
class IntakeWorker:
    """
    Empties the intake queue.

    Parameters
    ----------
    runtime
        The service.
    queue
        Instances that are on disk.
    """

    runtime: Runtime
    queue: Intake
    _batch: list[ReceivedInstance | RefusedInstance] = field(default_factory=list)

    def run(self) -> None:
        """Work until told to stop and the queue is empty; what is left after that is found again at the next start."""
        while not (self.runtime.stop.is_set() and self.queue.empty()):
            try:
                self.step()
            except RetryableError as error:
                get_logger().warning("intake waits", reason=str(error))
                self.runtime.stop.wait(0.5)
                if self.runtime.stop.is_set():
                    return

    def step(self) -> None:
        """Take in one batch, or wait a moment for one; a batch that failed with `RetryableError` is the next again."""
        if not self._batch:
            self._gather()
        if not self._batch:
            return
        self.take(self._batch)
        for _ in self._batch:
            self.queue.task_done()
        self._batch = []

    def pending(self) -> int:
        """Return how many instances have no row yet."""
        return self.queue.unfinished_tasks

    def take(self, batch: Sequence[ReceivedInstance | RefusedInstance]) -> None:
        """
        Write the rows of a batch, and announce the studies that changed, in one transaction.

        An instance whose values fit no row is set aside with its locator: it stops nothing that comes behind it. A
        defect of ours is not taken for that: it ends the service, and everything is found again at the next start.
        """
        try:
            self._take(batch)
        except store.UNFIT as error:
            get_logger().error("batch failed", reason=type(error).__name__, count=len(batch))
            for one in batch:
                self._take_or_set_aside(one)

    def _take_or_set_aside(self, one: ReceivedInstance | RefusedInstance) -> None:
        try:
            self._take([one])
        except store.UNFIT as error:
            get_logger().error("instance not taken in", reason=type(error).__name__)
            with self.runtime.database.write() as connection:
                store.record_refusal(connection, store.NOT_TAKEN_IN, one.locator, self.runtime.clock.now())

    def _take(self, batch: Sequence[ReceivedInstance | RefusedInstance]) -> None:
        with self.runtime.database.write() as connection:
            changed: set[str] = set()
            written: dict[str, StudyIdentity] = {}
            new_studies = 0
            for received in batch:
                if isinstance(received, RefusedInstance):
                    store.record_refusal(connection, received.reason, received.locator, received.at)
                    continue
                is_new_study, is_changed = self._take_one(connection, received, written)
                new_studies += is_new_study
                if is_new_study or is_changed:
                    changed.add(received.header.study_instance_uid)
            for study_instance_uid in sorted(changed):
                announce_study(self.runtime, connection, study_instance_uid)
        STUDIES_RECEIVED.inc(new_studies)
        self.runtime.relay.wake.set()

    def _take_one(
        self, connection: Connection, received: ReceivedInstance, written: dict[str, StudyIdentity]
    ) -> tuple[bool, bool]:
        if not store.insert_instance(connection, received):
            return False, self._raise_purpose(connection, received)
        header, settings = received.header, self.runtime.settings
        rule = settings.senders.get(received.sender)
        prior = is_prior(
            header.study_date,
            received.received_at,
            has_open_order=False,  # orders come with HL7; until then nobody has asked for a report
            sender_prefetches=bool(rule and rule.prefetch),
            purpose=received.purpose,
        )
        key = received.identity.patient.patient_key
        if written.get(key) != received.identity:
            remember(connection, received.identity, received.received_at)
            written[key] = received.identity
        is_new_study = store.touch_study(connection, received, prior)
        is_new_series = store.touch_series(connection, header, received.received_at)
        row = store.study_row(connection, header.study_instance_uid)
        is_raised = row.purpose is not received.purpose and self._raise_purpose(connection, received)
        new_claims = False
        if received.purpose is settings.purpose and not row.prior:
            new_claims = self._claim(connection, header, received.received_at)
        return is_new_study, new_claims or is_new_series or is_raised

    def _raise_purpose(self, connection: Connection, received: ReceivedInstance) -> bool:
        """
        Make a study serve the stack's purpose when it is sent for it after it was sent for another.

        Whoever tries an exam on the QA title first must not keep it off the reading list; the other way round, an exam
        on the list stays there whatever it is sent for later.
        """
        uid, purpose = received.header.study_instance_uid, self.runtime.settings.purpose
        if received.purpose is not purpose or not store.raise_purpose(connection, uid, purpose):
            return False
        if not store.study_row(connection, uid).prior:
            for header in store.series_heads(connection, uid):
                self._claim(connection, header, received.received_at)
        return True

    def _claim(self, connection: Connection, header: InstanceHeader, at: datetime) -> bool:
        """Open the claims of the pathways that want a series; tell whether one is new."""
        wanting = claiming(self.runtime.pathways.values(), header)
        return any([store.open_claim(connection, header.series_instance_uid, p.name, at) for p in wanting])

    def _gather(self) -> None:
        try:
            self._batch.append(self.queue.get(timeout=GATHER_SECONDS))
            while len(self._batch) < BATCH:
                self._batch.append(self.queue.get_nowait())
        except Empty:
            return


def announce_study(runtime: Runtime, connection: Connection, study_instance_uid: str) -> None:
    """Announce what a study holds now, as its next version."""
    version = store.next_study_version(connection, study_instance_uid)
    row = store.study_row(connection, study_instance_uid)
    modalities, series_count, instance_count = store.study_contents(connection, study_instance_uid)
    claims = store.study_claims(connection, study_instance_uid)
    record = StudyUpdated(
        study_instance_uid=study_instance_uid,
        study_version=version,
        first_received_at=row.first_received_at,
        last_received_at=row.last_received_at,
        modalities=modalities,
        series_count=series_count,
        instance_count=instance_count,
        prior=row.prior,
        claims=tuple(Claim(series_instance_uid=s, pathway=p) for s, p in claims),
    )
    runtime.announce(connection, record, origin_of(runtime, row), (study_instance_uid, version))


def origin_of(runtime: Runtime, row: store.StudyRow) -> Origin:
    """Return what the envelope says of a study."""
    uid = row.study_instance_uid
    return Origin(uid, row.patient_key, row.order_key, runtime.keys.traceparent(uid), row.purpose)
