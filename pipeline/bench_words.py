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

LEVELS = 24  # a pool is drawn from by this many quantiles of its probabilities: 240 draws of a bin are one multinomial


@dataclass(frozen=True, slots=True)
class Pool:
    """What the model says of labelled posts: p_negative of those that are negative, and of the others."""

    negative: Floats
    other: Floats

    def to_json(self) -> dict[str, Any]:
        """Sizes, and how far the model tells the two apart."""
        return {
            "negative": len(self.negative),
            "other": len(self.other),
            "mean_p_of_negative": round(float(self.negative.mean()), 4),
            "mean_p_of_other": round(float(self.other.mean()), 4),
        }


def pool(p: Floats, negative: NDArray[np.bool_]) -> Pool:
    """p_negative of posts (n,), and which of them people call negative."""
    return Pool(p[negative], p[~negative])


def replayed(stream: Stream, words: Pool, rng: np.random.Generator) -> Stream:
    """The stream as the model sees it: x is Σ p_negative of posts drawn from the pool."""
    x = _drawn(stream.x, words.negative, rng) + _drawn(stream.n - stream.x, words.other, rng)
    return replace(stream, x=x)


def _drawn(counts: NDArray[Any], p: Floats, rng: np.random.Generator) -> Floats:
    """Sum of so many random probabilities in each place of `counts`."""
    parts = np.array_split(np.sort(p), LEVELS)
    levels, shares = np.array([part.mean() for part in parts]), np.array([len(part) for part in parts]) / len(p)
    return np.stack([rng.multinomial(row, shares) @ levels for row in counts])


def run(seeds: Sequence[int], words: Pool, scenario: Scenario | None = None, done: Callable[[], None] = lambda: None) -> dict[str, Outcome]:
    """The detector on the labels and on what the model says of the posts, over the same streams."""
    found: dict[str, list[Outcome]] = {"labels of people": [], "probabilities of the model": []}
    for seed in seeds:
        stream = simulate(seed, scenario or Scenario())
        for name, seen in zip(found, (stream, replayed(stream, words, np.random.default_rng(seed))), strict=True):
            found[name].append(detect(seen))
            done()
    return {name: reduce(add, outcomes) for name, outcomes in found.items()}
