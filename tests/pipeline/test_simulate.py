"""The simulated stream has the properties that the benchmark reports on."""

import numpy as np
import pytest

from pipeline.simulate import DETECTABLE, PER_DAY, Scenario, simulate

SMALL = Scenario(topics=12, warm_days=3, days=12)


def test_the_same_seed_gives_the_same_stream() -> None:
    """Counts and truth follow from the seed."""
    one, two = simulate(3, SMALL), simulate(3, SMALL)
    assert np.array_equal(one.n, two.n)
    assert np.array_equal(one.x, two.x)
    assert one.spikes == two.spikes


def test_another_seed_gives_another_stream() -> None:
    """The seed is used."""
    assert not np.array_equal(simulate(3, SMALL).n, simulate(4, SMALL).n)


def test_spikes_lie_in_the_scored_days_a_day_apart() -> None:
    """No spike or decoy in the warm-up, and never two of a topic within a day."""
    stream = simulate(5, SMALL)
    for topic in range(SMALL.topics):
        starts = sorted([s.start for s in stream.spikes if s.topic == topic] + [a for i, a, _ in stream.decoys if i == topic])
        assert len(starts) == SMALL.spikes + SMALL.decoys
        assert starts[0] >= SMALL.warm_days * PER_DAY
        assert min(np.diff(starts)) >= PER_DAY


def test_detectable_means_enough_extra_negatives() -> None:
    """A spike counts when it brought at least eight extra negative posts."""
    stream = simulate(6, SMALL)
    assert {s.detectable for s in stream.spikes} == {True, False}
    assert all(s.detectable == (s.extra >= DETECTABLE) for s in stream.spikes)


def test_counts_are_possible() -> None:
    """No more negatives than posts, and rates in the order of their tiers."""
    stream = simulate(7, SMALL)
    assert (stream.x <= stream.n).all()
    rates = stream.n.mean(axis=0)
    assert rates[0] < rates[2] < rates[4]
    assert rates[5] == pytest.approx(250, rel=0.5)


def test_cascades_add_copies_of_negative_posts() -> None:
    """A repost cascade adds copies within three bins, of one feeling: all negative or none."""
    plain = simulate(8, SMALL)
    copied = simulate(8, Scenario(topics=12, warm_days=3, days=12, cascades=0.2))
    more = copied.n - plain.n
    negative = copied.x - plain.x
    assert set(np.unique(negative[more > 0] / more[more > 0])) == {0, 1}
    assert 0 < np.count_nonzero(more) <= 3 * SMALL.topics * 15
