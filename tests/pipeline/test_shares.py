"""Totals over buckets, and how far two topics lie apart."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import EMOTIONS, TrendPoint
from pipeline.shares import difference, total
from pipeline.trends import share_interval


def point(share: float | None, n: float) -> TrendPoint:
    """A bucket with a share, the same figure for all means."""
    if share is None or not n:
        return TrendPoint("t", 0, n, 0.0, None, None, None, None, None, None)
    low, high = share_interval(share, n)
    return TrendPoint("t", 0, n, n, share, low, high, share, share, share, dict.fromkeys(EMOTIONS, share))


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1_000)), max_size=20))
def test_a_total_is_that_of_all_posts(rows: list[tuple[float, int]]) -> None:
    """Shares are weighted by their posts, and the interval is that of all posts together."""
    found = total("t", 0, [point(share, n) for share, n in rows])
    n = sum(n for _, n in rows)
    assert n == found.n == found.volume
    if n:
        share = math.fsum(share * n for share, n in rows) / n
        assert share == pytest.approx(found.negative)
        assert share == pytest.approx(found.valence)
        assert share == pytest.approx(found.emotions["anger"])
        assert share_interval(found.negative or 0.0, n) == (found.low, found.high)
    else:
        assert found.negative is None


@pytest.mark.parametrize(
    ("a", "n", "b", "m", "low", "high"),
    [
        (56 / 70, 70, 48 / 80, 80, 0.0524, 0.3339),
        (9 / 10, 10, 3 / 10, 10, 0.1705, 0.8090),
        (5 / 56, 56, 0.0, 29, -0.0381, 0.1926),
        (1.0, 10, 0.0, 10, 0.6075, 1.0),
    ],
)
def test_the_interval_is_the_published_one(a: float, n: int, b: float, m: int, low: float, high: float) -> None:
    """The cases of Newcombe's 1998 paper, table II, method 10."""
    found = difference(point(a, n), point(b, m))
    assert (low, high) == (pytest.approx(found.low, abs=6e-5), pytest.approx(found.high, abs=6e-5))


def test_the_interval_covers_the_truth() -> None:
    """Of 2,000 seeded pairs of samples, 93 to 98 % of the intervals hold the true difference."""
    rng = random.Random(1)
    hits = 0
    for _ in range(2_000):
        p, q, n, m = rng.random(), rng.random(), rng.randint(15, 120), rng.randint(15, 120)
        x, y = sum(rng.random() < p for _ in range(n)), sum(rng.random() < q for _ in range(m))
        found = difference(point(x / n, n), point(y / m, m))
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= p - q <= found.high
    assert 0.93 < hits / 2_000 < 0.98


def test_without_posts_there_is_no_difference() -> None:
    """A topic without scored posts can't be compared."""
    assert (None, None, None) == (lambda d: (d.difference, d.low, d.high))(difference(point(None, 5), point(0.5, 9)))
