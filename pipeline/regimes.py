"""The hidden Markov chain of one topic: a regime (normal, or the odds of a negative post ×3, ×5, ×8) times a slow drift on a grid.

The drift is an AR(1) on equidistant points (Rouwenhorst 1995: exact variance and autocorrelation). Beliefs are arrays
(REGIMES, K, …): one more axis, or none, for topics.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.snapshot import Floats

REGIMES = 4
OFFSETS = np.log([1.0, 3.0, 5.0, 8.0])
CHANGED = (np.arange(REGIMES) > 0)[:, None, None]


@dataclass(frozen=True, slots=True)
class Chain:
    """How a belief moves from one bin to the next."""

    drift: Floats  # (K, K) moves of the drift
    hazard: float  # a change begins
    duration: float  # bins that it lasts
    move: float  # it becomes another size

    def predict(self, belief: Floats) -> Floats:
        """Belief one bin on, before its posts are seen."""
        drifted = belief[:, :1] * self.drift[0][:, None]
        for k in range(1, len(self.drift)):  # one grid point after the other: no result depends on how many topics there are
            drifted += belief[:, k : k + 1] * self.drift[k][:, None]
        off = drifted[1:].sum(axis=0)
        stay = 1 - 1 / self.duration
        predicted = np.empty_like(drifted)
        predicted[0] = (1 - self.hazard) * drifted[0] + off / self.duration
        predicted[1:] = stay * ((1 - 1.5 * self.move) * drifted[1:] + 0.5 * self.move * off) + self.hazard / 3 * drifted[0]
        return np.asarray(predicted)

    def retrodict(self, ratio: Floats) -> Floats:
        """The transpose of `predict`: Σ over the next state of P(next | state) · ratio(next)."""
        moved = self.drift @ ratio
        off = moved[1:].sum(axis=0)
        stay = 1 - 1 / self.duration
        back = np.empty_like(moved)
        back[0] = (1 - self.hazard) * moved[0] + self.hazard / 3 * off
        back[1:] = stay * ((1 - 1.5 * self.move) * moved[1:] + 0.5 * self.move * off) + moved[0] / self.duration
        return back

    def began(self, beliefs: Floats) -> NDArray[np.int64]:
        """How many bins ago (m,) the present changes most probably began, by backward smoothing.

        beliefs: (window, REGIMES, K, m), newest first. The last answer stands for everything before.
        """
        window = len(beliefs)
        off = beliefs[0] * CHANGED  # off in every bin since
        began = np.zeros((window, beliefs.shape[-1]))
        for age in range(1, window):
            back = self.retrodict(off / self.predict(beliefs[age])) * beliefs[age]
            began[age - 1] = back[0].sum(axis=0)
            off = back * CHANGED
        began[window - 1] = off.sum(axis=(0, 1))
        return np.asarray(began.argmax(axis=0))


@lru_cache(maxsize=8)
def rouwenhorst(k: int, correlation: float) -> Floats:
    """Transition matrix (k, k) of an AR(1) on k equidistant points with exactly this autocorrelation (Rouwenhorst 1995)."""
    p = (1 + correlation) / 2
    matrix = np.array([[p, 1 - p], [1 - p, p]])
    for size in range(3, k + 1):
        corners = np.zeros((4, size, size))
        corners[0, :-1, :-1] = corners[1, :-1, 1:] = corners[2, 1:, :-1] = corners[3, 1:, 1:] = matrix
        matrix = p * (corners[0] + corners[3]) + (1 - p) * (corners[1] + corners[2])
        matrix[1:-1] /= 2
    return matrix


def calm(k: int) -> Floats:
    """Belief (REGIMES, k) of a topic of which nothing is known: normal, the drift in its stationary (binomial) distribution."""
    weights = np.array([1.0])
    for _ in range(k - 1):
        weights = (np.append(weights, 0) + np.append(0, weights)) / 2
    belief = np.full((REGIMES, k), 1e-30)
    belief[0] = weights
    return belief
