"""Intake: gives what the listener accepted its rows, many in one transaction, and announces what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from ingest import intake_store, retention_store, store
from ingest.admission import is_prior
from ingest.identities import study_identity
from ingest.ledger import Position, extent, has_unread, read_entries, remove_before
from ingest.looking_up import series_of
from ingest.orders.matching import settle_study
from ingest.orders.store import has_open_order
from ingest.patient_reading import PatientReader
from ingest.pausing import Pausing
from ingest.received import HEAD_BYTES, UnreadableInstanceError, read_head, received_head
from ingest.rejecting import settle_rejections
from ingest.study_announcing import announce_study
from ingest.taking import DamagedEntry, ReceivedInstance, RefusedInstance, Taken, taken
from voorrang.archive.own_names import numbered_folders
from voorrang.archive.setting_apart import is_apart
from voorrang.database import Connection
from voorrang.dicom.headers import InstanceHeader
from voorrang.errors import RetryableError
from voorrang.identity import patient_is_known, remember_patient, remember_study
from voorrang.logs import get_logger
from voorrang.metrics import INSTANCES_RECEIVED, STUDIES_RECEIVED
from voorrang.pathways.claiming import claiming
from voorrang.runtime import Runtime

BATCH = 500
QUIET_SECONDS = 1.0
_MAX_REMEMBERED = 10_000
_CLAIMED_BY = (
    "modality",
    "sop_class_uid",
    "image_type",
    "body_part_examined",
    "study_description",
    "series_description",
    "protocol_name",
)


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a ledger was read with a batch, and how many accepted instances that were."""

    ledger: Path
    position: Position
    counted: int


@dataclass(slots=True)
class IntakeWorker:
    """
    Reads the ledgers from where it stopped.

    Parameters
    ----------
    runtime
        The service.
    folder
        Where the ledgers are, each in a folder with the number of its process.
    """

    runtime: Runtime
    folder: Path
    _may_be_more: bool = True
    _took_at: float = 0.0
    _steps: int = 0
    _pausing: Pausing = field(init=False)
    _files: PatientReader = field(init=False)
    _positions: dict[str, Position] = field(default_factory=dict)
    _remembered: set[tuple[str, str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Look at the ledgers for what comes."""
        self._pausing = Pausing(lambda: tuple(map(extent, self.ledgers())), self.runtime.stop.wait)
        self._files = PatientReader(self.runtime)

    @property
    def is_behind(self) -> bool:
        """Whether something has come that is not taken in."""
        return self._may_be_more or self._pausing.has_some

    def run(self) -> None:
        """Work until told to stop; what is left is taken in after the next start."""
        while not self.runtime.stop.is_set():
            try:
                self.step()
                if not self._may_be_more:
                    self._pausing.has_some = False
                    self._pausing.until_pause()
            except RetryableError as error:
                get_logger().warning("intake waits", reason=str(error))
                self.runtime.stop.wait(0.5)

    def step(self) -> bool:
        """Take in a batch, of all ledgers together: a study comes by several; False when there was none."""
        entries, reached = self._read()
        if not entries:
            self._may_be_more = False
            return False
        self._may_be_more = True
        self._took_at = monotonic()
        batch = [one for one in map(taken, entries) if one is not None]
        self._count(batch)
        self.take(batch, reached)
        for one in reached:
            self._positions[one.ledger.name] = one.position
            remove_before(one.ledger, one.position)
        self._may_be_more = len(entries) == BATCH
        return True

    def is_quiet(self) -> bool:
        """Tell whether nothing has come for a moment."""
        return not self._pausing.has_some and monotonic() - self._took_at > QUIET_SECONDS

    def ledgers(self) -> list[Path]:
        """Return the folders of the ledgers, one for each process of the listener."""
        return numbered_folders(self.folder)

    def has_unread(self) -> bool:
        """Tell whether anything waits in a ledger."""
        with self.runtime.database.read() as connection:
            return any(
                has_unread(ledger, intake_store.read_position(connection, ledger.name)[0]) for ledger in self.ledgers()
            )

    def _read(self) -> tuple[list[dict[str, Any]], list[Reached]]:
        """
        Read what is next; who is first when there is more than a batch changes in turn.

        A ledger that the disk does not give keeps nobody else's from being taken in.

        Raises
        ------
        OSError
            When the disk does not give a ledger, and the others have nothing.
        """
        ledgers = self.ledgers()
        first = self._steps % max(1, len(ledgers))
        self._steps += 1
        found: list[dict[str, Any]] = []
        reached = []
        failure: OSError | None = None
        for ledger in (*ledgers[first:], *ledgers[:first]):
            try:
                entries, after = read_entries(ledger, self._position(ledger), BATCH - len(found))
            except OSError as error:
                failure = error
                continue
            if entries:
                found += entries
                reached.append(Reached(ledger, after, sum(bool(entry.get("counts")) for entry in entries)))
                del self._positions[ledger.name]  # until it is written that they were taken in
            if len(found) == BATCH:
                break
        if failure is not None and not found:
            raise failure
        return found, reached

    def _position(self, ledger: Path) -> Position:
        if ledger.name not in self._positions:
            with self.runtime.database.read() as connection:
                self._positions[ledger.name], _ = intake_store.read_position(connection, ledger.name)
        return self._positions[ledger.name]

    def take(self, batch: Sequence[Taken], reached: Sequence[Reached] = ()) -> None:
        """
        Write the rows of a batch, and announce the studies that changed, in one transaction.

        An instance whose values fit no row is set aside with its locator: it stops nothing that comes behind it. A
        defect of ours is not taken for that: it ends the service, and everything is found again at the next start.

        Parameters
        ----------
        batch
            What to take in.
        reached
            How far each ledger was read; none: not from a ledger.
        """
        try:
            self._take(batch, reached)
        except intake_store.UNFIT as error:
            get_logger().error("batch failed", reason=type(error).__name__, count=len(batch))
            for one in batch:
                self._take_or_set_aside(one)
            self._take([], reached)

    def _take_or_set_aside(self, one: Taken) -> None:
        try:
            self._take([one], ())
        except intake_store.UNFIT as error:
            get_logger().error("instance not taken in", reason=type(error).__name__)
            locator = None if isinstance(one, DamagedEntry) else one.locator
            aside = RefusedInstance(store.NOT_TAKEN_IN, locator, self.runtime.clock.now())
            with self.runtime.database.write() as connection:
                intake_store.record_refusal(connection, aside)

    def _take(self, batch: Sequence[Taken], reached: Sequence[Reached]) -> None:
        try:
            self._take_at_once(batch, reached)
        except BaseException:  # goes on to `take`, which sets aside what fits no row, or ends the service
            self._remembered.clear()  # whose studies they are was rolled back with the rest
            raise

    def _take_at_once(self, batch: Sequence[Taken], reached: Sequence[Reached]) -> None:
        new_studies = 0
        with self.runtime.database.write() as connection:
            for one in batch:
                if isinstance(one, RefusedInstance):
                    intake_store.record_refusal(connection, one)
            changed: set[str] = set()
            received = [one for one in batch if isinstance(one, ReceivedInstance)]
            for mine in _by_study(received):
                is_new, is_changed = self._take_study(connection, mine)
                new_studies += is_new
                if is_new or is_changed:
                    changed.add(mine[0].study_instance_uid)
            changed |= settle_rejections(self.runtime, connection, received, self._files.read)
            for study_instance_uid in sorted(changed):
                announce_study(self.runtime, connection, study_instance_uid)
            for one_ledger in reached:
                intake_store.advance(connection, one_ledger.ledger.name, one_ledger.position, one_ledger.counted)
        STUDIES_RECEIVED.inc(new_studies)
        self.runtime.relay.wake.set()

    def _take_study(self, connection: Connection, batch: Sequence[ReceivedInstance]) -> tuple[bool, bool]:
        """Take in instances of one study that came for one purpose; tell whether it is new, and whether it changed."""
        there = [one for one in batch if one.outcome != "duplicate" or self._is_there(one)]
        one, served = batch[0], self.runtime.settings.purpose
        done = intake_store.insert_instances(connection, there, served)
        fresh = [*done.new, *done.raised]
        if not (came := [*fresh, *done.strange]):
            intake_store.touch_known_study(connection, batch)
            return False, self._raise_study(connection, batch)
        is_new_study = intake_store.touch_study(connection, came, self._is_prior(connection, came[0]))
        is_raised = not is_new_study and self._raise_study(connection, came)
        for received in came:
            self._remember(connection, received)
        if is_new_study:
            settle_study(self.runtime, connection, one.study_instance_uid)
        row = store.study_row(connection, one.study_instance_uid)
        is_changed = is_raised or bool(done.raised)
        claims = one.purpose is served and not row.prior
        for mine in _by_series(done.raised):
            intake_store.raise_series(connection, mine)
        for mine in _by_series(fresh):
            is_changed |= intake_store.touch_series(connection, mine, serves=one.purpose in (row.purpose, served))
            if claims:
                is_changed |= self._claim_series(connection, mine)
        for mine in _by_series(done.strange):
            is_changed |= intake_store.add_series(connection, mine)
            if claims and mine[0].series_instance_uid in series_of(connection, one.study_instance_uid):
                is_changed |= self._claim_series(connection, mine, has_images=False)
        return is_new_study, is_changed

    def _is_there(self, received: ReceivedInstance) -> bool:
        """
        Tell whether the file that an instance was a duplicate of is still there: retention may have been quicker.

        Raises
        ------
        RetryableError
            When retention is at it: it is given back in a moment, or gone.
        """
        if self._lies(received.locator):
            return True
        if is_apart(self.runtime.archive, received.locator):
            with self.runtime.database.read() as connection:
                if retention_store.listed(connection, received.locator):
                    raise RetryableError("archive: what came again is just being removed")
        return self._lies(received.locator)

    def _lies(self, locator: str) -> bool:
        try:
            self.runtime.archive.path(locator)
        except FileNotFoundError:
            return False
        except OSError as error:  # the disk does not say, and the listener has found it there
            get_logger().warning("archive", reason=type(error).__name__)
        return True

    def _is_prior(self, connection: Connection, received: ReceivedInstance) -> bool:
        rule = self.runtime.settings.senders.get(received.sender)
        prefetches = bool(rule and rule.prefetch)
        return is_prior(
            str(received.header_values.get("study_date", "")),
            received.received_at,
            has_open_order=prefetches and has_open_order(connection, received.order_key, received.study_instance_uid),
            sender_prefetches=prefetches,
            purpose=received.purpose,
        )

    def _remember(self, connection: Connection, received: ReceivedInstance, *, anew: bool = False) -> None:
        """
        Write whose a study is, from the file, when these instances say it otherwise than those before.

        What came for another purpose than the stack's says nothing of a patient who is known; `anew`: whose the study
        was said to be does not count.
        """
        key = (received.study_instance_uid, received.identity, received.purpose.value)
        if key in self._remembered and not anew:
            return
        rule = self.runtime.settings.senders.get(received.sender)
        try:
            beginning = self._files.read(received.locator, HEAD_BYTES)
            head = received_head(read_head(beginning, is_whole=len(beginning) < HEAD_BYTES))
        except (UnreadableInstanceError, OSError) as error:
            get_logger().error("identity not read", reason=type(error).__name__)
            return
        identity = study_identity(head, self.runtime.keys, rule.default_issuer if rule else "")
        patient, serves = identity.patient, received.purpose is self.runtime.settings.purpose
        if serves or not patient_is_known(connection, patient.patient_key):
            remember_patient(connection, patient, received.received_at)
        remember_study(connection, identity, received.received_at, anew=anew)
        if len(self._remembered) >= _MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered.add(key)

    def _raise_study(self, connection: Connection, batch: Sequence[ReceivedInstance]) -> bool:
        """
        Make a study serve the stack's purpose when it is sent for it after it was sent for another.

        Whoever tries an exam on the QA title first must not keep it off the reading list, nor say whose it is; the
        other way round, an exam on the list stays there whatever it is sent for later.
        """
        one = batch[0]
        if one.purpose is not self.runtime.settings.purpose:
            return False
        if not intake_store.raise_study(connection, batch, self._is_prior(connection, one)):
            return False
        self._remember(connection, one, anew=True)
        settle_study(self.runtime, connection, one.study_instance_uid)
        return True

    def _claim_series(
        self, connection: Connection, batch: Sequence[ReceivedInstance], *, has_images: bool = True
    ) -> bool:
        """Open the claims on a series by every kind of header in a batch; tell whether one was not open."""
        kinds = {repr([one.header_values.get(name) for name in _CLAIMED_BY]): one for one in reversed(batch)}
        return any([self._claim(connection, one.header(), one, has_images=has_images) for one in kinds.values()])

    def _claim(
        self, connection: Connection, header: InstanceHeader, received: ReceivedInstance, *, has_images: bool = True
    ) -> bool:
        """Open the claims of the pathways that want a series; tell whether one was not open."""
        uid, at = header.series_instance_uid, received.received_at
        wanting = claiming(self.runtime.pathways.values(), header)
        return any([intake_store.open_claim(connection, uid, one.name, at, has_images=has_images) for one in wanting])

    def _count(self, batch: Sequence[Taken]) -> None:
        for one in batch:
            if isinstance(one, DamagedEntry):
                get_logger().error("an entry of the ledger is damaged; its instance is looked for at the next start")
            else:
                INSTANCES_RECEIVED.labels("refused" if isinstance(one, RefusedInstance) else one.outcome).inc()


def _by_study(batch: Sequence[ReceivedInstance]) -> list[list[ReceivedInstance]]:
    """Group what is of one study and came for one purpose, in the order of arrival."""
    groups: dict[tuple[str, str], list[ReceivedInstance]] = {}
    for one in batch:
        groups.setdefault((one.study_instance_uid, one.purpose.value), []).append(one)
    return list(groups.values())


def _by_series(batch: Sequence[ReceivedInstance]) -> list[list[ReceivedInstance]]:
    groups: dict[str, list[ReceivedInstance]] = {}
    for one in batch:
        groups.setdefault(one.series_instance_uid, []).append(one)
    return list(groups.values())
