"""The share of negative posts estimated in spite of what a model confuses, and its band."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.confusion import Confusion, estimate, estimate_of_several, recall, state_name, to_state
from pipeline.trends import share_interval

PERFECT = Confusion(0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
USUAL = Confusion(0.12, 0.53, 0.03, 0.08, 7e-6, 6e-5, 3e-7)

confusions = st.builds(
    lambda low, gap, *rest: Confusion(low, low + gap, *rest, 0.0),
    st.floats(0, 0.4), st.floats(0.05, 0.6), st.floats(0, 0.1), st.floats(0, 0.1), st.floats(0, 1e-3), st.floats(0, 1e-3),
)  # fmt: skip


@given(st.integers(0, 50), st.integers(1, 50))
def test_a_perfect_model_has_wilsons_interval(hits: int, more: int) -> None:
    """Without confusion the estimate is the share itself, and the band the interval of the uncorrected share."""
    n = hits + more
    share, low, high = estimate(hits / n, n, PERFECT)
    assert (hits / n, *share_interval(hits / n, n)) == (pytest.approx(share), pytest.approx(low, abs=1e-12), pytest.approx(high))


@given(st.floats(0, 1), st.floats(0.1, 1e6), confusions)
def test_a_band_holds_its_estimate_within_0_and_1(mean: float, n: float, confusion: Confusion) -> None:
    """Whatever the mean, also one that no share explains."""
    share, low, high = estimate(mean, n, confusion)
    assert 0 <= low <= share <= high <= 1


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.9, 1.0])
def test_the_share_behind_a_mean_is_found(share: float) -> None:
    """A mean between the two constants tells the share in proportion; a mean outside of them is 0 or 1."""
    mean = 0.53 * share + 0.12 * (1 - share)
    assert share == pytest.approx(estimate(mean, 100, USUAL)[0])
    assert (0.0, 1.0) == (estimate(0.05, 100, USUAL)[0], estimate(0.7, 100, USUAL)[0])


def test_the_error_of_the_model_stays_however_many_posts_there_are() -> None:
    """A million posts leave a band as wide as the constants are unsure; with sure constants it vanishes."""
    widths = [high - low for _, low, high in (estimate(0.3, 10.0**k, USUAL) for k in range(1, 8))]
    assert all(wide > narrow for wide, narrow in pairwise(widths))
    assert 0.03 < widths[-1] < 0.04
    _, low, high = estimate(0.3, 1e7, USUAL.without_error())
    assert high - low < 0.002


def test_the_band_of_several_models_holds_those_of_each() -> None:
    """Where nobody knows which model scored a post, the band reaches from the lowest to the highest end."""
    parts = [estimate(0.3, 200, USUAL), estimate(0.3, 200, PERFECT)]
    share, low, high = estimate_of_several(0.3, 200, [USUAL, PERFECT])
    assert (min(part[1] for part in parts), max(part[2] for part in parts)) == (low, high)
    assert low < share < high


def test_the_band_covers_the_truth_on_made_up_scores() -> None:
    """Of 3,000 seeded samples under five shares, with constants from 2,000 labelled texts, 93 to 97 % of the bands hold the share."""
    rng = random.Random(5)
    hits = 0
    for trial in range(3_000):
        share, n = (0.05, 0.2, 0.4, 0.6, 0.8)[trial % 5], (30, 100, 300)[trial % 3]
        low, high = rng.gauss(0.2, 0.15 / 1600**0.5), rng.gauss(0.5, 0.25 / 400**0.5)
        constants = Confusion(low, high, 0.15**2, 0.25**2, 0.15**2 / 1600, 0.25**2 / 400, 0.0)
        mean = sum(rng.gauss(0.5, 0.25) if rng.random() < share else rng.gauss(0.2, 0.15) for _ in range(n)) / n
        _, least, most = estimate(mean, n, constants)
        hits += least <= share <= most
    assert 0.93 <= hits / 3_000 <= 0.97


def test_a_store_gives_back_what_it_was_told() -> None:
    """Bit by bit; a model that it wasn't told of is unknown."""
    kept = {state_name("static@1"): to_state(USUAL)}
    known = recall(kept.get)
    assert (USUAL, None) == (known("static@1"), known("static@2"))


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.5), (0.6, 0.4), (-0.1, 0.5), (0.1, 1.1)])
def test_constants_that_tell_nothing_apart_are_refused(low: float, high: float) -> None:
    """A checkpoint whose negative texts don't score higher than the others is damaged."""
    with pytest.raises(ValueError, match="low < high"):
        Confusion.from_json({**USUAL.to_json(), "low": low, "high": high})
