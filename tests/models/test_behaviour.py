"""The behaviour suite asks what a reader takes for granted, of sentences that no training has seen, and says what fails."""

from __future__ import annotations

from collections.abc import Sequence

import models
from models.behaviour import Alike, More, Plain, checks, run
from models.sentences import sentences
from pipeline.records import EMOTIONS, Score


def score(p_negative: float, intensity: float = 0.5) -> Score:
    """A score with this p_negative, neutral or else negative."""
    sentiment = "negative" if p_negative > 0.5 else "neutral"
    return Score((0.0,) * 28, (EMOTIONS[-1],), p_negative, 1 - p_negative, 0.0, sentiment, 0.0, 0.5, intensity, (0.0,) * 6, "test@1")


class Stubborn:
    """A model that finds everything negative."""

    name = "stubborn@1"
    languages = frozenset(("en",))

    def score(self, texts: Sequence[str]) -> list[Score]:
        """The same for every text."""
        return [score(0.9) for _ in texts]


def test_each_kind_of_check_can_hold_and_fail() -> None:
    """Plain, alike and more: each holds on the right scores and fails on wrong ones."""
    assert Plain("x", "negative").holds([score(0.9)])
    assert not Plain("x", "positive").holds([score(0.9)])
    assert Alike(("a", "b")).holds([score(0.3), score(0.35)])
    assert not Alike(("a", "b")).holds([score(0.3), score(0.36)])
    assert More(("a", "b")).holds([score(0.3), score(0.4)])
    assert not More(("a", "b")).holds([score(0.3), score(0.39)])
    assert More(("a", "b"), "intensity").holds([score(0.3, 0.5), score(0.3, 0.5)])
    assert not More(("a", "b"), "intensity").holds([score(0.3, 0.5), score(0.3, 0.4)])


def test_no_checked_sentence_trains() -> None:
    """Our own training sentences and the suite share none."""
    trained = {text.lower().rstrip(".!?") for text, _, _ in sentences()}
    asked = {text.lower().rstrip(".!?") for group in checks().values() for check in group for text in check.texts}
    assert set() == trained & asked


def test_a_stubborn_model_fails_where_it_should() -> None:
    """What finds everything negative passes what asks for negative or for no difference, and each failure is listed with its figure."""
    out = run(Stubborn())
    groups = out["groups"]
    assert groups["sarcasm"]["n"] == groups["sarcasm"]["passed"]
    assert groups["gender"]["n"] == groups["gender"]["passed"]
    assert groups["plain questions and facts"]["passed"] == 0
    assert [0.9] == groups["plain questions and facts"]["failed"][0]["p_negative"]
    assert out["n"] == sum(part["n"] for part in groups.values()) == out["passed"] + sum(len(part["failed"]) for part in groups.values())


def test_the_default_model_passes_most() -> None:
    """Of plain questions, negations and swapped people, the cascade gets four in five right."""
    groups = run(models.load("cascade"))["groups"]
    chosen = [groups[name] for name in ("plain questions and facts", "negated praise", "gender", "but")]
    assert sum(part["passed"] for part in chosen) >= 0.8 * sum(part["n"] for part in chosen)
