"""How far the raw and the adjusted share of an hour are from that of its genuine posts, when somebody adds negative ones.

Real texts with the probabilities of a real model; ways to add posts that differ in what gives them away. Each draw is an hour of
genuine posts after a day of others, with as many added posts as make up the given part of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.authentic import adjusted
from pipeline.drivers import Copies, Sample
from pipeline.records import DAY, EMOTIONS, HOUR, INTENSITIES, Post, Score, ScoredPost
from pipeline.snapshot import Floats

START = 1_790_000_000_000
SIZES = (40, 150, 600)  # genuine posts of the hour
BEFORE = 4  # times as many in the day before
LONG = 8  # words
NEGATIVE = 0.5  # p_negative of a text that somebody would spread
SLOT = 5_000  # ms in which a burst comes

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Added:
    """Posts that somebody adds: which text each has, who writes it, and when (ms into the hour)."""

    texts: list[str]
    authors: list[str | None]
    times: list[int]


@dataclass(frozen=True, slots=True)
class Row:
    """The errors of one way at one size, in percentage points."""

    way: str
    n: int
    raw_error: float  # mean of |raw share − share of the genuine posts|
    error: float  # the same of the adjusted share
    p95: float
    worst: float

    def to_json(self) -> dict[str, Any]:
        """The row as it is printed."""
        return {name: getattr(self, name) for name in ("way", "n", "raw_error", "error", "p95", "worst")}


Way = Callable[[Rng, Sequence[str], int], Added]


def nothing(_rng: Rng, _texts: Sequence[str], _count: int) -> Added:
    """No post is added: what the adjustment does to honest ones."""
    return Added([], [], [])


def one_text(rng: Rng, texts: Sequence[str], count: int) -> Added:
    """One text, word for word, by as many people, over the whole hour."""
    return _spread(rng, [texts[0]] * count)


def edited_text(rng: Rng, texts: Sequence[str], count: int) -> Added:
    """One text of at least eight words with a word of it replaced in every copy."""
    words = next((text for text in texts if len(text.split()) >= LONG), texts[0]).split()
    copies = []
    for number in range(count):
        place = int(rng.integers(len(words)))
        copies.append(" ".join([*words[:place], f"word{number}x", *words[place + 1 :]]))
    return _spread(rng, copies)


def ten_texts(rng: Rng, texts: Sequence[str], count: int) -> Added:
    """Ten texts in turn."""
    return _spread(rng, [texts[number % min(10, len(texts))] for number in range(count)])


def three_accounts(rng: Rng, texts: Sequence[str], count: int) -> Added:
    """Different texts by three accounts."""
    found = _spread(rng, _various(rng, texts, count))
    return Added(found.texts, [f"busy{number % 3}" for number in range(count)], found.times)


def five_seconds(rng: Rng, texts: Sequence[str], count: int) -> Added:
    """Different texts by different people, all in five seconds."""
    found = _spread(rng, _various(rng, texts, count))
    at = int(rng.integers(HOUR - SLOT))
    return Added(found.texts, found.authors, [at + int(ms) for ms in rng.integers(SLOT, size=count)])


WAYS: dict[str, Way] = {
    "nothing added": nothing,
    "one text": one_text,
    "one text of 8 words or more, one changed": edited_text,
    "ten texts": ten_texts,
    "three accounts": three_accounts,
    "within five seconds": five_seconds,
}


def measure(
    texts: Sequence[str],
    p: Floats,
    draws: int = 100,
    part: float = 0.4,
    seed: int = 1,
    done: Callable[[], None] = lambda: None,
    sizes: Sequence[int] = SIZES,
) -> Iterator[Row]:
    """A row per way and size. `texts` with their p_negative (n,); `part` of the posts is added. ValueError if no text is negative."""
    scores = [_score(float(value)) for value in p]
    spread = [text for text, value in zip(texts, p, strict=True) if value >= NEGATIVE and len(text.split()) > 1]
    if not spread or len(texts) < 2:
        raise ValueError("there is no negative text to add")
    known = dict(zip(texts, scores, strict=True))
    rng = np.random.default_rng(seed)
    for name, way in WAYS.items():
        for n in sizes:
            raw, errors = [], []
            for _ in range(draws):
                before, after = _error(rng, texts, scores, spread, known, way, n, part)
                raw.append(before)
                errors.append(after)
                done()
            yield Row(name, n, *(round(100 * float(x), 2) for x in (np.mean(raw), np.mean(errors), np.quantile(errors, 0.95), max(errors))))


def _error(
    rng: Rng, texts: Sequence[str], scores: Sequence[Score], spread: Sequence[str], known: dict[str, Score], way: Way, n: int, part: float
) -> tuple[float, float]:
    """(error of the raw share, error of the adjusted share) of one draw."""
    genuine = rng.integers(len(texts), size=n)
    truth = float(np.mean([scores[i].p_negative for i in genuine]))
    past = [
        _post(f"p{k}", texts[i], scores[i], START - DAY + int(rng.integers(DAY)), _person(rng))
        for k, i in enumerate(rng.integers(len(texts), size=n * BEFORE))
    ]
    hour = [_post(f"g{k}", texts[i], scores[i], START + int(rng.integers(HOUR)), _person(rng)) for k, i in enumerate(genuine)]
    start = int(rng.integers(len(spread)))
    added = way(rng, [*spread[start:], *spread[:start]], round(n * part / (1 - part)))
    strongest = known[spread[start]]
    for k, (text, author, ms) in enumerate(zip(added.texts, added.authors, added.times, strict=True)):
        hour.append(_post(f"a{k}", text, known.get(text, strongest), START + ms, author))
    window, before = Sample.of(hour, negatives=True), Sample.of(past, negatives=True)
    found = adjusted(window, before, Copies.of(window, before), n)
    raw = float(np.mean([item.score.p_negative for item in hour if item.score]))
    return abs(raw - truth), abs(found.share - truth) if found else 1.0


def _spread(rng: Rng, texts: list[str]) -> Added:
    return Added(texts, [_person(rng) for _ in texts], [int(ms) for ms in rng.integers(HOUR, size=len(texts))])


def _various(rng: Rng, texts: Sequence[str], count: int) -> list[str]:
    return [texts[int(i)] for i in rng.permutation(len(texts))[:count]] + [
        texts[int(i)] for i in rng.integers(len(texts), size=max(0, count - len(texts)))
    ]


def _person(rng: Rng) -> str:
    """One of very many; some write more than others."""
    return f"h{int(rng.zipf(1.3)) % 100_000 if rng.random() < 0.2 else int(rng.integers(2**40))}"


def _post(name: str, text: str, score: Score, at: int, author: str | None) -> ScoredPost:
    return ScoredPost(Post("bench", name, at, text, author=author), ("bench",), score, at, at)


def _score(p: float) -> Score:
    emotions, none = (0.0,) * len(EMOTIONS), (0.0,) * len(INTENSITIES)
    return Score(emotions, (), p, 1 - p, 0.0, "negative" if p >= NEGATIVE else "neutral", 0.0, 0.0, 0.0, none, "bench@1")
