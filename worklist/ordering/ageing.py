"""When an exam has waited beyond the cap of its tier, counted in the hours in which its pathway is read. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from itertools import count

from voorrang.clock import utc
from voorrang.pathways.ageing import AgeingRule, ServiceHours
from worklist.ordering.tiers import TierOrder

UNCLAIMED = AgeingRule()


def expires_at(arrived_at: datetime, tier: TierOrder, rule: AgeingRule, zone: tzinfo) -> datetime:
    """
    Return the moment from which an exam has waited beyond its cap.

    Parameters
    ----------
    arrived_at
        When its first image was received, UTC.
    tier
        The tier that people set; a lift does not change it.
    rule
        Caps in minutes, and the hours in which they run.
    zone
        Of the site: service hours are local time, also across a change to summer time.
    """
    minutes = {
        TierOrder.STAT: rule.stat_minutes,
        TierOrder.URGENT: rule.urgent_minutes,
        TierOrder.ROUTINE: rule.routine_minutes,
    }[tier]
    left = timedelta(minutes=minutes)
    if rule.service_hours is None:
        return arrived_at + left
    return _after_service(arrived_at, left, rule.service_hours, zone)


def _after_service(start: datetime, left: timedelta, hours: ServiceHours, zone: tzinfo) -> datetime:
    day = start.astimezone(zone).date()
    for later in count():
        today = day + timedelta(days=later)
        if today.isoweekday() not in hours.days:
            continue
        opens = utc(datetime.combine(today, hours.opens, zone))
        closes = utc(datetime.combine(today, hours.closes, zone))
        begins = max(start, opens)
        if begins + left <= closes:
            return begins + left
        left -= max(timedelta(), closes - begins)
    raise AssertionError("a rule has a day of service at least")
