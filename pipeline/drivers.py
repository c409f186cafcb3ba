"""Why the negative posts of a topic rose: the rise taken apart by term, platform, language, author, parent post and copies.

Each kind is a partition of the window's posts, so its shares add up to 1. What a group would have brought anyway is taken from
the time before, scaled to the number of negatives that was expected; what it brought beyond that is its part of the rise.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from pipeline.duplicates import clusters
from pipeline.records import SCALE, Driver, ScoredPost
from pipeline.terms import telling, words
from pipeline.trends import fixed

OTHER = "other"
TOP = 5  # parts named per kind
LEAST_SHARE = 0.05  # of the rise; smaller parts go to "other"
LEAST_POSTS = 2  # a single post is nobody's cluster, parent or term
LIFT = 1.5  # a term must be this many times as frequent as before
PHRASE = 0.6  # a neighbour found in this share of a term's posts becomes part of its name
COMMON = 0.2  # of the posts before: such a word says nothing as a neighbour


@dataclass(frozen=True)
class Sample:
    """Posts of a stretch with what is computed of them once: their words, and what they weigh."""

    posts: tuple[ScoredPost, ...]
    weights: tuple[float, ...]
    words: tuple[list[str], ...]
    sets: tuple[frozenset[str], ...]

    @classmethod
    def of(cls, posts: Sequence[ScoredPost], *, negatives: bool) -> Sample:
        """A post weighs its negatives (weight · p_negative, 0 without a score), or its weight alone."""
        found = tuple(words(item.post.text) for item in posts)
        sets = tuple(map(frozenset, found))
        return cls(tuple(posts), tuple(_weight(item, negatives) for item in posts), found, sets)


@dataclass(frozen=True, slots=True)
class Copies:
    """Which posts of a window are copies of one text, and how many of the time before are copies of the same."""

    now: tuple[int | None, ...]  # per post of the window the position of the first one of its cluster; None if it is alone there
    then: tuple[int | None, ...]  # per post before: the cluster of the window that it belongs to, if any

    @classmethod
    def of(cls, window: Sample, before: Sample) -> Copies:
        """By words, near copies too (pipeline/duplicates.py)."""
        first = clusters([*window.words, *before.words])
        size = len(window.posts)
        count = Counter(first[:size])
        known = [index if count[index] > 1 else None for index in first]
        return cls(tuple(known[:size]), tuple(known[size:]))

    def names(self, window: Sample) -> tuple[list[str | None], list[str | None]]:
        """The same by the id of the cluster's first post."""
        return [_name(window, index) for index in self.now], [_name(window, index) for index in self.then]


def _name(window: Sample, index: int | None) -> str | None:
    return None if index is None else window.posts[index].id


@dataclass(frozen=True, slots=True)
class Part:
    """One group of the window's posts and what it adds to the rise."""

    kind: str
    name: str
    share: float  # of the rise, a multiple of 1/SCALE
    usual: float  # its share of what was expected
    members: tuple[int, ...]  # positions in the window


@dataclass(frozen=True, slots=True)
class Group:
    """Posts with one key: those in the window, what they weigh, and what they would have weighed anyway."""

    name: str
    members: tuple[int, ...]
    weight: float
    expected: float

    @property
    def gain(self) -> float:
        """What it brought beyond the expected; never below 0."""
        return max(0.0, self.weight - self.expected)


def decompose(window: Sample, before: Sample, expected: float, copies: Copies | None = None) -> list[Part]:
    """Every kind's parts of the rise, the largest first and "other" last.

    `expected`: what the window would have weighed anyway; `copies`: of the two samples, if they are known already. A group's part is
    its gain over the sum of all gains of its kind, so groups that fell count as 0 and the shares of a kind add up to 1.
    """
    total = math.fsum(before.weights)
    scale = expected / total if total > 0 else 0.0
    keys: dict[str, tuple[Sequence[str | None], Sequence[str | None]]] = {
        "platform": ([item.post.platform for item in window.posts], [item.post.platform for item in before.posts]),
        "language": ([item.post.lang for item in window.posts], [item.post.lang for item in before.posts]),
        "author": ([item.post.author for item in window.posts], [item.post.author for item in before.posts]),
        "parent": ([_parent(item) for item in window.posts], [_parent(item) for item in before.posts]),
        "cluster": (copies or Copies.of(window, before)).names(window),
    }
    groups = {"term": _Terms(window, before, scale).groups()}
    groups |= {kind: _groups(now, then, window, before, scale) for kind, (now, then) in keys.items()}
    return [part for kind, found in groups.items() for part in _parts(kind, found, expected)]


def drivers(parts: Iterable[Part]) -> tuple[Driver, ...]:
    """The parts as an incident keeps them."""
    return tuple(Driver(part.kind, part.name, part.share, len(part.members)) for part in parts)


def _weight(item: ScoredPost, negatives: bool) -> float:
    if not negatives:
        return item.weight
    return fixed(item.weight) * fixed(item.score.p_negative) / (SCALE * SCALE) if item.score else 0.0


def _parent(item: ScoredPost) -> str | None:
    """The id of the post that a thread began with, as the stores know it."""
    root = item.post.root_id or item.post.parent_id
    return None if root is None else f"{item.post.platform}:{root}"


def _groups(now: Sequence[str | None], then: Sequence[str | None], window: Sample, before: Sample, scale: float) -> list[Group]:
    members: dict[str | None, list[int]] = {}
    for index, key in enumerate(now):
        members.setdefault(key, []).append(index)
    usual: dict[str | None, float] = {}
    for key, weight in zip(then, before.weights, strict=True):
        usual[key] = usual.get(key, 0.0) + weight
    return [
        Group(OTHER if key is None else key, tuple(found), math.fsum(window.weights[i] for i in found), usual.get(key, 0.0) * scale)
        for key, found in members.items()
    ]


def _parts(kind: str, groups: Sequence[Group], expected: float) -> list[Part]:
    """The named groups by their gain, in whole units of 1/SCALE, and the rest."""
    whole = math.fsum(group.gain for group in groups)
    named = [g for g in groups if g.name != OTHER and whole > 0 and g.gain >= LEAST_SHARE * whole and len(g.members) >= LEAST_POSTS]
    named = sorted(named, key=lambda group: (-group.gain, group.name))[:TOP]
    units = [min(SCALE, int(group.gain / whole * SCALE)) for group in named]
    if named and not any(group.gain for group in groups if group not in named):
        units[0] += SCALE - sum(units)
    parts = [Part(kind, g.name, n / SCALE, _ratio(g.expected, expected), g.members) for g, n in zip(named, units, strict=True)]
    taken = {index for part in parts for index in part.members}
    rest = tuple(sorted(index for group in groups for index in group.members if index not in taken))
    if rest or sum(units) < SCALE:
        parts.append(Part(kind, OTHER, (SCALE - sum(units)) / SCALE, 0.0, rest))
    return parts


def _ratio(part: float, whole: float) -> float:
    return min(1.0, part / whole) if whole > 0 else 0.0


@dataclass
class _Side:
    """The posts of a sample that no term has taken yet, with the number of them that has each word."""

    sample: Sample
    free: set[int] = field(default_factory=set)
    count: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.free = set(range(len(self.sample.posts)))
        for found in self.sample.sets:
            self.count.update(found)

    def often(self, term: str) -> float:
        """Share of all posts that are free and have the term."""
        return self.count[term] / len(self.sample.posts) if self.sample.posts else 0.0

    def take(self, term: str) -> tuple[tuple[int, ...], float]:
        """Take the free posts with the term: which they are, and what they weigh."""
        found = tuple(sorted(i for i in self.free if term in self.sample.sets[i]))
        self.free -= set(found)
        for index in found:
            self.count.subtract(self.sample.sets[index])
        return found, math.fsum(self.sample.weights[i] for i in found)


class _Terms:
    """Posts by the term that tells most of them from the time before; each post counts for one term only.

    Terms are taken greedily by x·ln(x/e) − (x − e), the term's part of the log-likelihood ratio of Dunning, Accurate methods for
    the statistics of surprise and coincidence, Computational Linguistics 19 (1993), with x its negatives in the window and e
    those expected, among posts not yet named.
    """

    def __init__(self, window: Sample, before: Sample, scale: float) -> None:
        self._now, self._then, self._scale = _Side(window), _Side(before), scale
        self._common = {word for word, count in self._then.count.items() if count > COMMON * len(before.posts)}

    def groups(self) -> list[Group]:
        """At most five terms, and the rest."""
        found: list[Group] = []
        while len(found) < TOP and (term := self._best()) is not None:
            members, weight = self._now.take(term)
            _, usual = self._then.take(term)
            found.append(Group(self._name(term, members), members, weight, usual * self._scale))
        rest = tuple(sorted(self._now.free))
        weight = math.fsum(self._now.sample.weights[i] for i in rest)
        usual = math.fsum(self._then.sample.weights[i] for i in self._then.free)
        return [*found, Group(OTHER, rest, weight, usual * self._scale)]

    def _best(self) -> str | None:
        best: tuple[float, str] | None = None
        for term, x, e in self._candidates():
            surprise = x * math.log(x / e) - (x - e) if x > e else 0.0
            if surprise > 0 and (best is None or (-surprise, term) < (-best[0], best[1])):
                best = (surprise, term)
        return best[1] if best else None

    def _candidates(self) -> list[tuple[str, float, float]]:
        """(term, its weight, its expected weight); a term never seen before is expected with 1/20 of a negative post."""
        now, then = self._now, self._then
        terms = {t for t, count in now.count.items() if count >= LEAST_POSTS and telling(t) and now.often(t) >= LIFT * then.often(t)}
        weights, usual = _sums(now, terms), _sums(then, terms)
        return [(term, weights[term], max(usual[term] * self._scale, 0.05)) for term in terms]

    def _name(self, term: str, members: Sequence[int]) -> str:
        """The term with the neighbour that most of its posts share: "dead" → "battery dead"."""
        pairs: Counter[str] = Counter()
        for index in members:
            near = {(a, b) for a, b in pairwise(self._now.sample.words[index]) if term in (a, b) and a != b}
            pairs.update(f"{a} {b}" for a, b in near if all(telling(word) and word not in self._common for word in (a, b)))
        if not pairs:
            return term
        pair, count = min(pairs.items(), key=lambda item: (-item[1], item[0]))
        return pair if count >= PHRASE * len(members) else term


def _sums(side: _Side, terms: set[str]) -> dict[str, float]:
    """Per term what its free posts weigh; posts in order, so the sums are the same every time."""
    out = dict.fromkeys(terms, 0.0)
    for index in sorted(side.free):
        weight = side.sample.weights[index]
        for word in side.sample.sets[index] & terms:
            out[word] += weight
    return out
