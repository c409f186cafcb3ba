"""Why the negative posts of a topic rose: the rise taken apart by term, platform, language, author, parent post and copies.

Each kind is a partition of the window's posts, so its shares add up to 1. What a group would have brought anyway is taken from
the time before, scaled to the number of negatives that was expected; what it brought beyond that is its part of the rise.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.duplicates import clusters
from pipeline.records import SCALE, Driver, ScoredPost
from pipeline.terms import telling, words
from pipeline.trends import fixed

KINDS = ("term", "platform", "language", "author", "parent", "cluster")
OTHER = "other"
TOP = 5  # parts named per kind
LEAST_SHARE = 0.05  # of the rise; smaller parts go to "other"
LEAST_POSTS = 2  # a single post is nobody's cluster, parent or term
LIFT = 1.5  # a term must be this many times as frequent as before
PHRASE = 0.6  # a neighbour found in this share of a term's posts becomes part of its name

Words = tuple[list[list[str]], list[list[str]]]


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


def decompose(window: Sequence[ScoredPost], before: Sequence[ScoredPost], expected: float, *, negatives: bool = True) -> list[Part]:
    """Every kind's parts of the rise, the largest first and "other" last.

    `expected`: the negatives (posts, if not `negatives`) that the window would have had. A group's part is its gain over the
    sum of all gains of its kind, so groups that fell count as 0 and the shares of a kind add up to 1.
    """
    now, then = _weights(window, negatives), _weights(before, negatives)
    parts: list[Part] = []
    for kind in KINDS:
        if kind == "term":
            groups = _terms((_words(window), _words(before)), now, then, expected)
        else:
            keys, old_keys = _keys(kind, window), _keys(kind, before)
            groups = _groups(keys, old_keys, now, then, expected)
        parts += _parts(kind, groups, expected)
    return parts


def drivers(parts: Iterable[Part]) -> tuple[Driver, ...]:
    """The parts as an incident keeps them."""
    return tuple(Driver(part.kind, part.name, part.share, len(part.members)) for part in parts)


def _weights(posts: Sequence[ScoredPost], negatives: bool) -> list[float]:
    """Each post's negatives: weight · p_negative, 0 without a score; or its weight alone."""
    if not negatives:
        return [item.weight for item in posts]
    return [fixed(item.weight) * fixed(item.score.p_negative) / (SCALE * SCALE) if item.score else 0.0 for item in posts]


def _keys(kind: str, posts: Sequence[ScoredPost]) -> list[str | None]:
    if kind == "platform":
        return [item.post.platform for item in posts]
    if kind == "language":
        return [item.post.lang for item in posts]
    if kind == "author":
        return [item.post.author for item in posts]
    if kind == "parent":
        return [item.post.root_id or item.post.parent_id for item in posts]
    first = clusters([item.post.text for item in posts])
    size = Counter(first)
    return [posts[index].id if size[index] > 1 else None for index in first]


def _groups(
    keys: Sequence[str | None], old_keys: Sequence[str | None], now: Sequence[float], then: Sequence[float], expected: float
) -> list[Group]:
    members: dict[str | None, list[int]] = {}
    for index, key in enumerate(keys):
        members.setdefault(key, []).append(index)
    usual: dict[Hashable, float] = {}
    for key, weight in zip(old_keys, then, strict=True):
        usual[key] = usual.get(key, 0.0) + weight
    scale = _scale(then, expected)
    return [
        Group(OTHER if key is None else key, tuple(found), math.fsum(now[i] for i in found), usual.get(key, 0.0) * scale)
        for key, found in members.items()
    ]


def _scale(then: Sequence[float], expected: float) -> float:
    total = math.fsum(then)
    return expected / total if total > 0 else 0.0


def _parts(kind: str, groups: Sequence[Group], expected: float) -> list[Part]:
    whole = math.fsum(group.gain for group in groups)
    named = [g for g in groups if g.name != OTHER and whole > 0 and g.gain >= LEAST_SHARE * whole and len(g.members) >= LEAST_POSTS]
    named.sort(key=lambda group: (-group.gain, group.name))
    parts = [
        Part(
            kind, group.name, fixed(group.gain / whole) / SCALE, min(1.0, group.expected / expected) if expected > 0 else 0.0, group.members
        )
        for group in named[:TOP]
    ]
    taken = {index for part in parts for index in part.members}
    rest = tuple(sorted(index for group in groups for index in group.members if index not in taken))
    left = SCALE - sum(fixed(part.share) for part in parts)
    if left > 0 or not parts:
        parts.append(Part(kind, OTHER, left / SCALE, 0.0, rest))
    return parts


def _ratio(part: float, whole: float) -> float:
    return min(1.0, part / whole) if whole > 0 else 0.0


def _words(posts: Sequence[ScoredPost]) -> list[list[str]]:
    return [words(item.post.text) for item in posts]


def _terms(texts: Words, now: Sequence[float], then: Sequence[float], expected: float) -> list[Group]:
    """Posts by the term that tells most of them from the time before; each post counts for one term only.

    Terms are taken greedily by x·ln(x/e) − (x − e), the term's part of the log-likelihood ratio of Dunning, Accurate methods for
    the statistics of surprise and coincidence, Computational Linguistics 19 (1993), with x its negatives in the window and e
    those expected, among posts not yet named.
    """
    sequences, old_sequences = texts
    sets, old_sets = [set(s) for s in sequences], [set(s) for s in old_sequences]
    free, old_free = set(range(len(sets))), set(range(len(old_sets)))
    scale = _scale(then, expected)
    groups: list[Group] = []
    while len(groups) < TOP and free:
        found = _best_term(sets, old_sets, free, old_free, now, then, scale)
        if found is None:
            break
        members = tuple(sorted(index for index in free if found in sets[index]))
        old_members = [index for index in sorted(old_free) if found in old_sets[index]]
        usual = math.fsum(then[index] for index in old_members) * scale
        name = _phrase(found, [sequences[index] for index in members])
        groups.append(Group(name, members, math.fsum(now[index] for index in members), usual))
        free -= set(members)
        old_free -= set(old_members)
    rest = tuple(sorted(free))
    usual = math.fsum(then[index] for index in sorted(old_free)) * scale
    return [*groups, Group(OTHER, rest, math.fsum(now[index] for index in rest), usual)]


def _best_term(
    sets: Sequence[set[str]],
    old_sets: Sequence[set[str]],
    free: set[int],
    old_free: set[int],
    now: Sequence[float],
    then: Sequence[float],
    scale: float,
) -> str | None:
    weight, count = _tally(sets, free, now)
    usual, old_count = _tally(old_sets, old_free, then)
    best: tuple[float, str] | None = None
    for term, x in sorted(weight.items()):
        often = count[term] / len(sets)
        often_before = old_count[term] / len(old_sets) if old_sets else 0.0
        if count[term] < LEAST_POSTS or often < LIFT * often_before or not telling(term):
            continue
        e = max(usual[term] * scale, 0.05)  # a term never seen before counts as 1/20 of a negative post
        surprise = x * math.log(x / e) - (x - e) if x > e else 0.0
        if surprise > 0 and (best is None or surprise > best[0]):
            best = (surprise, term)
    return best[1] if best else None


def _tally(sets: Sequence[set[str]], chosen: Iterable[int], weights: Sequence[float]) -> tuple[Counter[str], Counter[str]]:
    """Per word: the sum of the weights of its posts in 1/SCALE², and how many they are."""
    weight: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for index in sorted(chosen):
        count.update(sets[index])
        for word in sets[index]:
            weight[word] += weights[index]  # type: ignore[assignment]
    return weight, count


def _phrase(term: str, sequences: Sequence[Sequence[str]]) -> str:
    """The term with the neighbour that most of its posts share: "dead" → "battery dead"."""
    after: Counter[str] = Counter()
    for sequence in sequences:
        pairs = {f"{a} {b}" for a, b in pairwise(sequence) if term in (a, b) and telling(a) and telling(b)}
        after.update(pairs)
    if not after:
        return term
    pair, count = min(after.items(), key=lambda item: (-item[1], item[0]))
    return pair if count >= PHRASE * len(sequences) else term
