"""One message's transaction: what every fact is applied with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ingest.announcing import Announcer
from ingest.orders import store
from ingest.orders.facts import Person
from voorrang import identity
from voorrang.database import Connection
from voorrang.events.records import Record
from voorrang.identity import PatientIdentity
from voorrang.runtime import Origin


@dataclass(frozen=True, slots=True)
class Applying:
    """
    The transaction of one message.

    Parameters
    ----------
    post
        Announces.
    connection
        Writes.
    default_issuer
        Domain of identifiers that name none, by the sender's rule.
    """

    post: Announcer
    connection: Connection
    default_issuer: str

    def stated(self, stated_at: datetime | None) -> datetime:
        """Return when something was stated: never later than it came, or a clock that is wrong would always win."""
        now = self.post.clock.now()
        return min(stated_at or now, now)

    def order_key(self, issuer: str, accession_number: str) -> str:
        """Return the key of an order."""
        return self.post.keys.order_key(issuer or self.default_issuer, accession_number)

    def patient_key(self, issuer: str, patient_id: str) -> str:
        """Return the key of a patient."""
        return self.post.keys.patient_key(issuer or self.default_issuer, patient_id)

    def remember(self, person: Person, stated_at: datetime) -> tuple[str, bool]:
        """Write who a patient is; return the key of whom they were merged into, and whether anything changed."""
        patient_key = self.patient_key(person.issuer, person.patient_id)
        issuer = person.issuer or self.default_issuer
        who = PatientIdentity(patient_key, person.patient_id, issuer, person.name, person.birth_date, person.sex)
        is_changed = identity.remember_patient(self.connection, who, stated_at)
        return store.surviving(self.connection, patient_key), is_changed

    def announce(
        self, record: Record, subject: str, patient_key: str, order_key: str, facts: tuple[str | int, ...]
    ) -> None:
        """Write an event about an order or a patient into the outbox."""
        purpose = self.post.settings.purpose
        origin = Origin(subject, patient_key, order_key, self.post.keys.traceparent(subject), purpose)
        self.post.announce(self.connection, record, origin, facts)
