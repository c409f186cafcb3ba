"""Measures of a classifier: F1, calibration error, correlations, and bootstrap intervals. Arrays in, plain numbers out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

BINS: Final = 15
RESAMPLES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure with its 95 % bootstrap interval and the number of texts that it rests on; nan where the texts allow none."""

    value: float
    low: float
    high: float
    n: int

    def to_json(self) -> dict[str, float | None]:
        """Four decimals; None for nan."""
        return {"value": rounded(self.value), "low": rounded(self.low), "high": rounded(self.high), "n": self.n}


def rounded(x: float) -> float | None:
    """Four decimals; None for nan."""
    return None if np.isnan(x) else round(float(x), 4)


def figure(x: float | None) -> str:
    """Three decimals, for people; a dash for None."""
    return "–" if x is None else f"{x:.3f}"


def interval(part: Mapping[str, Any]) -> str:
    """`0.520 (0.501–0.538)` of a Measure as JSON; without brackets where there is no interval."""
    return figure(part["value"]) if part["low"] is None else f"{figure(part['value'])} ({figure(part['low'])}–{figure(part['high'])})"


def f1(predicted: Flags, truth: Flags, weight: Array | None = None) -> Array:
    """F1 per column of flags [n, k]; 0 where a label is neither there nor predicted. `weight` [n]: how often each row counts."""
    w = np.ones(len(truth)) if weight is None else weight
    hits = w @ (predicted & truth)
    total = w @ predicted + w @ truth
    out: Array = np.divide(2 * hits, total, out=np.zeros(truth.shape[1]), where=total > 0)
    return out


def macro_f1(predicted: Flags, truth: Flags, weight: Array | None = None) -> float:
    """Mean F1 over the labels that occur in `truth` [n, k], whatever the weights; nan if none does."""
    there = truth.any(axis=0)
    return float(f1(predicted, truth, weight)[there].mean()) if there.any() else float("nan")


def micro_f1(predicted: Flags, truth: Flags, weight: Array | None = None) -> float:
    """F1 over all cells; nan if nothing is there and nothing is predicted."""
    w = np.ones(len(truth)) if weight is None else weight
    total = (w @ predicted + w @ truth).sum()
    return float(2 * (w @ (predicted & truth)).sum() / total) if total > 0 else float("nan")


def recalls(predicted: NDArray[np.int64], truth: NDArray[np.int64], classes: int, weight: Array | None = None) -> Array:
    """Recall of each class [classes]; nan for one that does not occur."""
    w = np.ones(len(truth)) if weight is None else weight
    there = np.array([w[truth == k].sum() for k in range(classes)])
    hits = np.array([w[(truth == k) & (predicted == k)].sum() for k in range(classes)])
    out: Array = np.divide(hits, there, out=np.full(classes, np.nan), where=there > 0)
    return out


def calibration_error(p: Array, truth: Array, bins: int = BINS) -> float:
    """Expected calibration error over equal-mass bins: the mean distance of mean probability and share, weighted by bin size."""
    order = np.argsort(p, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    return float(sum(len(part) * abs(p[part].mean() - truth[part].mean()) for part in parts) / len(order))


def reliability(p: Array, truth: Array, bins: int = BINS) -> list[tuple[float, float, int]]:
    """(mean probability, share, texts) of each equal-mass bin, lowest first."""
    parts = np.array_split(np.argsort(p, kind="stable"), min(bins, len(p)))
    return [(float(p[part].mean()), float(truth[part].mean()), len(part)) for part in parts]


def pearson(a: Array, b: Array, weight: Array | None = None) -> float:
    """Linear correlation; nan if one side is constant."""
    w = np.full(len(a), 1.0) if weight is None else weight
    da, db = a - np.average(a, weights=w), b - np.average(b, weights=w)
    scale = np.sqrt((w @ da**2) * (w @ db**2))
    return float(w @ (da * db) / scale) if scale > 0 else float("nan")


def spearman(a: Array, b: Array) -> float:
    """Correlation of ranks, ties at their mean rank."""
    return pearson(ranks(a), ranks(b))


def ranks(x: Array) -> Array:
    """Ranks from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: Array = (2 * last - counts + 1) / 2
    return mean[inverse]


def bootstrap(measure: Callable[[Array], float], n: int, seed: int = 1) -> Measure:
    """A measure of row weights [n], with the 2.5 and 97.5 % points over resampled rows (Efron's percentile interval).

    Resamples for which the measure is nan don't count; without any other the bounds are nan.
    """
    draw = np.random.default_rng(seed)
    values = [measure(np.bincount(draw.integers(0, n, n), minlength=n).astype(np.float64)) for _ in range(RESAMPLES)]
    value = measure(np.ones(n))
    if np.isnan(values).all():
        return Measure(value, float("nan"), float("nan"), n)
    low, high = np.nanquantile(values, [0.025, 0.975])
    return Measure(value, float(low), float(high), n)
