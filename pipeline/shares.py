"""The share of negative posts over a stretch of time: totals of trend points, and how far two topics lie apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import combinations

from pipeline.ports import TrendReader
from pipeline.records import BIN, DAY, EMOTIONS, HOUR, Comparison, Difference, TrendPoint
from pipeline.trends import floor_to, share_interval


def total(topic: str, start: int, points: Iterable[TrendPoint]) -> TrendPoint:
    """All points as one. Shares and means are weighted by n; the interval is Wilson's over the total n."""
    points = list(points)
    scored = [point for point in points if point.negative is not None]
    volume = math.fsum(point.volume for point in points)
    n = math.fsum(point.n for point in scored)
    if not n:
        return TrendPoint(topic, start, volume, 0.0, None, None, None, None, None, None)

    def mean(values: Iterable[float | None]) -> float:
        return math.fsum(point.n * (value or 0.0) for point, value in zip(scored, values, strict=True)) / n

    share = mean(point.negative for point in scored)
    low, high = share_interval(share, n)
    return TrendPoint(
        topic=topic,
        start=start,
        volume=volume,
        n=n,
        negative=share,
        low=low,
        high=high,
        intensity=mean(point.intensity for point in scored),
        valence=mean(point.valence for point in scored),
        arousal=mean(point.arousal for point in scored),
        emotions={name: mean(point.emotions.get(name) for point in scored) for name in EMOTIONS},
    )


def difference(a: TrendPoint, b: TrendPoint) -> Difference:
    """Share of `a` minus share of `b` with its 95 % interval; None where a topic has no scored post.

    The square-and-add interval of Newcombe, Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17 (1998), method 10, from the two Wilson intervals.
    """
    if a.negative is None or b.negative is None or a.low is None or a.high is None or b.low is None or b.high is None:
        return Difference(a.topic, b.topic, None, None, None)
    apart = a.negative - b.negative
    below = math.hypot(a.negative - a.low, b.high - b.negative)
    above = math.hypot(a.high - a.negative, b.negative - b.low)
    return Difference(a.topic, b.topic, apart, max(-1.0, apart - below), min(1.0, apart + above))


def compare(store: TrendReader, topics: Sequence[str], since: int | None, until: int | None) -> Comparison:
    """Topics side by side, and every pair's difference. Unknown topics raise NotFoundError.

    The stretch is widened to whole buckets, and the answer says to which: five minutes each up to two days, else an hour.
    """
    short = since is not None and until is not None and until - since <= 2 * DAY
    every = BIN if short else HOUR
    since = None if since is None else floor_to(since, every)
    until = None if until is None else -floor_to(-until, every)
    rows = tuple(total(topic, since or 0, store.trend(topic, every, since, until)) for topic in topics)
    return Comparison(since, until, rows, tuple(difference(a, b) for a, b in combinations(rows, 2)))
