"""What announces changes: the running service, or a command at a desk, whose events the service relays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ingest.desk import Desk
from voorrang import outbox
from voorrang.clock import Clock
from voorrang.database import Connection, Database
from voorrang.events.envelope import Event, event_id
from voorrang.events.records import Record
from voorrang.identifiers import SiteKeys
from voorrang.pathways.pathway import Pathway
from voorrang.runtime import Origin
from voorrang.settings import Settings
from voorrang.topics import topic_of

SERVICE = "ingest"


class Announcer(Protocol):
    """What state is changed with and told from."""

    @property
    def database(self) -> Database:
        """Where the state and the outbox are."""

    @property
    def keys(self) -> SiteKeys:
        """Makes the opaque keys."""

    @property
    def clock(self) -> Clock:
        """Says when."""

    @property
    def settings(self) -> Settings:
        """What is agreed."""

    @property
    def pathways(self) -> Mapping[str, Pathway]:
        """What is wanted."""

    def announce(
        self,
        connection: Connection,
        record: Record,
        origin: Origin,
        facts: tuple[str | int, ...],
        lane: str | None = None,
    ) -> bool:
        """Write an event into the outbox within the caller's transaction; False when this fact was told before."""


@dataclass(frozen=True, slots=True)
class DeskAnnouncer:
    """Announces from a command."""

    desk: Desk

    @property
    def database(self) -> Database:
        """Where the state and the outbox are."""
        return self.desk.database

    @property
    def keys(self) -> SiteKeys:
        """Makes the opaque keys."""
        return self.desk.keys

    @property
    def clock(self) -> Clock:
        """Says when."""
        return self.desk.clock

    @property
    def settings(self) -> Settings:
        """What is agreed."""
        return self.desk.settings

    @property
    def pathways(self) -> Mapping[str, Pathway]:
        """What is wanted."""
        return self.desk.pathways

    def announce(
        self,
        connection: Connection,
        record: Record,
        origin: Origin,
        facts: tuple[str | int, ...],
        lane: str | None = None,
    ) -> bool:
        """Write an event into ingest's outbox; the relay of the running service publishes it."""
        now = self.clock.now()
        event = Event(
            id=event_id(record.event_type, *facts),
            source=SERVICE,
            type=record.event_type,
            time=now,
            subject=origin.subject,
            traceparent=origin.traceparent,
            purpose=origin.purpose,
            site=self.settings.site,
            patient_key=origin.patient_key,
            order_key=origin.order_key,
            data=record,
        )
        return outbox.append(connection, SERVICE, topic_of(record, lane).name, event, now)
