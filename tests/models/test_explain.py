"""Leaving a word out shows what it does, with every engine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer import Typer
from typer.testing import CliRunner

import models
from models.explain import explain
from models.static import Static
from pipeline.cli import models as commands
from pipeline.errors import NotFoundError
from pipeline.records import EMOTIONS

TEXT = "the screen is great but the battery is terrible"


@pytest.mark.parametrize("engine", ["static", "vader"])
def test_the_word_that_carries_the_sentiment_has_the_largest_weight(engine: str) -> None:
    """ "terrible" makes it negative, "great" works against that, and the places of the words are right."""
    found = explain(models.load(engine), TEXT, "negative")
    by_word = {share.word: share.weight for share in found.words}
    assert max(by_word, key=lambda word: by_word[word]) == "terrible"
    assert by_word["great"] < 0
    assert [share.word for share in found.words] == [TEXT[share.start : share.end] for share in found.words]


def test_the_figure_is_that_of_the_score() -> None:
    """The explained value is the text's own; without a name it is its sentiment."""
    classifier = models.load("static")
    (score,) = classifier.score([TEXT])
    found = explain(classifier, TEXT)
    assert (score.sentiment, max(score.p_negative, score.p_neutral, score.p_positive)) == (found.what, found.value)
    assert score.emotions[0] == explain(classifier, TEXT, "admiration").value


@pytest.mark.parametrize("engine", ["static", "vader"])
def test_no_words_and_very_many(engine: str) -> None:
    """An empty text has none; of a long one a part is looked at, and how much is said."""
    classifier = models.load(engine)
    assert [] == explain(classifier, "  ").words
    found = explain(classifier, "so bad " * 5_000)
    assert 100 < len(found.words) < 1_000
    assert 100 < found.read < len(found.text) == 35_000


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["not", "so", "good", "bad", "love", "hate", "it", "is", "the", "😀", "don't", "résumé", "&amp;", "@you", "unbelievablyawful"]
        ),
        max_size=30,
    )
)
@pytest.mark.parametrize("what", ["negative", "positive", "anger", "gratitude"])
def test_exact_weights_add_up_to_the_figure(what: str, words: list[str]) -> None:
    """Base and words together are the calibrated log-odds of the score, whatever the text, but for the rounding of the engine."""
    engine = models.load("static")
    assert isinstance(engine, Static)
    text = " ".join(words)
    found = explain(engine, text, what)
    assert "exact" == found.method
    assert found.base is not None
    assert found.total == pytest.approx(found.base + sum(word.weight for word in found.words), abs=0.005)
    raw = engine.raw([text])
    if what in ("negative", "positive"):
        logits = np.log(engine.calibration.sentiments(raw)[0])
        k = ("negative", "neutral", "positive").index(what)
        expected = 1.5 * (logits[k] - logits.mean())  # over the mean of the other two
    else:
        p = engine.calibration.emotions(raw)[0][EMOTIONS.index(what)]
        expected = np.log(p / (1 - p))
    assert found.total == pytest.approx(expected, abs=0.03)


def test_both_words_of_a_pair_share_what_it_adds() -> None:
    """In "not good" the negation carries weight of its own, and the whole is more negative than "good"."""
    words = {word.word: word.weight for word in explain(models.load("static"), "that was not good", "negative").words}
    assert words["not"] > 0
    assert words["not"] > words["was"]


def test_an_unknown_figure_is_refused() -> None:
    """With the nearest name."""
    with pytest.raises(NotFoundError, match="did you mean 'anger'"):
        explain(models.load("static"), TEXT, "angr")


def test_the_commands_show_words_and_cards() -> None:
    """`explain` prints each word, `models` the names with their hashes, `models static` the card."""
    app = Typer()
    commands.register(app)
    run = CliRunner()
    assert "terrible" in run.invoke(app, ["explain", TEXT, "--model", "static"]).stdout
    assert models.load("static").name in run.invoke(app, ["models", "--json"]).stdout
    assert run.invoke(app, ["models", "static"]).stdout.startswith("# Static bag of vectors")
