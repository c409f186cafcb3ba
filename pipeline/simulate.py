"""A stream with known spikes: what the detector's benchmark and tests are measured on.

Per topic: a rate tier, an hour-of-day and weekend cycle in volume, an hour-of-day cycle in the share, slow AR(1) drift in both,
beta-binomial overdispersion, and injected share spikes and volume-only decoys a day apart. Everything follows from the seed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.records import BIN, DAY, HOUR

Floats = NDArray[np.float64]
PER_DAY = DAY // BIN
PER_HOUR = HOUR // BIN
START = 1_761_955_200_000  # 2025-11-01T00:00Z
TIERS = (0.1, 0.5, 2.0, 10.0, 50.0, 250.0)  # posts per bin
DETECTABLE = 8  # extra negative posts


@dataclass(frozen=True, slots=True)
class Scenario:
    """What to simulate; the defaults are the benchmark's."""

    topics: int = 180
    tiers: tuple[float, ...] = TIERS
    warm_days: int = 14
    days: int = 21  # scored days after the warm-up
    spikes: int = 3  # per topic
    decoys: int = 2  # volume ×5 for 2 h, the share as usual
    volume_cycle: float = 0.6  # amplitude of the log volume over the day
    weekend: float = 0.8  # volume on Saturday and Sunday
    share_cycle: float = 0.2  # amplitude of the logit share over the day
    volume_drift: tuple[float, float] = (0.35, 12.0)  # σ, τ in bins
    share_drift: tuple[float, float] = (0.25, 24.0)
    overdispersion: float = 0.01
    vary: float = 0.0  # σ and ρ differ by topic: log-normal with this deviation
    stepped: float = 0.0  # part of the topics whose odds double for good
    cascades: float = 0.0  # repost cascades per topic-day: copies of one post, half of them of a negative one
    ramp: int = 3  # bins until a spike has its full strength
    start: int = START


@dataclass(frozen=True, slots=True)
class Spike:
    """An injected change: bins start <= t < end of a topic. `extra`: negative posts that it brought."""

    topic: int
    start: int
    end: int
    odds: float
    volume: float
    extra: float

    @property
    def detectable(self) -> bool:
        """Enough extra negatives for anybody to see it."""
        return self.extra >= DETECTABLE


@dataclass(frozen=True, slots=True)
class Stream:
    """Counts (bins, topics) and the truth behind them."""

    scenario: Scenario
    n: NDArray[np.int64]
    x: NDArray[np.int64] | Floats  # whole numbers, unless a model's probabilities took their place
    tier: Floats  # (topics,)
    sigma: Floats  # (topics,) deviation of the share's drift
    rho: Floats  # (topics,) overdispersion
    spikes: list[Spike] = field(default_factory=list)
    decoys: list[tuple[int, int, int]] = field(default_factory=list)  # topic, start, end
    steps: dict[int, int] = field(default_factory=dict)  # topic → bin from which its odds are doubled for good

    def time(self, b: int) -> int:
        """Start of bin b in ms."""
        return self.scenario.start + b * BIN


def simulate(seed: int, scenario: Scenario | None = None) -> Stream:
    """The stream of a seed; the same seed and scenario give the same counts."""
    s = scenario or Scenario()
    rng = np.random.default_rng(seed)
    bins = (s.warm_days + s.days) * PER_DAY
    tier = np.resize(np.array(s.tiers), s.topics)
    hours = np.arange(bins) / PER_HOUR
    log_rate = np.log(tier) + _daily(rng, hours, s.topics, s.volume_cycle) + ar1(rng, bins, s.topics, *s.volume_drift)
    log_rate += np.log(s.weekend) * _weekend(s.start, bins)[:, None]
    scale = np.exp(s.vary * rng.standard_normal((2, s.topics)))
    share = rng.beta(3, 12, s.topics).clip(0.02, 0.8)
    logit = np.log(share / (1 - share)) + _daily(rng, hours, s.topics, s.share_cycle)
    logit += scale[0] * ar1(rng, bins, s.topics, *s.share_drift)
    steps = {int(i): int(rng.integers(s.warm_days * PER_DAY, bins)) for i in np.flatnonzero(rng.random(s.topics) < s.stepped)}
    for topic, at in steps.items():
        logit[at:, topic] += np.log(2)
    rho = np.minimum(s.overdispersion * scale[1], 0.2)
    usual = logit.copy()
    spikes, decoys = _inject(rng, s, log_rate, logit)
    n = rng.poisson(np.exp(log_rate))
    x = rng.binomial(n, _beta(rng, _sigmoid(logit), rho))
    _cascade(rng, s, n, x)
    extra = np.exp(log_rate) * (_sigmoid(logit) - _sigmoid(usual))
    found = [Spike(topic, a, b, odds, volume, float(extra[a:b, topic].sum())) for topic, a, b, odds, volume in spikes]
    return Stream(s, n, x, tier, s.share_drift[0] * scale[0], rho, found, decoys, steps)


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


def _daily(rng: np.random.Generator, hours: Floats, topics: int, amplitude: float) -> Floats:
    """A cycle over the day; its height differs by topic, its peak lies in the afternoon give or take two hours."""
    height = amplitude * rng.uniform(0.5, 1.5, topics)
    peak = rng.normal(15, 2, topics)
    return np.asarray(height * np.cos(2 * np.pi * (hours[:, None] - peak) / 24))


def _weekend(start: int, bins: int) -> Floats:
    days = (start + np.arange(bins) * BIN) // DAY
    return ((days + 3) % 7 >= 5).astype(float)


def ar1(rng: np.random.Generator, bins: int, topics: int, sigma: float, tau: float) -> Floats:
    """Stationary AR(1) with deviation sigma and memory tau in bins, (bins, topics)."""
    keep = np.exp(-1 / tau)
    noise = rng.standard_normal((bins, topics)) * sigma
    path = np.empty((bins, topics))
    path[0] = noise[0]
    shrink = np.sqrt(1 - keep**2)
    for t in range(1, bins):
        path[t] = keep * path[t - 1] + shrink * noise[t]
    return path


def _beta(rng: np.random.Generator, p: Floats, rho: Floats) -> Floats:
    """The share of each bin: Beta with mean p and intra-bin correlation rho."""
    total = 1 / rho - 1
    return rng.beta(np.maximum(p * total, 1e-6), np.maximum((1 - p) * total, 1e-6))


def _inject(
    rng: np.random.Generator, s: Scenario, log_rate: Floats, logit: Floats
) -> tuple[list[tuple[int, int, int, float, float]], list[tuple[int, int, int]]]:
    """Add spikes and decoys in place, at least a day apart within a topic."""
    spikes, decoys = [], []
    for topic in range(s.topics):
        slots = rng.permutation(np.arange(s.warm_days * PER_DAY, (s.warm_days + s.days - 1) * PER_DAY, 2 * PER_DAY))
        starts = [int(slot + rng.integers(0, PER_DAY)) for slot in slots[: s.spikes + s.decoys]]
        for a in starts[: s.spikes]:
            length = int(rng.choice([1, 3])) * PER_HOUR
            odds, volume = float(np.exp(rng.uniform(1.2, 2.0))), float(rng.choice([1.0, 3.0]))
            shape = np.minimum(1.0, np.arange(1, length + 1) / s.ramp)
            logit[a : a + length, topic] += np.log(odds) * shape
            log_rate[a : a + length, topic] += np.log(volume) * shape
            spikes.append((topic, a, a + length, odds, volume))
        for a in starts[s.spikes :]:
            log_rate[a : a + 2 * PER_HOUR, topic] += np.log(5.0)
            decoys.append((topic, a, a + 2 * PER_HOUR))
    return spikes, decoys


def _cascade(rng: np.random.Generator, s: Scenario, n: NDArray[np.int64], x: NDArray[np.int64]) -> None:
    """Add copies in place: about half an hour's worth of posts (log-normal), in one bin or, one time in three, spread over three."""
    for topic in range(s.topics):
        for at in rng.integers(0, len(n) - 3, rng.poisson(s.cascades * (s.warm_days + s.days))):
            usual = n[max(0, at - PER_DAY) : at + 1, topic].mean()
            copies = int(max(5.0, 6 * usual) * rng.lognormal(0, 0.7))
            parts = (0.6, 0.3, 0.1) if rng.random() < 1 / 3 else (1.0, 0.0, 0.0)
            spread = rng.multinomial(copies, parts)
            n[at : at + 3, topic] += spread
            x[at : at + 3, topic] += spread * int(rng.random() < 0.5)
