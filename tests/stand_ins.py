"""Stand-ins that cost nothing: a classifier whose answer is a hash of the text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pipeline.records import EMOTIONS, INTENSITIES, SCALE, Score


class FreeClassifier:
    """Deterministic scores from the hash of a text; a text with a word of `negative_words` is clearly negative."""

    def __init__(
        self, languages: frozenset[str] = frozenset({"en"}), negative_words: frozenset[str] = frozenset({"awful", "angry"})
    ) -> None:
        self.name = "free@1"
        self.languages = languages
        self._negative_words = negative_words

    def score(self, texts: Sequence[str]) -> list[Score]:
        """One score per text, from that text alone."""
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> Score:
        draw = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=64).digest()
        emotions = tuple(byte * 10 / SCALE for byte in draw[: len(EMOTIONS)])
        intensities = tuple(byte * 39 / SCALE for byte in draw[30 : 30 + len(INTENSITIES)])
        negative = 9_000 if self._negative_words & set(text.lower().split()) else draw[40] * 10
        positive = (SCALE - negative) * draw[41] // 255
        shares = (negative, SCALE - negative - positive, positive)
        sentiment = ("negative", "neutral", "positive")[shares.index(max(shares))]
        top = max(range(len(EMOTIONS)), key=emotions.__getitem__)
        return Score(
            emotions=emotions, labels=(EMOTIONS[top],), p_negative=shares[0] / SCALE, p_neutral=shares[1] / SCALE,
            p_positive=shares[2] / SCALE, sentiment=sentiment, valence=(positive - negative) / SCALE, arousal=draw[42] * 39 / SCALE,
            intensity=draw[43] * 39 / SCALE, intensities=intensities, model=self.name,
        )  # fmt: skip
