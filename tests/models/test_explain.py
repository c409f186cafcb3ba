"""Leaving a word out shows what it does, with every engine."""

from __future__ import annotations

import pytest
from typer import Typer
from typer.testing import CliRunner

import models
from models.explain import explain
from pipeline.cli import models as commands
from pipeline.errors import NotFoundError

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


def test_no_words_and_very_many() -> None:
    """An empty text has none; of a long one the first 200 are looked at."""
    classifier = models.load("static")
    assert [] == explain(classifier, "  ").words
    assert 200 == len(explain(classifier, "so bad " * 5_000).words)


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
