"""Shares of negative posts: what an engine confuses, measured on labelled texts, and how good the estimates are under other shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models import calibrate, dataset
from models.checkpoint import Checkpoint, open_checkpoint, save
from models.labels import SENTIMENT_COLUMNS
from pipeline.confusion import Confusion, estimate
from pipeline.ports import Classifier

Array = NDArray[np.float64]

SIZES: Final = (30, 100, 300, 1_000, 5_000)
SHARES: Final = (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8)
_STEPS: Final = 200  # of expectation maximisation at most
_CLOSE: Final = 1e-5


def measured(classifier: Classifier, data: Path) -> Confusion | None:
    """The confusion of an engine on GoEmotions dev, from its scores. `data`: the licensed sets."""
    dev = dataset.goemotions(data / "goemotions", "dev")
    p = np.array([score.p_negative for score in classifier.score(dev.texts)])
    return calibrate.confusion(p, dev.targets[:, SENTIMENT_COLUMNS.start].astype(np.float64))


def add_cascade(static: Path, onnx: Path, data: Path) -> Checkpoint:
    """Write into the static checkpoint what the cascade of the two confuses, as neither of them can say it alone."""
    from models.cascade import Cascade

    first, second = open_checkpoint(static), open_checkpoint(onnx)
    found = measured(Cascade(first, second), data)
    options = {name: value for name, value in first.options.items() if name != "cascade"}
    if found is not None:
        options["cascade"] = {"onnx": second.digest, "confusion": found.to_json()}
    return save(static, first.kind, first.calibration, options, first.files)


@dataclass(frozen=True, slots=True)
class Trial:
    """Many samples of `n` texts of which `share` are negative: how often the band holds it, and how far the estimates are off."""

    n: int
    share: float
    covered: float  # share of the bands that hold `share`
    bias: float  # mean of the estimates minus `share`
    error: float  # root mean square of the same
    width: float  # mean width of a band
    uncorrected_bias: float  # of the mean probability
    maximised_bias: float  # of expectation maximisation, for comparison
    maximised_error: float

    def to_json(self) -> dict[str, Any]:
        """As it is, rounded to four decimals."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def trials(
    p: Array, negative: Array, draws: int, sizes: Sequence[int] = SIZES, shares: Sequence[float] = SHARES, seed: int = 1
) -> Iterator[Trial]:
    """Every size with every share. `p` [n] and `negative` [n] as for `calibrate.confusion`.

    The labelled texts stand for all texts. A draw takes a fresh set of as many labelled texts for the constants, and independently of
    it a sample in which each text is negative with probability `share`; so both errors that the band speaks of are in it.
    """
    draw = np.random.default_rng(seed)
    for n in sizes:
        for share in shares:
            yield _trial(p, negative, draws, n, share, draw)


def _trial(p: Array, negative: Array, draws: int, n: int, share: float, draw: np.random.Generator) -> Trial:
    cumulative = np.cumsum(share * negative / negative.sum() + (1 - share) * (1 - negative) / (1 - negative).sum())
    found = np.empty((draws, 5))
    for i in range(draws):
        again = draw.integers(0, len(p), len(p))
        constants = calibrate.confusion(p[again], negative[again])
        sample = p[np.searchsorted(cumulative, draw.random(n) * cumulative[-1]).clip(max=len(p) - 1)]
        mean = float(sample.mean())
        if constants is None:
            raise ValueError("too few labelled texts: a draw of them can't tell negative texts from others")
        maximised = maximised_share(sample, float(negative[again].mean())) if i % 10 == 0 else np.nan
        found[i] = (*estimate(mean, n, constants), mean, maximised)
    middle, low, high, mean_p, maximised_p = found.T
    maximised_p = maximised_p[::10]
    return Trial(
        n,
        share,
        covered=float(((low <= share) & (share <= high)).mean()),
        bias=float(middle.mean() - share),
        error=float(np.sqrt(((middle - share) ** 2).mean())),
        width=float((high - low).mean()),
        uncorrected_bias=float(mean_p.mean() - share),
        maximised_bias=float(maximised_p.mean() - share),
        maximised_error=float(np.sqrt(((maximised_p - share) ** 2).mean())),
    )


def maximised_share(p: Array, usual: float) -> float:
    """The share that makes the probabilities [n] likeliest, given that they are calibrated where the share is `usual`.

    Saerens, Latinne and Decaestecker, Adjusting the outputs of a classifier to new a priori probabilities, Neural Computation 14 (2002).
    """
    share = usual
    for _ in range(_STEPS):
        odds = p * (share / usual) / np.maximum((1 - p) * ((1 - share) / (1 - usual)), 1e-12)
        moved = float((odds / (1 + odds)).mean())
        if abs(moved - share) < _CLOSE:
            break
        share = min(max(moved, _CLOSE), 1 - _CLOSE)
    return share
