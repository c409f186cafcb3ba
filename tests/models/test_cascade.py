"""The cascade asks the transformer about the texts that the static engine doubts, and about no others."""

from __future__ import annotations

from dataclasses import replace

import pytest

import models
from models.cascade import Cascade, doubt
from models.checkpoint import open_checkpoint

TEXTS = [
    "I love this so much, thank you!",
    "This is the worst phone I ever had, I hate it",
    "Where can I buy one?",
    "Great, it broke again",
    "I can't say that I'm unhappy about it",
    "not bad at all, though they took their time",
    "it is what it is",
    "",
]


@pytest.fixture(scope="module")
def cascade() -> Cascade:
    """The shipped one."""
    found = models.load("cascade")
    assert isinstance(found, Cascade)
    return found


def test_each_answer_is_one_of_the_two_engines(cascade: Cascade) -> None:
    """The doubtful have the transformer's answer, the others the static one's; both kinds are among these texts; all are counted."""
    limit = open_checkpoint(models.WEIGHTS / "static").options["doubt"]
    first, second = (models.load(name).score(TEXTS) for name in ("static", "onnx"))
    on = [doubt(score) >= limit for score in first]
    assert {True, False} == set(on)
    expected = [replace(b if goes else a, model=cascade.name) for goes, a, b in zip(on, first, second, strict=True)]
    before = cascade.counts["asked"], cascade.counts["forwarded"]
    assert expected == cascade.score(TEXTS)
    assert (before[0] + len(TEXTS), before[1] + sum(on)) == (cascade.counts["asked"], cascade.counts["forwarded"])


def test_the_name_is_neither_engines_own(cascade: Cascade) -> None:
    """It stands for both checkpoints, and loading again gives the same."""
    assert cascade.name == models.load("cascade").name
    assert cascade.name.startswith("cascade@")
    assert cascade.name.partition("@")[2] not in models.load("static").name + models.load("onnx").name
