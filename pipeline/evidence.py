"""Which posts to show for an incident: typical of what rose, not the most extreme; and their quotes, read from the store when shown."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.drivers import OTHER, Part, Sample
from pipeline.ports import TrendReader
from pipeline.records import Evidence, from_ms
from pipeline.terms import telling

POSTS = 5
SHORT = 4  # telling words; a shorter text is not taken for typical because of one frequent word
ALIKE = 0.4  # of the words of both; two posts that share more show the same thing twice
NEGATIVE = 0.5  # p_negative of a post that stands for a rise of negative posts; weaker ones only if there are too few


def text_hash(text: str) -> str:
    """16 hex digits by which a quote is recognised: a change of one letter changes it."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def choose(window: Sample, parts: Iterable[Part], *, negatives: bool) -> tuple[Evidence, ...]:
    """Up to five posts of the window that stand for the rise, each from another author and another cluster of copies.

    The terms of the rise get places in proportion to their shares. Within a term the post with the most words in common with
    the others comes first, pulled towards the usual strength of its group. Too few: posts of anybody fill the places.
    """
    parts = list(parts)
    strength = [item.score.p_negative if item.score else 0.0 for item in window.posts]
    eligible = [i for i, p in enumerate(strength) if p >= NEGATIVE or not negatives]
    allowed = set(eligible)
    taken = _Taken(window, {i: part.name for part in parts if part.kind == "cluster" and part.name != OTHER for i in part.members})
    chosen: list[int] = []
    for members, places in _places([part for part in parts if part.kind == "term"]):
        ranked = _by_typicality(window, strength, [i for i in members if i in allowed])
        chosen += taken.first(ranked, min(places, POSTS - len(chosen)))
    everybody = list(range(len(strength)))
    for pool, alike in ((eligible, ALIKE), (eligible, 1.0), (everybody, 1.0)):
        if len(chosen) < POSTS:
            chosen += taken.first(_by_typicality(window, strength, pool), POSTS - len(chosen), alike)
    return tuple(Evidence(window.posts[i].id, text_hash(window.posts[i].post.text), strength[i]) for i in chosen)


def quotes(store: TrendReader, evidence: Sequence[Evidence]) -> list[dict[str, Any]]:
    """What to show of each evidence post, from the store as it is now; posts that are gone are left out."""
    found = store.get([item.id for item in evidence])
    return [
        {
            "id": item.id,
            "text": found[item.id].post.text,
            "platform": found[item.id].post.platform,
            "created_at": from_ms(found[item.id].post.created_at),
            "url": found[item.id].post.url,
            "p_negative": item.p_negative,
            "changed": text_hash(found[item.id].post.text) != item.text_hash,
        }
        for item in evidence
        if item.id in found
    ]


class _Taken:
    """Which authors and clusters of copies already have a post."""

    def __init__(self, window: Sample, cluster: Mapping[int, str]) -> None:
        self._window = window
        self._cluster = cluster
        self._seen: set[tuple[str, object]] = set()
        self._chosen: list[int] = []

    def first(self, ranked: Iterable[int], count: int, alike: float = ALIKE) -> list[int]:
        """The first `count` posts whose author, text and cluster are new, none more `alike` to a chosen one than that."""
        out: list[int] = []
        for index in ranked:
            if len(out) >= count:
                break
            marks = set(self._marks(index))
            if not marks & self._seen and self._similar(index) <= alike:
                self._seen |= marks
                self._chosen.append(index)
                out.append(index)
        return out

    def _similar(self, index: int) -> float:
        """The largest share of words (Jaccard) that the post has in common with a chosen one."""
        own = self._window.sets[index]
        return max((len(own & other) / len(own | other) for i in self._chosen if (other := self._window.sets[i])), default=0.0)

    def _marks(self, index: int) -> Iterator[tuple[str, object]]:
        post = self._window.posts[index].post
        yield "post", index
        yield "text", tuple(self._window.words[index]) or post.text
        if post.author is not None:
            yield "author", post.author
        if index in self._cluster:
            yield "cluster", self._cluster[index]


def _places(terms: Sequence[Part]) -> list[tuple[tuple[int, ...], int]]:
    """Members and number of places of each term, by largest remainder; "other" comes last and gets what is left."""
    exact = [part.share * POSTS for part in terms]
    given = [math.floor(value) for value in exact]
    order = sorted(range(len(terms)), key=lambda i: (given[i] - exact[i], i))
    for i in order[: POSTS - sum(given)]:
        given[i] += 1
    named = sorted(range(len(terms)), key=lambda i: (terms[i].name == OTHER, i))
    return [(terms[i].members, given[i]) for i in named if given[i] > 0]


def _by_typicality(window: Sample, strength: Sequence[float], members: Sequence[int]) -> list[int]:
    """Members by the mean frequency of their telling words among the members, less the distance from the mean strength."""
    if not members:
        return []
    texts = {i: [word for word in sorted(window.sets[i]) if telling(word)] for i in members}
    often = Counter(word for found in texts.values() for word in found)
    usual = math.fsum(strength[i] for i in members) / len(members)

    def typical(i: int) -> float:
        shared = math.fsum((often[word] - 1) / len(members) for word in texts[i])
        return shared / max(len(texts[i]), SHORT) - abs(strength[i] - usual)

    return sorted(members, key=lambda i: (-typical(i), window.posts[i].id))
