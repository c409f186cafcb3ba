"""Totals over buckets, and how far two topics lie apart."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.confusion import Confusion, estimate
from pipeline.records import EMOTIONS, TrendPoint
from pipeline.shares import as_estimated, difference, total
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


USUAL = Confusion(0.12, 0.53, 0.03, 0.08, 7e-6, 6e-5, 3e-7)
OTHER = Confusion(0.2, 0.4, 0.02, 0.06, 1e-5, 1e-5, 0.0)


def estimated(share: float, n: float, model: str, confusion: Confusion) -> TrendPoint:
    """A bucket of one model, with its estimate."""
    middle, low, high = estimate(share, n, confusion)
    return replace(point(share, n), models=(model,), estimate=middle, estimate_low=low, estimate_high=high)


def known(model: str) -> Confusion | None:
    """What two models confuse."""
    return {"a@1": USUAL, "b@1": OTHER}.get(model)


def test_the_estimate_of_a_total_is_that_of_all_its_posts() -> None:
    """Of one model: the estimate of the mean over all posts, so that cut estimates of small buckets don't add up a bias."""
    found = total("t", 0, [estimated(0.05, 10, "a@1", USUAL), estimated(0.4, 30, "a@1", USUAL)], known)
    assert estimate(12.5 / 40, 40, USUAL) == (
        pytest.approx(found.estimate),
        pytest.approx(found.estimate_low),
        pytest.approx(found.estimate_high),
    )
    assert ("a@1",) == found.models


def test_models_are_estimated_apart_and_added() -> None:
    """A stretch in which the model changed has each model's estimate, weighted by posts, in a band narrower than the wider one."""
    parts = [estimated(0.3, 400, "a@1", USUAL), estimated(0.3, 400, "b@1", OTHER)]
    found = total("t", 0, parts, known)
    expected = (estimate(0.3, 400, USUAL)[0] + estimate(0.3, 400, OTHER)[0]) / 2
    assert expected == pytest.approx(found.estimate)
    assert found.estimate_low is not None
    assert found.estimate_high is not None
    assert found.estimate_low < expected < found.estimate_high
    widest = max((part.estimate_high or 0) - (part.estimate_low or 0) for part in parts)
    assert found.estimate_high - found.estimate_low < widest
    assert ("a@1", "b@1") == found.models


def test_a_model_that_nobody_knows_leaves_a_total_uncorrected() -> None:
    """One bucket without an estimate is enough: no figure is a mixture of corrected and uncorrected."""
    points = [estimated(0.3, 40, "a@1", USUAL), replace(point(0.3, 40), models=("x@1",))]
    assert total("t", 0, points, known).estimate is None
    assert as_estimated(points) is None
    shown = as_estimated(points[:1])
    assert shown is not None
    assert (points[0].estimate, points[0].estimate_low) == (shown[0].negative, shown[0].low)


def test_the_difference_of_estimates_covers_the_truth() -> None:
    """Of 2,000 seeded pairs of samples with constants that are off, 93 to 98 % of the intervals hold the true difference."""
    rng = random.Random(3)
    hits = 0
    for _ in range(2_000):
        a, b = rng.uniform(0.05, 0.6), rng.uniform(0.05, 0.6)
        low, high = rng.gauss(0.12, 7e-6**0.5), rng.gauss(0.53, 6e-5**0.5)
        constants = replace(USUAL, low=low, high=high)

        def sample(share: float, constants: Confusion = constants) -> TrendPoint:
            texts = [rng.gauss(0.53, 0.08**0.5) if rng.random() < share else rng.gauss(0.12, 0.03**0.5) for _ in range(400)]
            return estimated(min(1.0, max(0.0, sum(texts) / 400)), 400, "a@1", constants)

        found = difference(sample(a), sample(b), {"a@1": constants}.get)
        assert found.estimate_low is not None
        assert found.estimate_high is not None
        hits += found.estimate_low <= a - b <= found.estimate_high
    assert 0.93 <= hits / 2_000 <= 0.98
