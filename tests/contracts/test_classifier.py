"""What every engine promises: the answer to a text depends on that text alone, and is in range whatever the text."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import small_checkpoint

import models
from pipeline.ports import Classifier
from pipeline.records import EMOTIONS, INTENSITIES, SCALE, SENTIMENTS, Score

ENGINES = (*(name for name in models.shipped() if name != "auto"), "vader", "hugging face")

POSTS = [
    "I love this so much, thank you!",
    "Not good at all. It broke after a day and nobody answers my mails.",
    "why does this keep happening???",
    "",
    "   ",
    "😂😂😭",
    "👩‍👩‍👧‍👦",
    "Das ist leider gar nicht gut, ich bin enttäuscht",
    "これはひどい",
    "\x00nul\x00",
    "half \ud83d a pair",
    "&amp; &lt;b&gt; https://example.com/a?b=c @somebody #tag",
    "x",
    "ok " * 300,
    "a\u0301" * 20 + " é",
    "tab\tand\x1cseparator\x85next\u2028line",
]
HOSTILE = {
    "1 MB of words": "terrible service " * 62_000,
    "1 MB without a space": "a" * 1_000_000,
    "10,000 combining marks": "e" + "\u0301" * 10_000,
    "10,000 emoji": "😡" * 10_000,
    "only white space": "\n\t " * 1_000,
}


@cache
def engine_named(name: str) -> Classifier:
    """One engine per name: loading is not what is tested here. The torch engine on the CPU, which every machine has."""
    if name == "hugging face":
        return models.load(str(small_checkpoint(Path(mkdtemp()))))
    return models.load(name, device="cpu")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Classifier:
    """Each engine in turn."""
    return engine_named(request.param)


def test_names_itself_with_a_hash_and_its_languages(engine: Classifier) -> None:
    """The name is `name@something`, and English is covered."""
    name, at, version = engine.name.partition("@")
    assert all((name, at, version))
    assert "en" in engine.languages


def test_gives_one_score_per_text_in_order(engine: Classifier) -> None:
    """Each score carries the engine's name; no texts give no scores."""
    assert [engine.name] * len(POSTS) == [score.model for score in engine.score(POSTS)]
    assert [] == engine.score([])


def test_a_text_alone_scores_as_in_a_batch(engine: Classifier) -> None:
    """Neighbours, order and batch size change nothing, to the last digit."""
    alone = [engine.score([text])[0] for text in POSTS]
    assert alone == engine.score(POSTS)
    assert alone[::-1] == engine.score(POSTS[::-1])
    for size in (2, 3, 5, 7):
        assert alone == [score for i in range(0, len(POSTS), size) for score in engine.score(POSTS[i : i + size])]


def test_many_copies_score_alike(engine: Classifier) -> None:
    """A text gets one answer at every place of a batch of several hundred texts of all lengths."""
    filler = [" ".join(POSTS[:3] * (i % 9)) + " word" * i for i in range(120)]
    text = "I can't believe they cancelled it, I'm so sad and angry"
    mixed = [part for other in filler for part in (text, other)]
    assert {engine.score([text])[0]} == set(engine.score(mixed)[::2])


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(max_size=60), min_size=1, max_size=12), at=st.integers(0, 11))
@pytest.mark.parametrize("name", ENGINES)
def test_any_text_scores_alike_alone(name: str, texts: list[str], at: int) -> None:
    """Of any texts, any one scores alone as among the others, and in range."""
    engine = engine_named(name)
    chosen = at % len(texts)
    alone = engine.score([texts[chosen]])[0]
    check(alone)
    assert alone == engine.score(texts)[chosen]


@pytest.mark.parametrize("what", sorted(HOSTILE))
def test_hostile_texts_score_in_range(engine: Classifier, what: str) -> None:
    """Very long and odd texts get a score in range, within the time-out of a test."""
    check(engine.score([HOSTILE[what]])[0])


def test_scores_are_in_range(engine: Classifier) -> None:
    """Every number of every score is a multiple of 1/10,000 in its range, and the three sentiments add up to 1."""
    for score in engine.score(POSTS):
        check(score)


def check(score: Score) -> None:
    """The invariants of one score."""
    assert len(EMOTIONS) == len(score.emotions)
    assert len(INTENSITIES) == len(score.intensities)
    assert set() < set(score.labels) <= set(EMOTIONS)
    thirds = (score.p_negative, score.p_neutral, score.p_positive)
    assert SCALE == sum(units(p, 0) for p in thirds)
    assert max(thirds) == thirds[SENTIMENTS.index(score.sentiment)]
    units(score.valence, -SCALE)
    for number in (*score.emotions, *score.intensities, score.arousal, score.intensity):
        units(number, 0)


def units(number: float, low: int) -> int:
    """A number in units of 1/SCALE; it must be one exactly, and in range."""
    whole = round(number * SCALE)
    assert whole / SCALE == number
    assert low <= whole <= SCALE
    return whole
