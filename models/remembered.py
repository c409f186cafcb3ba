"""The answers to the last texts, for posts that are copied word for word: a text that was just scored is not scored again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.calibrate import confusion_of
from pipeline.ports import Classifier, Counting
from pipeline.records import Score


class Remembered:
    """A Classifier in front of another one. As an answer depends on its text alone, remembering changes none."""

    def __init__(self, classifier: Classifier, most: int) -> None:
        """`most`: texts that are remembered, about 1.5 kB each; the half that was asked about longest ago goes when it is full."""
        self.name = classifier.name
        self.languages = classifier.languages
        self.confusion = confusion_of(classifier)
        self._classifier = classifier
        self._half = max(1, most // 2)
        self._young: dict[str, Score] = {}
        self._old: dict[str, Score] = {}
        self._asked = self._repeated = 0

    def score(self, texts: Sequence[str]) -> list[Score]:
        """One score per text, in order; copies within the batch are scored once."""
        known = {text: score for text in texts if (score := self._known(text))}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        for text, score in zip(new, self._classifier.score(new) if new else (), strict=True):
            known[text] = score
            self._keep(text, score)
        self._asked += len(texts)
        self._repeated += len(texts) - len(new)
        return [known[text] for text in texts]

    @property
    def counts(self) -> Mapping[str, int]:
        """Texts asked about, how many of them were repeated, and what the classifier behind counts of the rest."""
        behind = self._classifier.counts if isinstance(self._classifier, Counting) else {}
        return {**behind, "asked": self._asked, "repeated": self._repeated}

    def _known(self, text: str) -> Score | None:
        if score := self._young.get(text):
            return score
        if score := self._old.get(text):
            self._keep(text, score)
        return score

    def _keep(self, text: str, score: Score) -> None:
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[text] = score
