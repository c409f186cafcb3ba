"""Which words carry a score: exactly for the bag of vectors, by leaving each word out for every other engine."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from models.labels import SENTIMENT_COLUMNS
from models.static import Static
from models.wording import READ
from pipeline.errors import NotFoundError
from pipeline.ports import Classifier
from pipeline.records import EMOTIONS, SENTIMENTS, Explanation, Score, WordWeight

# One score per word: a text of 200 words takes about a second with the transformer.
_MOST_WORDS: Final = 200
_WORD: Final = re.compile(r"\S+")


def explain(classifier: Classifier, text: str, what: str | None = None) -> Explanation:
    """The words of a text and their weights. `what`: an emotion or a sentiment, default the text's sentiment.

    The static engine's weights are exact: log-odds that add up with the base to those of the figure (of a sentiment: over the mean of
    the other two). Others: the probability with a word minus that without it (occlusion, Zeiler & Fergus 2014), which need not add up,
    as two words can say the same. NotFoundError for an unknown `what`.
    """
    return _exact(classifier, text, what) if isinstance(classifier, Static) else _by_leaving_out(classifier, text, what)


def _by_leaving_out(classifier: Classifier, text: str, what: str | None) -> Explanation:
    found = list(_WORD.finditer(text))[:_MOST_WORDS]
    read = text[: found[-1].end()] if found else ""
    whole, *without = classifier.score([read, *(read[: word.start()] + read[word.end() :] for word in found)])
    what = what or whole.sentiment
    value = _figure(whole, what)
    weights = [round(value - _figure(score, what), 4) for score in without]
    return Explanation(what, value, classifier.name, "occlusion", None, None, _weighed(found, weights), len(read), text)


def _exact(engine: Static, text: str, what: str | None) -> Explanation:
    (score,) = engine.score([text])
    what = what or score.sentiment
    value = _figure(score, what)
    base, shares, owners = engine.shares(text)
    mix, shift = _mixture(engine, what)
    each = shares @ mix
    found = list(_WORD.finditer(text[:READ]))
    weights = np.zeros(len(found))
    marks = 0.0  # the opening and closing mark are in every text: part of the base
    for owner, weight in zip(owners, each.tolist(), strict=True):
        if owner < 0:
            marks += weight
        else:
            weights[owner] += weight
    start = float(base @ mix + shift) + marks
    total = start + float(weights.sum())
    read = found[max(owners)].end() if max(owners) >= 0 else 0
    words = _weighed(found, [round(weight, 4) for weight in weights.tolist()])
    return Explanation(what, value, engine.name, "exact", round(start, 4), round(total, 4), words, read, text)


def _mixture(engine: Static, what: str) -> tuple[np.ndarray, float]:
    """Weights [34] of the raw outputs and a shift, which give the calibrated log-odds of `what`."""
    calibration = engine.calibration
    mix = np.zeros(34)
    if what in EMOTIONS and what not in SENTIMENTS:
        k = EMOTIONS.index(what)
        mix[k] = calibration.scale[k]
        return mix, float(calibration.shift[k])
    signs = np.where(np.arange(3) == SENTIMENTS.index(what), 1.0, -0.5)
    mix[SENTIMENT_COLUMNS] = signs * calibration.sentiment_scale
    return mix, float(signs @ calibration.sentiment_shift)


def _weighed(found: list[re.Match[str]], weights: list[float]) -> list[WordWeight]:
    return [WordWeight(word[0], word.start(), word.end(), weight) for word, weight in zip(found, weights, strict=True)]


def _figure(score: Score, what: str) -> float:
    """One probability of a score by its name; "neutral" is the sentiment, not the label."""
    if what in SENTIMENTS:
        return (score.p_negative, score.p_neutral, score.p_positive)[SENTIMENTS.index(what)]
    if what not in EMOTIONS:
        raise NotFoundError.of("emotion or sentiment", what, {*EMOTIONS, *SENTIMENTS})
    return score.emotions[EMOTIONS.index(what)]
