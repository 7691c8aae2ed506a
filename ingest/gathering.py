"""Gathers what a claim is judged on: when its series came, how it lies, and which required series are wanting."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ingest import store
from ingest.arrivals import Arrivals
from ingest.completeness import Arrival, Patience, patience, seconds_since
from ingest.study_series import StudySeries, series_of_study
from voorrang.dicom.geometry import SeriesGeometry, series_geometry
from voorrang.pathways.pathway import Pathway
from voorrang.runtime import Runtime


@dataclass(slots=True)
class Gatherer:
    """
    Reads the headers of a series again only when their number has changed.

    Parameters
    ----------
    runtime
        The service.
    """

    runtime: Runtime
    _arrivals: Arrivals = field(default_factory=Arrivals)
    _geometries: dict[str, tuple[int, SeriesGeometry]] = field(default_factory=dict)
    _asked: set[str] = field(default_factory=set)

    def patience(self, pathway: Pathway, sender: str) -> Patience:
        """Return how long a series of a sender is waited for."""
        rule = self.runtime.settings.senders.get(sender)
        return patience(pathway.complete, rule.quiet_seconds if rule else None)

    def arrival_of_open(self, claim: store.OpenClaim, now: datetime) -> Arrival:
        """Return when the series of an open claim came."""
        key = (claim.series_instance_uid, claim.pathway)
        began_at, last_at = claim.began_at, claim.last_received_at
        return self._arrivals.arrival(key, claim.instance_count, began_at, last_at, now, claim.forced)

    def arrival_of_unconfirmed(self, claim: store.UnconfirmedClaim, now: datetime) -> Arrival:
        """Return when the series of a completed claim came."""
        key = (claim.series_instance_uid, claim.pathway, "completed")
        return self._arrivals.arrival(key, claim.revision, claim.began_at, claim.last_received_at, now)

    def geometry(self, series_instance_uid: str, instance_count: int | None = None) -> SeriesGeometry:
        """Return the geometry; known already for this many instances (None: however many), or measured."""
        self._asked.add(series_instance_uid)
        known = self._geometries.get(series_instance_uid)
        if known is not None and instance_count in (known[0], None):
            return known[1]
        with self.runtime.database.read() as connection:
            headers = [one.header for one in store.series_instances(connection, series_instance_uid)]
        geometry = series_geometry(headers)
        self._geometries[series_instance_uid] = (len(headers), geometry)
        return geometry

    def wanting(self, pathway: Pathway, study_instance_uid: str, now: datetime) -> tuple[str, ...]:
        """Return the names of the required series that are not there, still arriving or not whole."""
        required = pathway.complete.required_series
        if not required:
            return ()
        with self.runtime.database.read() as connection:
            found = series_of_study(connection, study_instance_uid)
        return tuple(
            each.name
            for each in required
            if not any(each.wants.fits(one.head) and self._is_there(one, pathway, now) for one in found)
        )

    def forget_the_rest(self, series_instance_uids: set[str]) -> None:
        """Keep what is known of these series, and of what was asked for since the last call."""
        keep = series_instance_uids | self._asked
        self._geometries = {uid: known for uid, known in self._geometries.items() if uid in keep}
        self._asked = set()
        self._arrivals.forget_the_rest()

    def _is_there(self, found: StudySeries, pathway: Pathway, now: datetime) -> bool:
        """Tell whether a series is quiet and whole: one that still arrives is evenly spaced all the same."""
        uid, count = found.head.series_instance_uid, found.instance_count
        arrival = self._arrivals.arrival((uid,), count, found.began_at, found.last_received_at, now)
        is_quiet = seconds_since(arrival.last_at, now) >= self.patience(pathway, found.sender).quiet_seconds
        return is_quiet and self.geometry(uid, count).is_whole
