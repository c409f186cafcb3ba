"""What is usual: the expected negative share of each topic by hour and weekday, its level, and how noisy it is.

Learnt once a day from all topics (hourly while a topic is younger than two days; the level four times a day).
In logits, base = profile + level:

* profile: a quasi-logistic fit over 48 decayed cells (hour of the day, weekend or not) with a prior over the topics
  (empirical Bayes), so that a new topic starts from the others;
* level: a scalar Kalman filter per topic on the mean residual, which follows a step at once;
* nuisance: the slow drift of the logit is an AR(1) with variance σ² and memory τ; posts of one bin are alike with correlation ρ;
  scores are sharper or blunter: the variance of one is s·p(1−p), s = 1 for labels of 0 and 1. Calibrated probabilities with that
  variance follow a change of the true share by the part s only, so s also says how far a change shows.

Every sum is weighted by the probability that the bin was normal, so that a spike doesn't teach the baseline.
Topics are the last axis of every array.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.records import BIN, DAY, HOUR
from pipeline.snapshot import Floats, append

HOURS = 24
CELLS = 2 * HOURS
LAGS = 36
FEATURES = 6
NEWTON = 4  # steps
QUARTER = 6  # hours after which the level moves
LEAST_FOR_A_STEP = 12.0  # Σ n·p·(1−p): 75 posts at a share of .2; below, a mean residual is no logit
FARTHEST = 2.0  # logits that the level moves at once
PRIOR_SCATTER = 10.0  # what a topic-day of single posts says of s, with some room
TRIMMED = 0.94  # of the squares are left by the weights, which take the largest for changes: measured on labels of 0 and 1
LEAST_SHARP = 0.1  # a model that hardly tells posts apart
BLOCK = 512  # topics that are fitted together; their arrays fit the processor's cache
BINS_PER_HOUR = HOUR // BIN
BINS_PER_DAY = DAY // BIN
YOUNG = 2 * DAY


@dataclass(frozen=True, slots=True)
class BaselineConfig:
    """Prior values and memories."""

    half_life: float = 28.0  # days, of all that is learnt
    level_drift: float = 5e-4  # variance a day of the level
    step: float = 2.4  # standard deviations of a mean residual that are no chance
    prior_mean: tuple[float, ...] = (-1.4, 0.0, 0.0, 0.0, 0.0, 0.0)  # a share of .2, no rhythm
    prior_sd: tuple[float, ...] = (0.8, 0.2, 0.2, 0.1, 0.1, 0.1)
    prior_topics: float = 3.0  # what the prior over topics is worth
    sigma2: float = 0.08
    tau: float = 24.0  # bins
    rho: float = 0.012
    sharpness: float = 1.0
    prior_nuisance: float = 2.0  # informative topic-days that these are worth
    own_nuisance_after: int = 6  # days before a topic has values of its own

    def __post_init__(self) -> None:
        """Lists, as JSON has them, become tuples."""
        object.__setattr__(self, "prior_mean", tuple(self.prior_mean))
        object.__setattr__(self, "prior_sd", tuple(self.prior_sd))


@dataclass
class BaselineState:
    """What is remembered per topic; shapes end with the number of topics T. Axis 2 of odd/even sums is the day's parity."""

    cell_n: Floats  # (CELLS, T) decayed Σ w·n
    cell_x: Floats  # Σ w·x
    cell_level: Floats  # Σ w·n·level at that time
    cell_days: Floats  # Σ w/12 over bins with posts
    day_n: Floats  # (HOURS, T) the same for the day so far
    day_x: Floats
    day_level: Floats
    day_bins: Floats
    stepped: NDArray[np.bool_]  # the level jumped today
    beta: Floats  # (FEATURES, T)
    beta_var: Floats  # (FEATURES, FEATURES, T)
    level: Floats
    level_var: Floats
    residual: Floats  # (LAGS + 1, T) scaled residuals of the last bins, newest first
    scale: Floats  # (LAGS + 1, T) their derivative by the logit
    day_product: Floats  # (LAGS, T) the day so far
    day_weight: Floats
    day_excess: Floats  # (3, T)
    lag_product: Floats  # (LAGS, 2, T) the days before
    lag_weight: Floats
    excess: Floats  # (3, 2, T) sums for ρ
    day_scatter: Floats  # (2, T) sums for s, of the day so far
    scatter: Floats  # (2, T)
    sigma2: Floats
    rho: Floats
    first: NDArray[np.int64]  # ms of the first bin with posts; -1 none


@dataclass(frozen=True, slots=True)
class Observed:
    """One bin of all topics: Σ weight of scored posts, of negatives, and scored documents, all (T,)."""

    n: Floats
    x: Floats
    n_raw: Floats

    @property
    def size(self) -> Floats:
        """Mean weight of a document, 1 where there is none."""
        return np.where(self.n_raw > 0, self.n / np.maximum(self.n_raw, 1), 1.0)

    @property
    def pairs(self) -> Floats:
        """Other documents that each one shares the bin with."""
        return np.maximum(self.n_raw - 1, 0)


@dataclass
class Group:
    """What is learnt over all topics."""

    mean: Floats  # (FEATURES,)
    cov: Floats  # (FEATURES, FEATURES)
    nuisance: Floats  # σ², τ, ρ, s


def features(tod: Floats | float, weekend: Floats | float) -> Floats:
    """(FEATURES, …): 1, two harmonics of the day (tod in 0..1), weekend."""
    angle = 2 * np.pi * np.asarray(tod, float)
    one = np.ones_like(angle)
    return np.stack([one, np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle), one * weekend])


def is_weekend(t: int) -> bool:
    """Saturday or Sunday in UTC; 1970-01-01 was a Thursday."""
    return (t // DAY + 3) % 7 >= 5


def sigmoid(x: Floats) -> Floats:
    """1/(1+e^−x)."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


_CELL_FEATURES = features(np.tile((np.arange(HOURS) + 0.5) / HOURS, 2), np.repeat([0.0, 1.0], HOURS))
_OUTER = (_CELL_FEATURES[:, None] * _CELL_FEATURES[None]).reshape(FEATURES * FEATURES, CELLS).T
_WEEK = np.einsum("fc,gc,c->fg", _CELL_FEATURES, _CELL_FEATURES, np.repeat([5 / 7, 2 / 7], HOURS) / HOURS)


class Baseline:
    """Learns and answers: `logit` for a bin, `observe` after it, `close_hour` and `close_day` at the borders."""

    def __init__(
        self, topics: int, config: BaselineConfig | None = None, state: BaselineState | None = None, group: Group | None = None
    ) -> None:
        self.config = config or BaselineConfig()
        c = self.config
        self.group = group or Group(np.array(c.prior_mean), np.diag(np.square(c.prior_sd)), np.array([c.sigma2, c.tau, c.rho, c.sharpness]))
        self.state = state or self._fresh(topics)
        self.teaches = np.ones(self.state.level.size, bool)  # topics that the group is learnt from

    def _fresh(self, count: int) -> BaselineState:
        def zeros(*shape: int) -> Floats:
            return np.zeros((*shape, count))

        sigma2, _, rho, _ = self.group.nuisance
        return BaselineState(
            cell_n=zeros(CELLS), cell_x=zeros(CELLS), cell_level=zeros(CELLS), cell_days=zeros(CELLS),
            day_n=zeros(HOURS), day_x=zeros(HOURS), day_level=zeros(HOURS), day_bins=zeros(HOURS),
            stepped=np.zeros(count, bool),
            beta=np.repeat(self.group.mean[:, None], count, 1), beta_var=np.repeat(self.group.cov[:, :, None], count, 2),
            level=zeros(), level_var=zeros(), residual=zeros(LAGS + 1), scale=zeros(LAGS + 1),
            day_product=zeros(LAGS), day_weight=zeros(LAGS), day_excess=zeros(3),
            lag_product=zeros(LAGS, 2), lag_weight=zeros(LAGS, 2), excess=zeros(3, 2), day_scatter=zeros(2), scatter=zeros(2),
            sigma2=np.full(count, sigma2), rho=np.full(count, rho), first=np.full(count, -1, np.int64),
        )  # fmt: skip

    def add_topics(self, count: int) -> None:
        """Start `count` more topics from what the others taught."""
        append(self.state, self._fresh(count))
        self.teaches = np.append(self.teaches, np.ones(count, bool))

    @property
    def tau(self) -> float:
        """Memory of the drift in bins, one for all topics."""
        return float(self.group.nuisance[1])

    @property
    def sharpness(self) -> float:
        """Variance of one score over p(1−p), one for all topics: it belongs to the model."""
        return float(self.group.nuisance[3])

    def logit(self, t: int) -> Floats:
        """Expected logit of the share (T,) in the bin starting at t ms."""
        f = features((t + BIN / 2) % DAY / DAY, float(is_weekend(t)))
        return np.asarray((f[:, None] * self.state.beta).sum(axis=0) + self.state.level)

    def uncertainty(self) -> Floats:
        """Variance (T,) of the expected logit as an estimate, mean over the week; the drift is not counted."""
        return np.asarray((_WEEK[:, :, None] * self.state.beta_var).sum(axis=(0, 1)) + self.state.level_var)

    def young(self, t: int) -> NDArray[np.bool_]:
        """Topics (T,) in the first two days since their first posts."""
        return (self.state.first >= 0) & (t - self.state.first < YOUNG)

    def observe(self, t: int, seen: Observed, base: Floats, normal: Floats) -> None:
        """Learn from the bin at t, given its base logit and the probability that it was normal, both (T,)."""
        s = self.state
        n, x = seen.n, seen.x
        s.first = np.where((s.first < 0) & (n > 0), t, s.first)
        p = sigmoid(base)
        v = n * p * (1 - p)
        gain = normal / (self.dispersion(seen) + v * s.sigma2)
        r, k = gain * (x - n * p), gain * v
        s.residual = np.concatenate([r[None], s.residual[:-1]])
        s.scale = np.concatenate([k[None], s.scale[:-1]])
        s.day_product += r * s.residual[1:]
        s.day_weight += k * s.scale[1:]
        size, square = seen.size * v, (x - n * p) ** 2
        s.day_excess += gain**2 * np.stack([square - self.sharpness * size, v * v, size * seen.pairs])
        few = (gain / (1 + seen.pairs)) ** 2
        s.day_scatter += few * np.stack([square - s.sigma2 * v * v - s.rho * size * seen.pairs, size])
        hour = (t % DAY) // HOUR
        s.day_n[hour] += normal * n
        s.day_x[hour] += normal * x
        s.day_level[hour] += normal * n * s.level
        s.day_bins[hour] += normal * (n > 0)

    def dispersion(self, seen: Observed) -> Floats:
        """Variance of the negatives over binomial (T,): scores are blunt, posts of one bin alike, and a weight may stand for several."""
        return seen.size * (self.sharpness + seen.pairs * self.state.rho)

    def new_level(self, topics: NDArray[np.bool_], shift: Floats) -> None:
        """A change that lasted: the level of these topics moves by `shift` (T,) logits and is less certain."""
        s = self.state
        s.level = s.level + np.where(topics, shift, 0.0)
        s.level_var = np.where(topics, s.level_var + 0.1, s.level_var)

    def close_hour(self, t: int) -> bool:
        """At the end t of an hour: a quarter of a day moves the level, topics in their first two days are fitted again.

        Whether anything changed.
        """
        quarter = t % (QUARTER * HOUR) == 0
        if quarter:
            self._move_level(t - QUARTER * HOUR)
        return self._fit_young(t) or quarter

    def _fit_young(self, t: int) -> bool:
        young = np.flatnonzero(self.young(t))
        if not young.size:
            return False
        s = self.state
        rows = slice(HOURS, CELLS) if is_weekend(t - 1) else slice(0, HOURS)
        sums = np.stack([s.cell_n, s.cell_x, s.cell_level, s.cell_days])[:, :, young]
        today = np.stack([s.day_n, s.day_x, s.day_level, s.day_bins / BINS_PER_HOUR])[:, :, young]
        sums[:, rows] += today
        self._fit(young, sums)
        return True

    def close_day(self, t: int) -> None:
        """The slow step; t is the border, the end of the day."""
        s = self.state
        day = t - DAY
        self._move_level(t - QUARTER * HOUR)
        self._fold(day)
        if (s.first >= 0).any() and t - int(s.first[s.first >= 0].min()) >= YOUNG:
            self._learn_nuisance(t)
            self._learn_prior()
        self._fit(np.arange(s.level.size), np.stack([s.cell_n, s.cell_x, s.cell_level, s.cell_days]))

    def _fold(self, day: int) -> None:
        """Add the day to the decayed sums and begin a new one; a day in which the level jumped says nothing about the drift."""
        s = self.state
        like_before = ~s.stepped
        decay = 2.0 ** (-1 / self.config.half_life)
        for array in (s.cell_n, s.cell_x, s.cell_level, s.cell_days, s.lag_product, s.lag_weight, s.excess, s.scatter):
            array *= decay
        rows = slice(HOURS, CELLS) if is_weekend(day) else slice(0, HOURS)
        s.cell_n[rows] += s.day_n
        s.cell_x[rows] += s.day_x
        s.cell_level[rows] += s.day_level
        s.cell_days[rows] += s.day_bins / BINS_PER_HOUR
        parity = (day // DAY) % 2
        s.lag_product[:, parity] += s.day_product * like_before
        s.lag_weight[:, parity] += s.day_weight * like_before
        s.excess[:, parity] += s.day_excess * like_before
        s.scatter += s.day_scatter * like_before
        s.stepped[:] = False
        for array in (s.day_n, s.day_x, s.day_level, s.day_bins, s.day_product, s.day_weight, s.day_excess, s.day_scatter):
            array[:] = 0

    def _fit(self, topics: NDArray[np.int64], sums: Floats) -> None:
        """Fit the profiles of these topics; sums: (4, CELLS, len(topics)) posts, negatives, posts times level, days."""
        s = self.state
        for first in range(0, topics.size, BLOCK):
            block = slice(first, first + BLOCK)
            s.beta[:, topics[block]], s.beta_var[:, :, topics[block]] = self._newton(topics[block], sums[:, :, block])

    def _newton(self, topics: NDArray[np.int64], sums: Floats) -> tuple[Floats, Floats]:
        """Estimate and covariance of a quasi-logistic fit with prior N(mean, cov), by Newton steps from the last estimate.

        A cell is wider than binomial: posts are alike within bins, and its hours share the drift.
        """
        s, g = self.state, self.group
        n, x, level, days = sums
        offset = level / np.maximum(n, 1e-9)
        days = np.maximum(days, 1 / BINS_PER_HOUR)
        r = np.exp(-BINS_PER_HOUR / self.tau)
        alike = self.sharpness + np.maximum(n / (BINS_PER_HOUR * days) - 1, 0) * s.rho[topics]
        drift = s.sigma2[topics] * (1 + r) / (1 - r) / days
        precision = np.linalg.inv(g.cov)
        beta = s.beta[:, topics].T
        for _ in range(NEWTON):
            linear = _CELL_FEATURES.T @ beta.T
            p = sigmoid(linear + offset)
            v = n * p * (1 - p)
            spread = alike + v * drift
            a = ((v / spread).T @ _OUTER).reshape(-1, FEATURES, FEATURES) + precision
            b = ((x - n * p + v * linear) / spread).T @ _CELL_FEATURES.T + precision @ g.mean
            inverse = np.linalg.inv(a)
            beta = (inverse @ b[:, :, None])[:, :, 0]
        return beta.T, np.moveaxis(inverse, 0, -1)

    def _move_level(self, t: int) -> None:
        """One Kalman step on the mean residual of the quarter of a day from t on (quasi-likelihood weights).

        A residual too large to be chance is a step: the level follows it at once.
        """
        s = self.state
        first = (t % DAY) // HOUR
        hours = slice(first, first + QUARTER)
        cells = slice(first + HOURS, first + HOURS + QUARTER) if is_weekend(t) else hours
        n, x, bins = s.day_n[hours], s.day_x[hours], np.maximum(s.day_bins[hours].sum(axis=0), 1.0)
        p = sigmoid(np.einsum("fc,ft->ct", _CELL_FEATURES[:, cells], s.beta) + s.level)
        total = (n * p * (1 - p)).sum(axis=0)
        known = total > 0
        safe = np.where(known, total, 1.0)
        residual = np.clip((x - n * p).sum(axis=0) / safe, -FARTHEST, FARTHEST)
        r1 = np.exp(-1 / self.tau)
        drift = s.sigma2 * np.minimum(1.0, (1 + r1) / (1 - r1) / bins)
        noise = (self.sharpness + np.maximum(n.sum(axis=0) / bins - 1, 0) * s.rho) / safe + drift
        prior = s.level_var + self.config.level_drift * QUARTER / HOURS
        stepped = (total > LEAST_FOR_A_STEP) & (residual**2 > self.config.step**2 * (prior + noise))
        prior = np.where(stepped, np.maximum(prior, residual**2 - noise), prior)
        gain = np.where(known, prior / (prior + noise), 0.0)
        s.level = s.level + gain * residual
        s.level_var = (1 - gain) * prior
        s.stepped |= stepped

    def _learn_prior(self) -> None:
        """One EM step for the distribution of profiles over topics, steadied by the built-in prior."""
        s, g, c = self.state, self.group, self.config
        known = (s.first >= 0) & self.teaches
        k, weight = int(known.sum()), c.prior_topics
        beta = s.beta[:, known]
        g.mean = (beta.sum(axis=1) + weight * np.array(c.prior_mean)) / (k + weight)
        away = beta - g.mean[:, None]
        spread = np.einsum("ft,gt->fg", away, away) + s.beta_var[:, :, known].sum(axis=2)
        g.cov = (spread + weight * np.diag(np.square(c.prior_sd))) / (k + weight)

    def _learn_nuisance(self, t: int) -> None:
        """σ², τ by weighted least squares on the autocovariance, ρ from the excess of squares; then shrunk per topic."""
        s, c, g = self.state, self.config, self.group
        lags = np.arange(1, LAGS + 1)
        unit = BINS_PER_DAY / c.sigma2**2  # weight of a day of a topic with many posts
        product, weight = s.lag_product[..., self.teaches].sum(axis=1), s.lag_weight[..., self.teaches].sum(axis=1)
        prior = c.prior_nuisance * unit
        covariance = (product.sum(axis=1) + prior * c.sigma2 * np.exp(-lags / c.tau)) / (weight.sum(axis=1) + prior)
        sigma2, tau = _fit_decay(lags, covariance, weight.sum(axis=1) + prior)
        top, square, alike = s.excess[..., self.teaches].sum(axis=1)
        prior_alike = c.prior_nuisance * BINS_PER_DAY
        rho = (top.sum() - sigma2 * square.sum() + prior_alike * c.rho) / (alike.sum() + prior_alike)
        left, scores = s.scatter[:, self.teaches].sum(axis=1)
        known = PRIOR_SCATTER * c.prior_nuisance
        sharpness = (left / TRIMMED + known * c.sharpness) / (scores + known)
        g.nuisance = np.array([max(sigma2, 1e-4), tau, min(max(rho, 1e-4), 0.3), min(max(sharpness, LEAST_SHARP), 1.0)])
        curve = np.exp(-lags / tau)[:, None, None]
        old = (t - s.first >= c.own_nuisance_after * DAY) & (s.first >= 0)
        products = (s.lag_product * curve).sum(axis=0)
        weights = (s.lag_weight * curve**2).sum(axis=0)
        mine = shrunk(products, weights, g.nuisance[0], old & self.teaches)
        s.sigma2 = np.where(old, np.maximum(mine, 0.1 * g.nuisance[0]), g.nuisance[0])
        mine = shrunk(s.excess[0] - s.sigma2 * s.excess[1], s.excess[2], g.nuisance[2], old & self.teaches)
        s.rho = np.where(old, np.clip(mine, 0.1 * g.nuisance[2], 0.3), g.nuisance[2])


def shrunk(product: Floats, weight: Floats, group: float, use: NDArray[np.bool_]) -> Floats:
    """Ratios product/weight per topic, drawn to the group's value as far as chance explains their spread (empirical Bayes).

    product, weight: (2, T) sums over odd and over even days, whose difference says how large chance is; use: topics (T,) to learn from.
    """
    both, total = product.sum(axis=0), weight.sum(axis=0)
    halves = product / np.maximum(weight, 1e-12)
    used = use & (weight > 0).all(axis=0)
    if used.sum() < 2:
        return np.full(total.shape, group)
    chance = float(np.mean(((halves[0] - halves[1]) ** 2 / (1 / np.maximum(weight, 1e-12)).sum(axis=0))[used]))
    away = (both / np.maximum(total, 1e-12) - group) ** 2
    between = float(np.average(away[used], weights=total[used]) - chance * used.sum() / total[used].sum())
    worth = chance / max(between, (0.1 * group) ** 2)  # the group's value counts as this much weight
    return np.asarray((both + worth * group) / (total + worth))


def _fit_decay(lags: NDArray[np.int64], covariance: Floats, weight: Floats) -> tuple[float, float]:
    """(σ², τ) of σ²·e^(−k/τ): the best σ² for each τ of a grid from 4 to 200 bins, then the best τ."""
    taus = np.geomspace(4, 200, 80)
    curves = np.exp(-lags / taus[:, None])
    sigma2 = (weight * covariance * curves).sum(axis=1) / (weight * curves**2).sum(axis=1)
    error = (weight * (covariance - sigma2[:, None] * curves) ** 2).sum(axis=1)
    best = int(np.argmin(error))
    return float(sigma2[best]), float(taus[best])
