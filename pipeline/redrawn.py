"""Histories in which nothing happened: the volumes and the usual shares of a real history, its labels drawn anew.

Whatever fires on such a copy is a false alarm, so copies say how often a rule would cry wolf on this very stream. Shuffled labels
alone would be too calm: a share also drifts, and posts of one bin are alike. So the labels of a copy are drawn around the usual
share with the drift (σ², τ), the likeness (ρ) and the sharpness of the scores that the detector has learnt from the history itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.baseline import Baseline, sigmoid
from pipeline.detector import Detector, DetectorConfig, Firing
from pipeline.records import BIN, Bin
from pipeline.simulate import ar1
from pipeline.snapshot import Floats

FIXED = 1e9  # topics that the prior is worth: nothing that the copies say moves it
LEAST_SPREAD = 0.05
MOST_ALIKE = 0.95


@dataclass(frozen=True, slots=True)
class History:
    """Counts of some topics, bin by bin from `start` (ms) on; arrays are (bins, topics)."""

    topics: tuple[str, ...]
    start: int
    n: Floats
    x: Floats
    volume: Floats
    n_raw: Floats

    def since(self, bins: int) -> History:
        """The last so many bins."""
        first = max(len(self.n) - bins, 0)
        return History(self.topics, self.start + first * BIN, *(a[first:] for a in (self.n, self.x, self.volume, self.n_raw)))

    @property
    def size(self) -> Floats:
        """Mean weight of a document, 1 where there is none."""
        return np.asarray(np.where(self.n_raw > 0, self.n / np.maximum(self.n_raw, 1), 1.0))


@dataclass(frozen=True, slots=True)
class Usual:
    """What the detector takes for usual in a history: logits (bins, topics), and per topic what makes a share vary."""

    logit: Floats
    sigma2: Floats
    rho: Floats
    tau: float
    spread: Floats  # variance of one score over p(1−p): 1 for labels of 0 and 1, less for probabilities between
    config: DetectorConfig  # the one of the history, with the group's values as fixed prior

    def since(self, bins: int) -> Usual:
        """The last so many bins."""
        return replace(self, logit=self.logit[len(self.logit) - bins :])


def history(bins: Sequence[Bin], topics: Sequence[str], until: int) -> History:
    """Bins, sorted by start, as arrays from the first one to `until` (ms)."""
    start = bins[0].start
    columns = np.zeros((4, (until - start) // BIN, len(topics)))
    place = {topic: i for i, topic in enumerate(topics)}
    for item in bins:
        if item.topic in place and item.start < until:
            columns[:, (item.start - start) // BIN, place[item.topic]] = item.n, item.negative, item.volume, item.n_raw
    return History(tuple(topics), start, *columns)


def usual(real: History, config: DetectorConfig) -> Usual:
    """Walk a history and keep what was usual at each bin."""
    detector = Detector(real.topics, real.start, config)
    logit, calm = np.empty_like(real.n), np.empty_like(real.n)
    for b in range(len(real.n)):
        logit[b] = detector.baseline.logit(detector.next)
        detector.step(detector.next, real.n[b], real.x[b], real.volume[b], real.n_raw[b])
        calm[b] = ~detector.active
    return learnt(real, logit, calm, detector.baseline, config)


def learnt(real: History, logit: Floats, calm: Floats, baseline: Baseline, config: DetectorConfig, places: slice = slice(None)) -> Usual:
    """What a walk has learnt about these topics (their `places` in it), as the base of copies. `calm`: 1 where no episode was open."""
    group, state = baseline.group, baseline.state
    prior = replace(
        config.baseline, prior_mean=tuple(group.mean), prior_sd=tuple(np.sqrt(np.diag(group.cov))), prior_topics=FIXED,
        sigma2=float(group.nuisance[0]), tau=float(group.nuisance[1]), rho=float(group.nuisance[2]), sharpness=float(group.nuisance[3]),
        prior_nuisance=FIXED,
    )  # fmt: skip
    sigma2, rho = state.sigma2[places], state.rho[places]
    return Usual(logit, sigma2, rho, baseline.tau, _spread(real, logit, calm, sigma2, rho), replace(config, baseline=prior))


def _spread(real: History, logit: Floats, calm: Floats, sigma2: Floats, rho: Floats) -> Floats:
    """How far single scores scatter, from the squares that drift and likeness leave over; bins with few posts say most."""
    p = sigmoid(logit)
    v = real.n * p * (1 - p)
    weight = calm / np.maximum(1 + v * sigma2 + np.maximum(real.n_raw - 1, 0) * rho, 1) ** 2
    alike = real.size * v * np.maximum(real.n_raw - 1, 0) * rho
    left = (weight * ((real.x - real.n * p) ** 2 - v * v * sigma2 - alike)).sum(axis=0)
    return np.asarray(np.clip(left / np.maximum((weight * real.size * v).sum(axis=0), 1e-9), LEAST_SPREAD, 1.0))


def redrawn(real: History, known: Usual, rng: np.random.Generator) -> Floats:
    """Negatives (bins, topics) of one copy."""
    bins, topics = real.n.shape
    p = sigmoid(known.logit + np.sqrt(known.sigma2) * ar1(rng, bins, topics, 1.0, known.tau))
    documents = np.maximum(real.n_raw, 1)
    alike = np.clip(known.spread / documents + known.rho * (1 - 1 / documents), 1e-6, MOST_ALIKE)  # variance of a share over p(1−p)
    total = 1 / alike - 1
    return np.asarray(real.n * rng.beta(np.maximum(p * total, 1e-6), np.maximum((1 - p) * total, 1e-6)))


def false_alarms(real: History, known: Usual, thresholds: Sequence[float], copies: int, skip: int, seed: int = 0) -> NDArray[np.int64]:
    """Messages about copies, (copies, thresholds, topics); the first `skip` bins are for learning.

    `thresholds` are added to that of the configuration. All copies and thresholds run side by side, as topics of one detector.
    """
    rng = np.random.default_rng(seed)
    negatives = [redrawn(real, known, rng) for _ in range(copies)]
    names = [f"{topic}\0{copy}\0{k}" for copy in range(copies) for k in range(len(thresholds)) for topic in real.topics]
    own = dict(known.config.sensitivity)
    added = tuple((name, own.get(name.split("\0")[0], 0.0) + thresholds[int(name.rpartition("\0")[2])]) for name in names)
    detector = Detector(names, real.start, replace(known.config, sensitivity=added))
    found = np.zeros(len(names), np.int64)
    place = {name: i for i, name in enumerate(names)}
    side_by_side = copies * len(thresholds)
    for b in range(len(real.n)):
        x = np.concatenate([np.tile(part[b], len(thresholds)) for part in negatives])
        n, volume, n_raw = (np.tile(a[b], side_by_side) for a in (real.n, real.volume, real.n_raw))
        for event in detector.step(detector.next, n, x, volume, n_raw):
            if b >= skip and isinstance(event, Firing) and event.kind != "volume":
                found[place[event.topic]] += 1
    return found.reshape(copies, len(thresholds), len(real.topics))
