"""Planned work: while a window is open nobody is told of its topics, and their incidents are found, kept and marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson

from pipeline.errors import InputError, NotFoundError
from pipeline.ports import Store
from pipeline.quiet import Hours

STATE = "maintenance"  # the name under which the store keeps {name: [since, until, topics]}
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Weekly:
    """A window that comes again, of the settings: within hours, on the days on which they begin. No topics: all; no days: every day."""

    name: str
    hours: Hours
    days: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()

    def holds(self, now: int) -> bool:
        """Whether it is open at a moment, in ms since 1970."""
        if self.hours.opens(now) != now:
            return False
        local = datetime.fromtimestamp(now / 1000, self.hours.zone)
        began_yesterday = self.hours.end < self.hours.start and local.time() < self.hours.end
        day = local - timedelta(days=1) if began_yesterday else local
        return not self.days or WEEKDAYS[day.weekday()] in self.days


@dataclass(frozen=True, slots=True)
class Once:
    """One window from `since` (included) to `until` (not included), ms since 1970. No topics: all."""

    name: str
    since: int
    until: int
    topics: frozenset[str] = frozenset()

    def holds(self, now: int) -> bool:
        """Whether it is open at a moment."""
        return self.since <= now < self.until


def planned(store: Store, now: int) -> list[Once]:
    """The single windows that are open or to come, by their beginning."""
    return _left(store.state(STATE), now)


def _left(saved: bytes | None, now: int) -> list[Once]:
    rows = orjson.loads(saved) if saved else {}
    found = [Once(name, since, until, frozenset(topics)) for name, (since, until, topics) in rows.items()]
    return sorted((one for one in found if one.until > now), key=lambda one: (one.since, one.name))


def plan(store: Store, window: Once, now: int) -> None:
    """Add a window or replace the one of that name. InputError if it is over or ends before it begins."""
    if not (window.since < window.until and now < window.until):
        raise InputError("a maintenance window ends after it begins and after now")
    _revise(store, window.name, [window], now)


def cancel(store: Store, name: str, now: int) -> None:
    """Take a window back. NotFoundError if none of that name is open or to come."""
    found = planned(store, now)
    if name not in {one.name for one in found}:
        raise NotFoundError.of("maintenance window", name, [one.name for one in found])
    _revise(store, name, [], now)


def silenced(store: Store, weekly: Sequence[Weekly], topic: str, now: int) -> str | None:
    """The name of the window in which the topic is now; the pipeline's own incidents are silenced by windows of all topics only."""
    windows: list[Weekly | Once] = [*weekly, *planned(store, now)]
    for window in windows:
        if window.holds(now) and (not window.topics or topic in window.topics):
            return window.name
    return None


def said(window: Weekly) -> str:
    """`mon, tue 22:00-02:00 UTC`."""
    zone = "UTC" if window.hours.zone is UTC else str(window.hours.zone)
    days = ", ".join(day for day in WEEKDAYS if day in window.days) or "every day"
    return f"{days} {window.hours.start:%H:%M}-{window.hours.end:%H:%M} {zone}"


def _revise(store: Store, name: str, instead: Sequence[Once], now: int) -> None:
    """Put these windows in the place of the one of that name."""

    def change(saved: bytes | None) -> bytes:
        found = [*(one for one in _left(saved, now) if one.name != name), *instead]
        return orjson.dumps({one.name: [one.since, one.until, sorted(one.topics)] for one in found})

    store.revise_state(STATE, change)
