"""What is usual is learnt from the stream: profile, level, drift, overdispersion, and the prior for a new topic."""

import numpy as np
import pytest

from pipeline.baseline import Baseline, Observed, features, is_weekend, sigmoid
from pipeline.records import BIN, DAY, HOUR, to_ms
from pipeline.simulate import PER_DAY, Scenario, Stream, simulate

CALM = Scenario(topics=24, warm_days=0, days=14, spikes=0, decoys=0, tiers=(2.0, 10.0, 50.0), share_cycle=0.3)


@pytest.fixture(scope="module")
def stream() -> Stream:
    """Two weeks without spikes."""
    return simulate(11, CALM)


@pytest.fixture(scope="module")
def learnt(stream: Stream) -> Baseline:
    """A baseline that saw them."""
    return learn(stream)


def learn(stream: Stream, until: int | None = None) -> Baseline:
    """Feed a stream as if every bin were normal."""
    baseline = Baseline(stream.n.shape[1])
    for b in range(until or len(stream.n)):
        t = stream.time(b)
        n, x = stream.n[b].astype(float), stream.x[b].astype(float)
        baseline.observe(t, Observed(n, x, n), baseline.logit(t), np.ones(n.shape))
        if (t + BIN) % DAY == 0:
            baseline.close_day(t + BIN)
        elif (t + BIN) % HOUR == 0:
            baseline.close_hour(t + BIN)
    return baseline


def test_the_share_of_each_topic_is_found(stream: Stream, learnt: Baseline) -> None:
    """After two weeks the usual share is within a quarter of a logit of the long-run share, in 9 of 10 topics."""
    days = [sigmoid(learnt.logit(stream.time(len(stream.n) - PER_DAY + b))) for b in range(0, PER_DAY, 12)]
    expected = np.mean(days, axis=0)
    observed = stream.x.sum(axis=0) / stream.n.sum(axis=0)
    away = np.abs(np.log(expected / (1 - expected)) - np.log(observed / (1 - observed)))
    assert np.quantile(away, 0.9) < 0.25


def test_the_daily_rhythm_is_found(learnt: Baseline) -> None:
    """The fitted day has its peak in the afternoon, where the simulation puts it (15:00, give or take two hours)."""
    day = np.stack([learnt.logit(20_000 * DAY + h * HOUR) for h in range(24)])
    assert np.median(day.argmax(axis=0)) == pytest.approx(15, abs=2)


def test_drift_and_overdispersion_are_recovered(learnt: Baseline) -> None:
    """σ², τ, ρ and s come out near what was simulated: .0625, 24 bins, .01, and labels of 0 and 1."""
    sigma2, tau, rho, sharpness = learnt.group.nuisance
    assert sharpness == pytest.approx(1.0, abs=0.05)
    assert sigma2 == pytest.approx(0.0625, rel=0.25)
    assert tau == pytest.approx(24, rel=0.3)
    assert rho == pytest.approx(0.01, rel=0.25)


def test_a_new_topic_starts_from_the_others(learnt: Baseline) -> None:
    """Before its first post a new topic has the mean profile of the others, and is uncertain of it."""
    grown = Baseline(0, learnt.config, group=learnt.group)
    grown.add_topics(1)
    assert grown.state.beta[:, 0] == pytest.approx(learnt.group.mean)
    assert grown.uncertainty()[0] > 10 * np.median(learnt.uncertainty())


def test_the_first_hours_already_count(stream: Stream) -> None:
    """A topic of three hours is fitted each hour: its usual share has left the built-in prior for what was seen."""
    early = learn(stream, until=36)
    busy = stream.tier == 50
    observed = stream.x[:36].sum(axis=0) / stream.n[:36].sum(axis=0)
    assert np.abs(sigmoid(early.logit(stream.time(36))) - observed)[busy].max() < 0.05


def test_a_spike_teaches_nothing() -> None:
    """Bins with probability 0 of being normal leave the baseline as it was."""
    baseline = Baseline(1)
    for b in range(2 * PER_DAY):
        t = 20_000 * DAY + b * BIN
        baseline.observe(t, Observed(np.array([50.0]), np.array([45.0]), np.array([50.0])), baseline.logit(t), np.zeros(1))
        if (t + BIN) % DAY == 0:
            baseline.close_day(t + BIN)
    assert sigmoid(baseline.logit(20_002 * DAY))[0] == pytest.approx(sigmoid(np.array(-1.4)), abs=1e-6)


def test_the_weekend_is_saturday_and_sunday() -> None:
    """2026-11-20 was a Friday."""
    days = [to_ms(f"2026-11-{day}") for day in (20, 21, 22, 23)]
    assert [False, True, True, False] == [is_weekend(t) for t in days]
    assert features(0.25, 1.0)[[0, 1, 5]] == pytest.approx([1, 1, 1])


def test_blunt_scores_are_known_as_such() -> None:
    """Probabilities between .1 and .7 have a variance of .4·p(1−p); after three days s is near that, also beside busy topics."""
    rng = np.random.default_rng(5)
    baseline = Baseline(6)
    n = rng.poisson(np.array([0.5, 1, 2, 4, 20, 100]), (3 * PER_DAY, 6))
    true = rng.binomial(n, 0.25)
    blunt = 0.7 * true + 0.1 * (n - true)  # mean .25: calibrated for these two values
    for b, (posts, x) in enumerate(zip(n.astype(float), blunt, strict=True)):
        seen, t = Observed(posts, x, posts), 20_000 * DAY + b * BIN
        baseline.observe(t, seen, baseline.logit(t), np.ones(6))
        if (t + BIN) % DAY == 0:
            baseline.close_day(t + BIN)
    assert baseline.sharpness == pytest.approx(0.36, abs=0.08)
