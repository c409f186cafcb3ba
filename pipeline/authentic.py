"""The share as independent voices make it, without what copies, bursts and busy authors add; and what the largest group alone moved.

It stands beside the raw share and replaces nothing. A text that comes much more often than on the day before counts as often as it did
then, a busy author as one voice more than then, a second with more posts than chance brings as an ordinary second. How many posts
count less for which of the three is part of the figure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TypeVar

from pipeline.drivers import OTHER, Copies, Part, Sample
from pipeline.duplicates import LEAST_WORDS
from pipeline.records import SCALE, Adjusted, Without
from pipeline.trends import fixed, share_interval

EQUAL = 3  # posts of one text word for word beyond the usual number
COPIED = 0.05  # of the posts: so many near copies of one text are no accident, if they are EQUAL; eight never are
MANY_COPIES = 8
BUSY = 4  # posts of one author beyond the usual number
STRETCHES = (1_000, 10_000)  # ms
CHANCE = 1e-6  # of as many posts in one such stretch as count in full, if they come independently
MANY = 100  # posts in a stretch; from here on the normal distribution is good enough
COARSE = 60_000  # ms: stamps that are all whole minutes say nothing of seconds
GROUPS = ("cluster", "parent", "author")  # kinds of parts that may be somebody's work
DIGITS = 6

K = TypeVar("K", bound=Hashable | None)


def adjusted(window: Sample, before: Sample, copies: Copies, expected_n: float) -> Adjusted | None:
    """The share of negatives with every post weighed by how independent it is; None without a scored post.

    `expected_n`: posts that were expected in the window, by which the numbers of the day before are scaled.
    """
    scale = expected_n / len(before.posts) if before.posts else 0.0
    rules = {
        "copies": _copies(window, before, copies, scale),
        "authors": _authors(window, before, scale),
        "bursts": _bursts(window, before),
    }
    counts = [min(values) for values in zip(*rules.values(), strict=True)]
    less = {name: sum(value < 1 for value in values) for name, values in rules.items()}
    found = _share(window, counts)
    if found is None:
        return None
    share, low, high, n = found
    return Adjusted(share, low, high, n, less["copies"], less["bursts"], less["authors"])


def without(window: Sample, parts: Iterable[Part], expected_high: float) -> Without | None:
    """The share without the group that carries most of the rise: copies of one text, replies to one post, one author; None if none does.

    `normal` says whether what is left lies within what was expected.
    """
    groups = [part for part in parts if part.kind in GROUPS and part.name != OTHER and part.share > 0]
    if not groups:
        return None
    top = min(groups, key=lambda part: (-part.share, GROUPS.index(part.kind), part.name))
    out = set(top.members)
    found = _share(window, [0.0 if index in out else 1.0 for index in range(len(window.posts))])
    share, low, high, n = found or (0.0, 0.0, 1.0, 0.0)
    return Without(top.kind, top.name, len(out), share, low, high, n, share <= expected_high)


def _share(window: Sample, counts: Sequence[float]) -> tuple[float, float, float, float] | None:
    """(share, low, high, n) over scored posts, each counted so often on top of its weight."""
    scored = [(item, count) for item, count in zip(window.posts, counts, strict=True) if item.score and count > 0]
    if not scored:
        return None
    weights = [fixed(item.weight) * count for item, count in scored]
    negatives = [weight * fixed(item.score.p_negative) for (item, _), weight in zip(scored, weights, strict=True) if item.score]
    share = math.fsum(negatives) / (math.fsum(weights) * SCALE)
    low, high = share_interval(share, math.fsum(count for _, count in scored))
    return round(share, DIGITS), round(low, DIGITS), round(high, DIGITS), round(math.fsum(weights) / SCALE, DIGITS)


def _copies(window: Sample, before: Sample, copies: Copies, scale: float) -> list[float]:
    """A text word for word, or a cluster of near copies; a text too short for that may be said by several: "love it"."""
    near = max(EQUAL, min(MANY_COPIES, COPIED * len(window.posts)))
    texts = [tuple(words) or (item.post.text,) for words, item in zip(window.words, window.posts, strict=True)]
    enough = {text: EQUAL if len(text) >= LEAST_WORDS else MANY_COPIES for text in texts}
    equal = _limited(texts, _usual(texts, map(tuple, before.words), scale), enough, voices=0)
    alike = _limited(copies.now, _usual(copies.now, copies.then, scale), dict.fromkeys(copies.now, near), voices=0)
    return [min(pair) for pair in zip(equal, alike, strict=True)]


def _usual(now: Sequence[K], then: Iterable[K], scale: float) -> dict[K, float]:
    count = Counter(then)
    return {key: count[key] * scale for key in now}


def _authors(window: Sample, before: Sample, scale: float) -> list[float]:
    authors = [item.post.author for item in window.posts]
    usual = _usual(authors, (item.post.author for item in before.posts), scale)
    return _limited(authors, usual, dict.fromkeys(authors, BUSY), voices=1)


def _bursts(window: Sample, before: Sample) -> list[float]:
    """Seconds with more posts than independent ones would bring; a source that always comes in such lumps is no burst."""
    stamps = [item.post.created_at for item in window.posts]
    if all(stamp % COARSE == 0 for stamp in stamps):
        return [1.0] * len(stamps)
    found = (_burst(stamps, [item.post.created_at for item in before.posts], length) for length in STRETCHES)
    return [min(values) for values in zip(*found, strict=True)]


def _burst(stamps: Sequence[int], earlier: Sequence[int], length: int) -> list[float]:
    rate = len(stamps) / max(1, (max(stamps) - min(stamps)) // length + 1)
    lumps = max(Counter(stamp // length for stamp in earlier).values(), default=0)
    most = max(lumps, _most_by_chance(rate))
    times = [stamp // length for stamp in stamps]
    return _limited(times, dict.fromkeys(times, rate), dict.fromkeys(times, most + 1 - rate), voices=0)


def _limited(keys: Sequence[K], usual: Mapping[K, float], enough: Mapping[K, float], voices: int) -> list[float]:
    """Per post what it counts: a key with so many posts beyond its usual number counts as usual, and as so many voices more."""
    sizes = Counter(keys)
    whole = {key: size if key is None or size < usual[key] + enough[key] else usual[key] + voices for key, size in sizes.items()}
    return [min(1.0, whole[key] / sizes[key]) for key in keys]


@cache
def _most_by_chance(rate: float) -> int:
    """The number of posts in a stretch that Poisson arrivals exceed with a probability below CHANCE."""
    if rate > MANY:
        return math.ceil(rate + 5 * math.sqrt(rate))
    chances = _poisson(rate)
    left, most = 1.0, -1
    while left > CHANCE:
        left -= next(chances)
        most += 1
    return max(1, most)


def _poisson(rate: float) -> Iterator[float]:
    count, chance = 0, math.exp(-rate)
    while True:
        yield chance
        count += 1
        chance *= rate / count
