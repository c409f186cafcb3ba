"""From raw outputs to probabilities that mean what they say: Platt scaling per label, and thresholds, both fitted on dev."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.labels import EMOTION_COLUMNS, SENTIMENT_COLUMNS
from pipeline.confusion import Confusion
from pipeline.ports import Classifier
from pipeline.records import EMOTIONS, SCALE

Array = NDArray[np.float64]

# Raw outputs beyond ±30 are probabilities of 0 and 1 at any precision that is stored.
_FARTHEST: Final = 30.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """Per emotion: logit → scale·logit + shift; for the three sentiments one scale and a shift each; thresholds in 1/SCALE."""

    scale: Array  # [28]
    shift: Array  # [28]
    sentiment_scale: float
    sentiment_shift: Array  # [3]
    thresholds: NDArray[np.int64]  # [28], 1..SCALE
    confusion: Confusion | None = None  # how p_negative is distributed over dev, for estimates of shares

    def to_json(self) -> dict[str, Any]:
        """Plain lists, every float in full."""
        return {
            "scale": self.scale.tolist(),
            "shift": self.shift.tolist(),
            "sentiment_scale": self.sentiment_scale,
            "sentiment_shift": self.sentiment_shift.tolist(),
            "thresholds": self.thresholds.tolist(),
            **({} if self.confusion is None else {"confusion": self.confusion.to_json()}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Calibration:
        """The inverse of `to_json`. KeyError or ValueError if a part is missing or of another length."""
        found = cls(
            np.array(data["scale"], np.float64),
            np.array(data["shift"], np.float64),
            float(data["sentiment_scale"]),
            np.array(data["sentiment_shift"], np.float64),
            np.array(data["thresholds"], np.int64),
            Confusion.from_json(data["confusion"]) if "confusion" in data else None,
        )
        shapes = [part.shape for part in (found.scale, found.shift, found.sentiment_shift, found.thresholds)]
        if shapes != [(len(EMOTIONS),), (len(EMOTIONS),), (3,), (len(EMOTIONS),)]:
            raise ValueError(f"shapes of calibration are {shapes}")
        return found

    def emotions(self, raw: Array) -> Array:
        """Raw outputs [n, ≥ 31] → probabilities [n, 28]."""
        return sigmoid(raw[:, EMOTION_COLUMNS] * self.scale + self.shift)

    def sentiments(self, raw: Array) -> Array:
        """Raw outputs → probabilities of negative, neutral, positive [n, 3], which add up to 1."""
        return softmax(raw[:, SENTIMENT_COLUMNS] * self.sentiment_scale + self.sentiment_shift)


def identity() -> Calibration:
    """Raw outputs taken at their word, thresholds of one half."""
    return Calibration(np.ones(28), np.zeros(28), 1.0, np.zeros(3), np.full(28, SCALE // 2))


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^−x)."""
    out: Array = 1 / (1 + np.exp(-np.clip(x, -_FARTHEST, _FARTHEST)))
    return out


def softmax(x: Array) -> Array:
    """Row-wise."""
    # Column by column: the order of the sum must not depend on how many rows there are.
    e = np.exp(np.clip(x - x.max(axis=1, keepdims=True), -2 * _FARTHEST, 0))
    out: Array = e / (e[:, 0] + e[:, 1] + e[:, 2])[:, None]
    return out


def fit(raw: Array, emotions: Array, sentiments: Array) -> Calibration:
    """Fit on raw outputs [n, ≥ 31], labels [n, 28] of 0 and 1, and shares of sentiment [n, 3]."""
    pairs = [_platt(raw[:, k], emotions[:, k]) for k in range(len(EMOTIONS))]
    scale, shift = (np.array(part) for part in zip(*pairs, strict=True))
    sentiment_scale, sentiment_shift = _platt_softmax(raw[:, SENTIMENT_COLUMNS], sentiments)
    half = Calibration(scale, shift, sentiment_scale, sentiment_shift, np.full(28, SCALE // 2))
    p = np.rint(half.emotions(raw) * SCALE)
    thresholds = np.array([best_threshold(p[:, k], emotions[:, k]) for k in range(len(EMOTIONS))], np.int64)
    return Calibration(scale, shift, sentiment_scale, sentiment_shift, thresholds, confusion(half.sentiments(raw)[:, 0], sentiments[:, 0]))


def confusion(p: Array, negative: Array) -> Confusion | None:
    """How p_negative [n] is distributed over labelled texts; `negative` [n] is each text's share of negative labels, 0..1.

    A text that is labelled one third negative is one third of a negative text. None where one of the classes is missing or where
    negative texts don't get higher probabilities than the others: then no share can be told.
    """
    other = 1 - negative
    counts = float(other.sum()), float(negative.sum())
    if min(counts) <= 0:
        return None
    low, high = float(other @ p) / counts[0], float(negative @ p) / counts[1]
    if not low < high:
        return None
    below, above = p - low, p - high
    return Confusion(
        low=low,
        high=high,
        low_variance=float(other @ below**2) / counts[0],
        high_variance=float(negative @ above**2) / counts[1],
        low_error=float(other**2 @ below**2) / counts[0] ** 2,
        high_error=float(negative**2 @ above**2) / counts[1] ** 2,
        shared_error=float((other * negative) @ (below * above)) / (counts[0] * counts[1]),
    )


def confusion_of(classifier: Classifier) -> Confusion | None:
    """What an engine's checkpoint says of its confusion; None if it says nothing."""
    own: Confusion | None = getattr(classifier, "confusion", None)
    calibration = getattr(classifier, "calibration", None)
    return own or getattr(calibration, "confusion", None)


def best_threshold(p: Array, truth: Array) -> int:
    """The p of [n] at and above which F1 is best, in the units of `p` (1/SCALE), at least 1.

    A rare label's best cut rests on a handful of texts, the cut that the probabilities alone promise to be best (Lipton et al. 2014)
    on the calibration being right. Their geometric mean was better than either on texts that neither had seen: macro-F1 on GoEmotions
    dev, fitted on one half and measured on the other, 0.522 against 0.518 and 0.518, of the bag 0.473 against 0.467 and 0.471.
    A label that never occurs is given only to a certainty.
    """
    if not truth.any():
        return SCALE
    order = np.argsort(-p, kind="stable")
    seen, promised = p[order], p[order] / SCALE
    last = np.append(seen[1:] != seen[:-1], True)  # only where the next text has another p can a threshold cut
    by_labels = _f1_curve(truth[order])
    # The median of the ten best of all cut points: a single one is chance.
    found = float(np.median(seen[last][np.argsort(-by_labels[last], kind="stable")[:10]]))
    expected = float(seen[last][np.argmax(_f1_curve(promised)[last])])
    return max(1, int(np.sqrt(found * expected)))


def _f1_curve(truth: Array) -> Array:
    """F1 of taking the first k texts, for k = 1..n; `truth` may be chances."""
    curve: Array = 2 * np.cumsum(truth) / (np.arange(1, len(truth) + 1) + truth.sum())
    return curve


def _platt(x: Array, truth: Array) -> tuple[float, float]:
    """Scale and shift of a logistic regression on one logit (Platt 1999, with his smoothed targets), by Newton's method."""
    positives = truth.sum()
    targets = np.where(truth > 0.5, (positives + 1) / (positives + 2), 1 / (len(truth) - positives + 2))
    basis = np.stack([x, np.ones_like(x)], axis=1)
    # A weak pull towards scale 1: with 13 positives (grief) the slope is else anybody's guess.
    w, pull = np.array([1.0, 0.0]), np.array([2.0, 1e-3])
    for _ in range(50):
        p = sigmoid(basis @ w)
        gradient = basis.T @ (p - targets) + pull * (w - np.array([1.0, 0.0]))
        curvature = (basis * (p * (1 - p))[:, None]).T @ basis + np.diag(pull)
        step = np.linalg.solve(curvature, gradient)
        w = w - step
        if np.abs(step).max() < 1e-9:
            break
    return float(w[0]), float(w[1])


def _platt_softmax(x: Array, targets: Array) -> tuple[float, Array]:
    """One scale and three shifts (the first is 0) that minimise cross-entropy with soft targets [n, 3], by Newton's method."""
    w = np.array([1.0, 0.0, 0.0])
    basis = np.zeros((len(x), 3, 3))  # derivative of the three scaled logits by (scale, shift 1, shift 2)
    basis[:, :, 0], basis[:, 1, 1], basis[:, 2, 2] = x, 1, 1
    for _ in range(50):
        p = softmax(basis @ w)
        gradient = np.einsum("nk,nkj->j", p - targets, basis)
        spread = basis - np.einsum("nk,nkj->nj", p, basis)[:, None, :]
        curvature = np.einsum("nk,nki,nkj->ij", p, spread, spread) + 1e-6 * np.eye(3)
        step = np.linalg.solve(curvature, gradient)
        w = w - step
        if np.abs(step).max() < 1e-9:
            break
    return float(w[0]), np.array([0.0, w[1], w[2]])
