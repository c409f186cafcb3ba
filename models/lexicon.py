"""VADER (Hutto & Gilbert 2014) as the yardstick and fallback: one polarity per text, everything else is what goes with it.

A lexicon knows no emotions. Their probabilities are what GoEmotions train says of texts with this polarity: honest on average and
nearly blind to the single text.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.calibrate import Array, best_threshold
from models.decode import scores
from models.labels import EMOTION_COLUMNS, SENTIMENT_COLUMNS
from pipeline.errors import ModelError
from pipeline.records import EMOTIONS, SCALE, Score

RATES: Final = Path(__file__).parent / "weights" / "vader" / "rates.json"
_READ: Final = 2_000  # characters: VADER's time grows with the square of the words
# EmoBank train: arousal (stretched to 0..1) rises by 0.116 with the size of the compound from 0.498; r = 0.19 on dev.
CALM, RISE = 0.498, 0.116


@dataclass(frozen=True, slots=True)
class Rates:
    """How often each emotion and sentiment goes with a polarity: means at 21 points of −1..1, straight lines between."""

    points: Array  # [21]
    rates: Array  # [21, 31]
    thresholds: NDArray[np.int64]  # [28], in 1/SCALE

    def at(self, compound: Array) -> tuple[Array, Array]:
        """Polarities [n] → emotion probabilities [n, 28] and shares of negative, neutral, positive [n, 3]."""
        found = np.stack([np.interp(compound, self.points, column) for column in self.rates.T], axis=1)
        return found[:, EMOTION_COLUMNS], found[:, SENTIMENT_COLUMNS]

    def write(self, path: Path) -> None:
        """As JSON, rates to six places."""
        path.parent.mkdir(parents=True, exist_ok=True)
        rates = [[round(rate, 6) for rate in row] for row in self.rates.tolist()]
        path.write_text(json.dumps({"points": self.points.tolist(), "rates": rates, "thresholds": self.thresholds.tolist()}) + "\n")

    @classmethod
    def read(cls, path: Path) -> Rates:
        """The inverse of `write`. ModelError if the file is missing or not of this form."""
        try:
            data = json.loads(path.read_text())
            return cls(np.array(data["points"]), np.array(data["rates"]), np.array(data["thresholds"], np.int64))
        except (OSError, KeyError, ValueError) as error:
            raise ModelError(
                f"the lexicon's rates at {path} can't be read: {error!r}; make them with `moodstream train lexicon`"
            ) from error


def fit_rates(compound: Array, targets: Array) -> Rates:
    """Means of GoEmotions targets [n, ≥ 31] around each point (Gaussian window, sd 0.1), and thresholds of the best F1."""
    points = np.round(np.linspace(-1, 1, 21), 1)
    weights = np.exp(-0.5 * ((compound[None, :] - points[:, None]) / 0.1) ** 2)
    rates = weights @ targets[:, : SENTIMENT_COLUMNS.stop] / weights.sum(axis=1, keepdims=True)
    p = np.rint(Rates(points, rates, np.ones(len(EMOTIONS), np.int64)).at(compound)[0] * SCALE)
    thresholds = np.array([best_threshold(p[:, k], targets[:, k]) for k in range(len(EMOTIONS))], np.int64)
    return Rates(points, rates, thresholds)


class Polarity:
    """VADER's polarity of texts."""

    def __init__(self) -> None:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        self._vader = SentimentIntensityAnalyzer()

    def of(self, texts: Sequence[str]) -> Array:
        """−1..1 for each text [n]."""
        return np.array([self._vader.polarity_scores(text[:_READ])["compound"] for text in texts], np.float64)


class Lexicon:
    """A Classifier over the lexicon and the rates in `RATES`."""

    languages: Final = frozenset(("en",))

    def __init__(self, rates: Rates) -> None:
        self.name = f"vader@{importlib.metadata.version('vaderSentiment')}"
        self._rates = rates
        self._polarity = Polarity()

    def score(self, texts: Sequence[str]) -> list[Score]:
        """One score per text, in order."""
        if not texts:
            return []
        compound = self._polarity.of(texts)
        emotions, sentiments = self._rates.at(compound)
        strength = np.abs(compound)
        return scores(emotions, sentiments, compound, CALM + RISE * strength, strength, self._rates.thresholds, self.name)


def measured_rates(data: Path) -> Rates:
    """Rates from GoEmotions train under a folder of the licensed sets."""
    from models.dataset import goemotions

    train = goemotions(data / "goemotions", "train")
    return fit_rates(Polarity().of(train.texts), train.targets.astype(np.float64))
