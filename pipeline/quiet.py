"""The hours of the day in which a receiver may be told; outside of them its messages wait."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Hours:
    """From `start` (included) to `end` (not included) by the clock of a zone; an end before the start is on the next day."""

    start: time
    end: time
    zone: tzinfo = UTC

    def opens(self, now: int) -> int:
        """The first moment from `now` on at which messages may come; `now` itself within the hours. Both ms since 1970."""
        local = datetime.fromtimestamp(now / 1000, self.zone)
        if self._holds(local.time()):
            return now
        today = datetime.combine(local.date(), self.start, self.zone)
        opening = today if local.time() < self.start else datetime.combine(local.date() + timedelta(days=1), self.start, self.zone)
        return max(now, int(opening.timestamp() * 1000))

    def _holds(self, moment: time) -> bool:
        if self.start < self.end:
            return self.start <= moment < self.end
        return moment >= self.start or moment < self.end


def hours(text: str, zone: str = "UTC") -> Hours | None:
    """The hours behind `08:00-22:00`; None, which is always, for an empty text. ValueError for another form or an unknown zone."""
    where = _zone(zone)
    if not text:
        return None
    found = _HOURS.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no span of hours; write it as 08:00-22:00")
    from_hour, from_minute, to_hour, to_minute = (int(part) for part in found.groups())
    start, end = time(from_hour, from_minute), time(to_hour, to_minute)
    if start == end:
        raise ValueError(f"{text!r} is empty; leave hours out to be told at any time")
    return Hours(start, end, where)


def _zone(name: str) -> tzinfo:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # a name that isn't there, that leads out of the folder, that is a folder
        raise ValueError(f"unknown time zone {name!r}; write it as Europe/Berlin") from None
