"""The share of negative posts over a stretch of time: totals of trend points, and how far two topics lie apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations

from pipeline.confusion import Z95, Known, estimate, unknown
from pipeline.ports import TrendReader
from pipeline.records import BIN, DAY, EMOTIONS, HOUR, Comparison, Difference, TrendPoint
from pipeline.trends import estimate_of, floor_to, share_interval

Band = tuple[float, float, float]  # a figure and its 95 % interval


def total(topic: str, start: int, points: Iterable[TrendPoint], known: Known = unknown) -> TrendPoint:
    """All points as one. Shares and means are weighted by n; the interval is Wilson's over the total n.

    `known` gives the confusion of the models, for the estimate.
    """
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
    found = _estimated(scored, known)
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
        models=tuple(sorted({model for point in scored for model in point.models})) if all(point.models for point in scored) else (),
        estimate=found[0],
        estimate_low=found[1],
        estimate_high=found[2],
    )


def _estimated(scored: Sequence[TrendPoint], known: Known) -> Band | tuple[None, None, None]:
    """The estimate over points that may be of several models: that of each model's points, weighted by n.

    The bands are squared and added (Zou and Donner, Statistics in Medicine 27, 2008), as the models err independently.
    """
    parts: list[tuple[float, Band]] = []
    for models in sorted({point.models for point in scored}):
        group = [point for point in scored if point.models == models]
        n = math.fsum(point.n for point in group)
        share, low, high = estimate_of(math.fsum(point.n * (point.negative or 0.0) for point in group) / n, n, models, known)
        if share is None or low is None or high is None:
            return None, None, None
        parts.append((n, (share, low, high)))
    whole = math.fsum(n for n, _ in parts)
    middle = math.fsum(n * share for n, (share, _, _) in parts) / whole
    below = math.hypot(*(n / whole * (share - low) for n, (share, low, _) in parts))
    above = math.hypot(*(n / whole * (high - share) for n, (share, _, high) in parts))
    return middle, max(0.0, middle - below), min(1.0, middle + above)


def difference(a: TrendPoint, b: TrendPoint, known: Known = unknown) -> Difference:
    """Share of `a` minus share of `b` with its 95 % interval; None where a topic has no scored post."""
    if a.negative is None or b.negative is None or a.low is None or a.high is None or b.low is None or b.high is None:
        return Difference(a.topic, b.topic, None, None, None)
    raw = _apart((a.negative, a.low, a.high), (b.negative, b.low, b.high))
    return Difference(a.topic, b.topic, *raw, *_estimates_apart(a, b, known))


def _apart(a: Band, b: Band) -> Band:
    """`a` minus `b`, by squaring and adding.

    Newcombe, Interval estimation for the difference between independent proportions, Statistics in Medicine 17 (1998), method 10.
    """
    apart = a[0] - b[0]
    return apart, max(-1.0, apart - math.hypot(a[0] - a[1], b[2] - b[0])), min(1.0, apart + math.hypot(a[2] - a[0], b[0] - b[1]))


def _estimates_apart(a: TrendPoint, b: TrendPoint, known: Known) -> Band | tuple[None, None, None]:
    """Estimate of `a` minus estimate of `b`.

    Of one model for both, the error of `low` cancels and that of high − low stretches the difference: it is added in proportion.
    """
    if a.estimate is None or b.estimate is None or a.negative is None or b.negative is None:
        return None, None, None
    confusion = known(a.models[0]) if a.models == b.models and len(a.models) == 1 else None
    if confusion is None:
        return _apart(_estimate(a), _estimate(b))
    sure = confusion.without_error()
    apart, low, high = _apart(estimate(a.negative, a.n, sure), estimate(b.negative, b.n, sure))
    stretch = Z95 * abs(apart) * confusion.relative_error
    return apart, max(-1.0, apart - math.hypot(apart - low, stretch)), min(1.0, apart + math.hypot(high - apart, stretch))


def _estimate(point: TrendPoint) -> Band:
    return point.estimate or 0.0, point.estimate_low or 0.0, point.estimate_high or 0.0


def compare(store: TrendReader, topics: Sequence[str], since: int | None, until: int | None) -> Comparison:
    """Topics side by side, and every pair's difference. Unknown topics raise NotFoundError.

    The stretch is widened to whole buckets, and the answer says to which: five minutes each up to two days, else an hour.
    """
    short = since is not None and until is not None and until - since <= 2 * DAY
    every = BIN if short else HOUR
    since = None if since is None else floor_to(since, every)
    until = None if until is None else -floor_to(-until, every)
    rows = tuple(total(topic, since or 0, store.trend(topic, every, since, until), store.confusion) for topic in topics)
    return Comparison(since, until, rows, tuple(difference(a, b, store.confusion) for a, b in combinations(rows, 2)))


def as_estimated(points: Sequence[TrendPoint]) -> Sequence[TrendPoint] | None:
    """The points with their estimates in place of the uncorrected shares; None if one lacks it, as a line of both would jump."""
    if any(point.negative is not None and point.estimate is None for point in points):
        return None
    return [replace(point, negative=point.estimate, low=point.estimate_low, high=point.estimate_high) for point in points]
