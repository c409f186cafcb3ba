"""The last step of every engine: raw outputs to scores in fixed point. No other place rounds."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.calibrate import Array, Calibration
from models.labels import AROUSAL, BASIC, INTENSITY, VALENCE
from pipeline.errors import ModelError
from pipeline.records import EMOTIONS, SCALE, SENTIMENTS, Score

_BITS = 1 << np.arange(len(EMOTIONS))
_MEMBERS = tuple([EMOTIONS.index(label) for label in labels] for labels in BASIC.values())


def decode(raw: Array, calibration: Calibration, model: str) -> list[Score]:
    """Raw outputs [n, ≥ 34] → one Score per row. ModelError if an output is not a finite number."""
    if not np.isfinite(raw).all():
        raise ModelError(f"{model} gave an output that is not a finite number")
    return scores(
        calibration.emotions(raw),
        calibration.sentiments(raw),
        raw[:, VALENCE],
        raw[:, AROUSAL],
        raw[:, INTENSITY],
        calibration.thresholds,
        model,
    )


def scores(
    emotions: Array, sentiments: Array, valence: Array, arousal: Array, intensity: Array, thresholds: NDArray[np.int64], model: str
) -> list[Score]:
    """Probabilities [n, 28] and [n, 3], three measures [n], thresholds in 1/SCALE → scores whose numbers are multiples of 1/SCALE."""
    e = _fixed(emotions, 0)
    s = _thirds(sentiments)
    strength = _fixed(intensity, 0)
    marks = (_labelled(e, thresholds) @ _BITS).tolist()
    top = s.argmax(axis=1).tolist()
    columns = (
        (e / SCALE).tolist(),
        (s / SCALE).tolist(),
        (_fixed(valence, -SCALE) / SCALE).tolist(),
        (_fixed(arousal, 0) / SCALE).tolist(),
        (strength / SCALE).tolist(),
        (basic_intensities(e, strength) / SCALE).tolist(),
    )
    return [
        Score(tuple(ps), _names(mark), negative, neutral, positive, SENTIMENTS[k], v, a, i, tuple(six), model)
        for mark, k, ps, (negative, neutral, positive), v, a, i, six in zip(marks, top, *columns, strict=True)
    ]


def basic_intensities(e: NDArray[np.int64], strength: NDArray[np.int64]) -> NDArray[np.int64]:
    """Intensity of the six basic emotions [n, 6] from emotion probabilities and overall intensity, all in 1/SCALE.

    The geometric mean of the likeliest label's probability and the overall intensity: it rises with both, so two texts rank alike by
    it when both agree. There is no licensed data to fit it; see the card.
    """
    there = np.stack([e[:, members].max(axis=1) for members in _MEMBERS], axis=1)
    return np.rint(np.sqrt((there * strength[:, None]).astype(np.float64))).astype(np.int64)


def _fixed(x: Array, low: int) -> NDArray[np.int64]:
    return np.clip(np.rint(x * SCALE), low, SCALE).astype(np.int64)


def _thirds(p: Array) -> NDArray[np.int64]:
    """Three shares in 1/SCALE that add up to SCALE: negative and positive rounded, neutral the rest."""
    negative = _fixed(p[:, 0], 0)
    positive = np.minimum(_fixed(p[:, 2], 0), SCALE - negative)
    return np.stack([negative, SCALE - negative - positive, positive], axis=1)


def _labelled(e: NDArray[np.int64], thresholds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which labels a text carries: those at or over their thresholds; if none is, the one that comes nearest to its own."""
    over = e >= thresholds
    none = ~over.any(axis=1)
    over[none, (e[none] / thresholds).argmax(axis=1)] = True
    return over


@lru_cache(maxsize=4096)
def _names(mark: int) -> tuple[str, ...]:
    return tuple(label for k, label in enumerate(EMOTIONS) if mark >> k & 1)
