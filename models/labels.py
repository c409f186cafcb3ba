"""What the heads mean: the columns of a target row, and how 28 emotions map to a sentiment and to six basic ones."""

from __future__ import annotations

from typing import Final

from pipeline.records import EMOTIONS, INTENSITIES

POSITIVE: Final = frozenset(
    ("admiration", "amusement", "approval", "caring", "desire", "excitement", "gratitude", "joy", "love", "optimism", "pride", "relief")
)
NEGATIVE: Final = frozenset(
    (
        "anger", "annoyance", "disappointment", "disapproval", "disgust", "embarrassment", "fear", "grief", "nervousness",
        "remorse", "sadness",
    )
)  # fmt: skip
# The rest (confusion, curiosity, realization, surprise, neutral) says neither: the GoEmotions paper calls the first four ambiguous.

# Plutchik's eight, in the order of the XED files (ids 1 to 8).
PLUTCHIK: Final = ("anger", "anticipation", "disgust", "fear", "joy", "sadness", "surprise", "trust")

# The columns of one row of targets and of one row of network outputs.
EMOTION_COLUMNS: Final = slice(0, len(EMOTIONS))
SENTIMENT_COLUMNS: Final = slice(28, 31)
VALENCE: Final = 31
AROUSAL: Final = 32
INTENSITY: Final = 33
PLUTCHIK_COLUMNS: Final = slice(34, 42)
WIDTH: Final = 42  # outputs while training
SHIPPED: Final = 34  # outputs of an engine: Plutchik's eight only help to train

# Which of the 28 stand for a basic emotion when its intensity is estimated.
BASIC: Final[dict[str, tuple[str, ...]]] = {
    "anger": ("anger", "annoyance"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "joy": ("joy", "excitement", "love", "amusement"),
    "sadness": ("sadness", "grief", "disappointment", "remorse"),
    "surprise": ("surprise",),
}
assert tuple(BASIC) == INTENSITIES

# A label "neutral" beside an emotional one counts half: the raters of a text split, and a reader of "annoyance, neutral"
# still calls the text negative.
_NEUTRAL_WEIGHT = 0.5


def sentiment_of(labels: tuple[str, ...]) -> tuple[float, float, float]:
    """Shares of (negative, neutral, positive) among the emotion labels of one text; (0, 1, 0) without labels."""
    negative = float(sum(label in NEGATIVE for label in labels))
    positive = float(sum(label in POSITIVE for label in labels))
    neutral = _NEUTRAL_WEIGHT * (len(labels) - negative - positive)
    total = negative + neutral + positive
    return (negative / total, neutral / total, positive / total) if total else (0.0, 1.0, 0.0)
