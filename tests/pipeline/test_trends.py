"""The arithmetic that every store shares."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import BIN, EMOTIONS, HOUR, SCALE, Bin
from pipeline.trends import (
    Sums,
    author_key,
    bin_of,
    check_every,
    effective_n,
    fixed,
    floor_to,
    share_interval,
    share_of,
    text_key,
    trend_point,
)


@pytest.mark.parametrize(
    ("x", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718), (29, 29, 0.8830, 1.0)],
)
def test_the_interval_is_wilsons(x: int, n: int, low: float, high: float) -> None:
    """The four examples of Newcombe (Statistics in Medicine 17, 1998, table I, method 3), and the mirror of an empty one."""
    assert (low, high) == (pytest.approx(share_interval(x / n, n)[0], abs=5e-5), pytest.approx(share_interval(x / n, n)[1], abs=5e-5))


@given(st.floats(0, 1), st.floats(0.01, 1e7))
def test_the_interval_holds_the_share_and_stays_between_0_and_1(share: float, n: float) -> None:
    """For any share and any effective number of posts."""
    low, high = share_interval(share, n)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1


def test_the_effective_number_is_the_count_of_posts_of_equal_weight() -> None:
    """n posts of one weight count n; a heavy post among light ones makes it less; nothing makes 0."""
    assert (7.0, 7.0) == (effective_n(7 * SCALE, 7 * SCALE), effective_n(7 * 3 * SCALE, 7 * 9 * SCALE))
    assert 16 / 10 == effective_n(4 * SCALE, 10 * SCALE)
    assert 0.0 == effective_n(0, 0)


def test_a_share_without_posts_is_none() -> None:
    """No figure without its sample."""
    assert (None, None, None) == share_of(0, 0, 0)


def test_a_share_is_a_sum_of_probabilities() -> None:
    """Σ w·p / Σ w, with the interval for the effective number."""
    assert (0.3, *share_interval(0.3, 2.0)) == share_of(2 * SCALE, 2 * SCALE, 6_000 * SCALE)


@given(st.integers(-SCALE, SCALE))
def test_a_multiple_of_the_scale_survives(number: int) -> None:
    """A score is the same after it was an integer."""
    assert number == fixed(number / SCALE)


def test_buckets_count_from_1970() -> None:
    """The start of a bucket is the last multiple of its length."""
    assert (0, BIN, BIN, -BIN) == tuple(floor_to(moment, BIN) for moment in (BIN - 1, BIN, 2 * BIN - 1, -1))


@pytest.mark.parametrize("every", [0, -BIN, BIN - 1, BIN + 1])
def test_a_bucket_is_a_multiple_of_five_minutes(every: int) -> None:
    """Anything else is an error that says so."""
    check_every(HOUR)
    with pytest.raises(ValueError, match="5 minutes"):
        check_every(every)


def test_a_trend_point_divides_its_sums() -> None:
    """Each mean is over the weight of the scored posts; the volume is of all."""
    sums = Sums(5 * SCALE, 2 * SCALE, 2 * SCALE, *(k * SCALE * SCALE // 10 for k in (4, 6, -8, 2)), tuple(range(len(EMOTIONS))))
    point = trend_point("tea", HOUR, sums)
    assert ("tea", HOUR, 5.0, 2.0, 0.2, 0.3, -0.4, 0.1) == (
        point.topic, point.start, point.volume, point.n, point.negative, point.intensity, point.valence, point.arousal,
    )  # fmt: skip
    assert list(EMOTIONS) == list(point.emotions)
    assert 27 / (2 * SCALE * SCALE) == point.emotions["neutral"]


def test_a_trend_point_without_scores_has_only_a_volume() -> None:
    """No mean over nothing."""
    point = trend_point("tea", 0, Sums(SCALE, 0, 0, 0, 0, 0, 0, (0,) * len(EMOTIONS)))
    assert (1.0, 0.0, None, None, None, {}) == (point.volume, point.n, point.negative, point.low, point.valence, point.emotions)


def test_a_bin_divides_its_sums() -> None:
    """Weights by SCALE, weighted probabilities by its square."""
    assert Bin("tea", BIN, 3.0, 2.5, 2, 0.75, 2, 1) == bin_of("tea", BIN, 3 * SCALE, 25_000, 2, 7_500 * SCALE, 2, 1)


@pytest.mark.parametrize(
    "other",
    ["too small for ME", "  Too\n small\tfor me ", "@shop Too small for me https://a.example/x?y=1", "www.a.example too small for me"],
)
def test_texts_that_say_the_same_have_one_key(other: str) -> None:
    """Case, spaces, mentions and addresses don't count."""
    assert text_key("Too small for me") == text_key(other)


def test_texts_that_say_something_else_have_another_key() -> None:
    """Words, their order and their punctuation count; any text has a key of 64 bits."""
    keys = [text_key(text) for text in ("too small", "small too", "too small!", "", "\ud800", "zu klein")]
    assert len(set(keys)) == len(keys)
    assert all(-(2**63) <= key < 2**63 for key in keys)


def test_authors_are_told_apart() -> None:
    """By any string; nobody stays nobody."""
    assert author_key("00ff") == author_key("00ff") != author_key("00fe")
    assert author_key(None) is None
