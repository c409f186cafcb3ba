"""Real words: labelled posts on the simulated volumes, scored by the real model, so that the model's mistakes count.

Each simulated post, negative or not, becomes a random labelled post of that kind. What the detector sees is the sum of the model's
calibrated probabilities, instead of the labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bench_alerts import Outcome, detect
from pipeline.simulate import Scenario, Stream, simulate
from pipeline.snapshot import Floats

LIMIT = "labels of a part of the posts"  # as large as the sharpness of the scores
LEVELS = 24  # a pool is drawn from by this many quantiles of its probabilities: 240 draws of a bin are one multinomial


@dataclass(frozen=True, slots=True)
class Pool:
    """What the model says of labelled posts: p_negative of those that are negative, and of the others."""

    negative: Floats
    other: Floats

    @property
    def sharpness(self) -> float:
        """Variance of a probability over p(1−p): the part of a label's information on the share that a calibrated one has."""
        p = np.concatenate([self.negative, self.other])
        return float(p.var() / (p.mean() * (1 - p.mean())))

    def to_json(self) -> dict[str, Any]:
        """Sizes, and how far the model tells the two apart."""
        return {
            "negative": len(self.negative),
            "other": len(self.other),
            "mean_p_of_negative": round(float(self.negative.mean()), 4),
            "mean_p_of_other": round(float(self.other.mean()), 4),
            "sharpness": round(self.sharpness, 3),
        }


def pool(p: Floats, negative: NDArray[np.bool_]) -> Pool:
    """p_negative of posts (n,), and which of them people call negative."""
    return Pool(p[negative], p[~negative])


def replayed(stream: Stream, words: Pool, rng: np.random.Generator) -> Stream:
    """The stream as the model sees it: x is Σ p_negative of posts drawn from the pool."""
    x = _drawn(stream.x, words.negative, rng) + _drawn(stream.n - stream.x, words.other, rng)
    return replace(stream, x=x)


def thinned(stream: Stream, part: float, rng: np.random.Generator) -> Stream:
    """The stream with this part of its posts, by chance, and their labels: as much as can be known from scores of that sharpness."""
    n = rng.binomial(stream.n, part)
    whole = np.rint(stream.x).astype(np.int64)
    return replace(stream, n=n, x=rng.hypergeometric(whole, stream.n - whole, n))


def _drawn(counts: NDArray[Any], p: Floats, rng: np.random.Generator) -> Floats:
    """Sum of so many random probabilities in each place of `counts`."""
    parts = np.array_split(np.sort(p), LEVELS)
    levels, shares = np.array([part.mean() for part in parts]), np.array([len(part) for part in parts]) / len(p)
    return np.stack([rng.multinomial(row, shares) @ levels for row in counts])


def run(seeds: Sequence[int], words: Pool, scenario: Scenario | None = None, done: Callable[[], None] = lambda: None) -> dict[str, Outcome]:
    """The detector on the labels, on what the model says of the posts, and on labels of so many posts as its scores are worth."""
    found: dict[str, list[Outcome]] = {"labels of people": [], "probabilities of the model": [], LIMIT: []}
    for seed in seeds:
        stream = simulate(seed, scenario or Scenario())
        chance = np.random.default_rng(seed)
        for name, seen in zip(found, (stream, replayed(stream, words, chance), thinned(stream, words.sharpness, chance)), strict=True):
            found[name].append(detect(seen))
            done()
    return {name: reduce(add, outcomes) for name, outcomes in found.items()}
