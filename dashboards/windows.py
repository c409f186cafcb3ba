"""Which stretch of time a page shows, and in what buckets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.records import BIN, DAY, HOUR, MINUTE, TrendPoint
from pipeline.trends import floor_to

# name → (length, width of a bucket): 12 to 90 buckets, wide enough to hold posts and narrow enough to show a spike of an hour
RANGES: dict[str, tuple[int, int]] = {
    "1h": (HOUR, BIN),
    "6h": (6 * HOUR, BIN),
    "24h": (DAY, 30 * MINUTE),
    "7d": (7 * DAY, 2 * HOUR),
    "21d": (21 * DAY, 6 * HOUR),
    "90d": (90 * DAY, DAY),
}
DEFAULT_RANGE = "24h"


@dataclass(frozen=True, slots=True)
class Window:
    """Event time start <= t < end in buckets of `every` ms; `live` when it ends at the clock's now."""

    name: str
    start: int
    end: int
    every: int
    live: bool

    @property
    def before(self) -> int:
        """Start of the equally long stretch before this one."""
        return 2 * self.start - self.end

    @property
    def starts(self) -> range:
        """Start of each bucket."""
        return range(self.start, self.end, self.every)


def window(name: str, now: int, last: int | None) -> Window:
    """The window of a range that ends now, or at a topic's newest post when that is older than the whole range.

    An unknown name gives the default range; ends are widened to whole buckets.
    """
    name = name if name in RANGES else DEFAULT_RANGE
    length, every = RANGES[name]
    live = last is None or last >= now - length
    end = floor_to(now if live or last is None else last, every) + every
    return Window(name, end - length, end, every, live)


def within(points: Sequence[TrendPoint], start: int, end: int) -> list[TrendPoint]:
    """The points whose bucket starts in [start, end)."""
    return [point for point in points if start <= point.start < end]
