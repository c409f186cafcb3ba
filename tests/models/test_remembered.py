"""Remembering texts spares the model the copies and changes no answer."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

import models
from models.remembered import Remembered
from pipeline.ports import Counting
from pipeline.records import Score


class Counted:
    """A classifier that keeps the texts that it was asked about."""

    def __init__(self) -> None:
        self._inner = models.load("static")
        self.name, self.languages = self._inner.name, self._inner.languages
        self.asked: list[str] = []

    def score(self, texts: Sequence[str]) -> list[Score]:
        """The static engine's scores."""
        self.asked += texts
        return self._inner.score(texts)


def test_a_copy_is_not_scored_again() -> None:
    """Copies in one batch and in later ones cost nothing, and are counted."""
    behind = Counted()
    model = Remembered(behind, 100)
    model.score(["a", "b", "a"])
    model.score(["b", "c"])
    assert ["a", "b", "c"] == behind.asked
    assert {"asked": 5, "repeated": 2} == model.counts


@given(st.lists(st.sampled_from("abcdefgh"), max_size=40), st.integers(1, 10))
def test_remembering_changes_no_answer_and_stays_bounded(texts: list[str], most: int) -> None:
    """Whatever the order and the size of memory, each text has its own score; never more than `most` and a batch are kept."""
    plain = dict(zip("abcdefgh", models.load("static").score(list("abcdefgh")), strict=True))
    model = Remembered(models.load("static"), most)
    for i in range(0, len(texts), 3):
        batch = texts[i : i + 3]
        assert [plain[text] for text in batch] == model.score(batch)
        assert len(model._young) + len(model._old) <= 2 * max(1, most // 2)


def test_a_text_that_is_asked_about_again_stays() -> None:
    """With room for four, one text asked about every other time is scored once; the others come and go."""
    behind = Counted()
    model = Remembered(behind, 4)
    for k in range(20):
        model.score(["again", f"text {k}"])
    assert 1 == behind.asked.count("again")


def test_a_cascade_behind_still_tells_what_it_forwards() -> None:
    """The counts of both are there."""
    model = Remembered(models.load("cascade"), 10)
    model.score(["I love this", "I love this", "not sure whether this is bad"])
    assert isinstance(model, Counting)
    assert 3 == model.counts["asked"]
    assert 1 == model.counts["repeated"]
    assert 0 <= model.counts["forwarded"] <= 2
