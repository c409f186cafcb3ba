"""How rare is this volume for this topic? The return-period rule over counts per bin.

Method: the log ratio of what came to what was expected, over 5, 15, 30 and 60 minutes, is compared with the topic's own past
daily maxima; a Gamma–Poisson estimate turns that into exceedances per day. "Rarer than weekly" is one threshold that means the
same for every topic. Topics are the last axis of every array.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.records import BIN, DAY, HOUR
from pipeline.snapshot import Floats, append

WINDOWS = (1, 3, 6, 12)  # bins
RING = max(WINDOWS)
WARM = 36  # bins: the level starts from their median
DAYS = 84  # daily maxima kept; the weight of the oldest is 1/8
PER_DAY = DAY // BIN


@dataclass(frozen=True, slots=True)
class VolumeConfig:
    """Constants of the rule; days unless said otherwise. They were fixed before NAB was scored."""

    return_period: float = 7.0  # alert when rarer than once in so many days
    habituation: float = 0.2  # each past alert raises the bar a little
    habituation_half_life: float = 10.0
    prior_days: float = 10.0  # weight of what is known from the other topics
    pool_prior_days: float = 7.0  # topic-days that the built-in guess of the others is worth
    memory: float = 28.0
    profile_half_life: float = 7.0
    level_half_life: float = 8.0
    profile_prior: float = 96.0  # bins


@dataclass
class VolumeState:
    """All that the rule remembers; shapes end with the number of topics."""

    level: Floats
    hour_sum: Floats  # (24, T) decayed sums of volume over level
    hour_weight: Floats
    spread_sum: Floats
    spread_weight: Floats
    phi: Floats
    seen: NDArray[np.int64]  # bins since the topic's first post; 0 = none yet
    first: Floats  # (WARM, T)
    x: Floats  # (RING, T) volume of the last bins
    e: Floats  # (RING, T) what was expected
    today: Floats  # (4, T) the day's maxima so far
    maxima: NDArray[np.float32]  # (DAYS, 4, T), newest first, -inf where there was no day
    last_alert: NDArray[np.int64]  # ms
    alerts: Floats  # decayed number of past alerts

    @classmethod
    def empty(cls, topics: int) -> VolumeState:
        """The state before the first bin."""
        zeros = np.zeros
        return cls(
            level=zeros(topics), hour_sum=zeros((24, topics)), hour_weight=zeros((24, topics)), spread_sum=zeros(topics),
            spread_weight=zeros(topics), phi=np.ones(topics), seen=zeros(topics, np.int64), first=zeros((WARM, topics)),
            x=zeros((RING, topics)), e=zeros((RING, topics)), today=np.full((4, topics), -np.inf),
            maxima=np.full((DAYS, 4, topics), -np.inf, np.float32), last_alert=np.full(topics, -DAY, np.int64), alerts=zeros(topics),
        )  # fmt: skip


class VolumeRule:
    """The rule over all topics; `step` takes one bin and says which topics have a rare volume."""

    def __init__(self, topics: int, config: VolumeConfig | None = None, state: VolumeState | None = None) -> None:
        self.config = config or VolumeConfig()
        self.state = state or VolumeState.empty(topics)
        self.rarity = np.full(topics, -np.inf)  # −ln(exceedances per day) of the newest bin
        self.rarest = np.full(topics, RING)  # the window, in bins, in which it was so rare
        self.teaches = np.ones(topics, bool)  # topics whose days the others are compared with
        self._sort_pool()

    def add_topics(self, count: int) -> None:
        """Start `count` more topics."""
        append(self.state, VolumeState.empty(count))
        self.rarity = np.append(self.rarity, np.full(count, -np.inf))
        self.rarest = np.append(self.rarest, np.full(count, RING))
        self.teaches = np.append(self.teaches, np.ones(count, bool))
        self._sort_pool()

    def step(self, t: int, x: Floats) -> NDArray[np.bool_]:
        """Take the volume x (T,) of the bin starting at t ms; True for topics that alert now."""
        s, c = self.state, self.config
        s.seen += (x > 0) | (s.seen > 0)
        expected = self.expected(t)
        s.x = np.concatenate([s.x[1:], x[None]])
        s.e = np.concatenate([s.e[1:], expected[None]])
        severity = self._severity()
        ready = s.seen > WARM
        np.maximum(s.today, np.where(ready, severity, -np.inf), out=s.today)
        rates = self._exceedances_per_day(t, severity)
        self.rarity = np.where(ready, -np.log(rates.min(axis=0)), -np.inf)
        self.rarest = np.array(WINDOWS)[rates.argmin(axis=0)]
        alert = (self.rarity >= math.log(c.return_period) + c.habituation * s.alerts) & (t - s.last_alert >= DAY)
        s.alerts *= 2 ** (-1 / (c.habituation_half_life * PER_DAY))
        s.alerts += alert
        s.last_alert = np.where(alert, t, s.last_alert)
        self._learn(t, x, expected)
        if (t + BIN) % DAY == 0:
            self._close_day()
        return alert

    def expected(self, t: int) -> Floats:
        """Expected volume (T,) of the bin starting at t ms, at least .05."""
        return np.maximum(0.05, self.state.level * self._factors((t % DAY) // HOUR))

    def rare(self) -> NDArray[np.bool_]:
        """Topics (T,) whose volume is now rarer than the return period, whether or not an alert is due."""
        return np.asarray(self.rarity >= math.log(self.config.return_period))

    def ratio(self) -> Floats:
        """Volume of the last hour over what was expected, steadied by the topic's dispersion (T,)."""
        s = self.state
        return np.asarray((s.x.sum(axis=0) + s.phi) / (s.e.sum(axis=0) + s.phi))

    def _factors(self, hour: int) -> Floats:
        s, prior = self.state, self.config.profile_prior
        return np.asarray((s.hour_sum[hour] + prior) / (s.hour_weight[hour] + prior))

    def _severity(self) -> Floats:
        s = self.state
        return np.stack([np.log((s.x[-k:].sum(axis=0) + s.phi) / (s.e[-k:].sum(axis=0) + s.phi)) for k in WINDOWS])

    def _exceedances_per_day(self, t: int, severity: Floats) -> Floats:
        """Gamma–Poisson rate (4, T) of days with a maximum at least this high: own days, and the other topics as the prior."""
        s, c = self.state, self.config
        above = s.maxima[: self._days] >= severity
        own = np.add.reduce(np.where(above, self._weights[:, None, None], 0.0), axis=0)
        days = self._weight + (t % DAY + BIN) / DAY
        return np.asarray((own + (s.today >= severity) + c.prior_days * self._others(severity, above)) / (days + c.prior_days))

    def _others(self, severity: Floats, above: NDArray[np.bool_]) -> Floats:
        """Share (4, T) of the other topics' days that had a maximum at least this high, with a guess worth some topic-days."""
        weight = self.config.pool_prior_days
        higher = np.stack([pool.size - np.searchsorted(pool, s) for pool, s in zip(self._pool, severity, strict=True)])
        guess = np.exp(-np.maximum(severity - 0.7, 0) / 0.5)  # half of the days double their volume somewhere, 1 in 15 takes it fivefold
        return np.asarray((higher - above.sum(axis=0) + weight * guess) / (self._pool[0].size - self._own + weight))

    def _learn(self, t: int, x: Floats, e: Floats) -> None:
        s, c = self.state, self.config
        hour = (t % DAY) // HOUR
        spread = np.maximum(0.02, s.spread_sum / np.maximum(s.spread_weight, 1e-9))
        clipped = np.minimum(x, e + 4 * np.sqrt(e + spread * e * e))
        decay = 2 ** (-1 / (c.profile_half_life * PER_DAY))
        warm = s.seen <= WARM
        begun = ~warm
        s.spread_sum = s.spread_sum * decay + begun * ((clipped - e) ** 2 - e)
        s.spread_weight = s.spread_weight * decay + begun * e * e
        gain = np.maximum(1 - 2 ** (-1 / (c.level_half_life * PER_DAY)), 1 / (np.maximum(s.seen, 1) + 1.0))
        s.phi = np.where(begun, np.maximum(1, s.phi + gain * (np.minimum((x - e) ** 2 / e, 16 * s.phi) - s.phi)), s.phi)
        old = s.level
        s.level = np.where(begun, old + gain * (clipped / self._factors(hour) - old), old)
        if warm.any():
            self._warm_up(x, warm & (s.seen > 0))
        relative = np.minimum(clipped / np.maximum(old, 0.05), 6)
        s.hour_sum *= decay
        s.hour_weight *= decay
        s.hour_sum[hour] += begun * relative
        s.hour_weight[hour] += begun

    def _warm_up(self, x: Floats, topics: NDArray[np.bool_]) -> None:
        """The level of a topic's first three hours is the median of its bins so far."""
        s = self.state
        for seen in np.unique(s.seen[topics]):
            now = np.flatnonzero(topics & (s.seen == seen))
            s.first[seen - 1, now] = x[now]
            s.level[now] = np.median(s.first[:seen, now], axis=0)

    def _close_day(self) -> None:
        s = self.state
        s.maxima = np.concatenate([s.today[None].astype(np.float32), s.maxima[:-1]])
        s.today = np.full_like(s.today, -np.inf)
        self._sort_pool()

    def _sort_pool(self) -> None:
        """What follows from the daily maxima and holds for a day: the pool of each window, and each topic's number of days."""
        known = np.isfinite(self.state.maxima[:, 0])
        self._days = int(known.any(axis=1).sum())
        self._own = known.sum(axis=0)
        self._weights = 2.0 ** (-np.arange(1, self._days + 1) / self.config.memory)
        self._weight = np.add.reduce(np.where(known[: self._days], self._weights[:, None], 0.0), axis=0)
        maxima, taught = self.state.maxima[: self._days], known[: self._days] & self.teaches
        self._pool = [np.sort(maxima[:, k][taught]).astype(float) for k in range(len(WINDOWS))]
