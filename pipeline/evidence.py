"""Which posts to show for an incident: typical of what rose, not the most extreme; and their quotes, read from the store when shown."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.drivers import OTHER, Part
from pipeline.duplicates import clusters
from pipeline.ports import TrendReader
from pipeline.records import Evidence, ScoredPost, from_ms
from pipeline.terms import telling, words

POSTS = 5
NEGATIVE = 0.5  # p_negative of a post that stands for a rise of negative posts; weaker ones only if there are too few


def text_hash(text: str) -> str:
    """16 hex digits by which a quote is recognised: a change of one letter changes it."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def choose(window: Sequence[ScoredPost], parts: Iterable[Part], *, negatives: bool = True) -> tuple[Evidence, ...]:
    """Up to five posts of the window that stand for the rise, each from another author and another cluster of copies.

    The terms of the rise get places in proportion to their shares. Within a term the post with the most words in common with
    the others comes first, pulled towards the usual strength of its group. Too few: posts of anybody fill the places.
    """
    strength = [item.score.p_negative if item.score else 0.0 for item in window]
    eligible = {i for i, p in enumerate(strength) if p >= NEGATIVE or not negatives}
    taken = _Taken(window)
    chosen: list[int] = []
    for members, places in _places([part for part in parts if part.kind == "term"]):
        ranked = _by_typicality(window, strength, [i for i in members if i in eligible])
        chosen += taken.first(ranked, min(places, POSTS - len(chosen)))
    for pool in (eligible, range(len(window))):
        if len(chosen) < POSTS:
            chosen += taken.first(_by_typicality(window, strength, list(pool)), POSTS - len(chosen))
    return tuple(Evidence(window[i].id, text_hash(window[i].post.text), strength[i]) for i in chosen)


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


@dataclass
class _Taken:
    """Which authors and clusters of copies already have a post."""

    window: Sequence[ScoredPost]

    def __post_init__(self) -> None:
        self._cluster = clusters([item.post.text for item in self.window])
        self._authors: set[str] = set()
        self._texts: set[str] = set()
        self._clusters: set[int] = set()

    def first(self, ranked: Iterable[int], count: int) -> list[int]:
        """The first `count` posts whose author, text and cluster are new."""
        out: list[int] = []
        for index in ranked:
            if len(out) >= count:
                break
            post = self.window[index].post
            author = post.author or f"post {self.window[index].id}"
            text = " ".join(words(post.text)) or post.text
            if author in self._authors or text in self._texts or self._cluster[index] in self._clusters:
                continue
            self._authors.add(author)
            self._texts.add(text)
            self._clusters.add(self._cluster[index])
            out.append(index)
        return out


def _places(terms: Sequence[Part]) -> list[tuple[tuple[int, ...], int]]:
    """Members and number of places of each term, by largest remainder; "other" comes last and gets what is left."""
    exact = [part.share * POSTS for part in terms]
    given = [math.floor(value) for value in exact]
    order = sorted(range(len(terms)), key=lambda i: (given[i] - exact[i], i))
    for i in order[: POSTS - sum(given)]:
        given[i] += 1
    named = sorted(range(len(terms)), key=lambda i: (terms[i].name == OTHER, i))
    return [(terms[i].members, given[i]) for i in named if given[i] > 0]


def _by_typicality(window: Sequence[ScoredPost], strength: Sequence[float], members: Sequence[int]) -> list[int]:
    """Members by the mean frequency of their telling words among the members, less the distance from the mean strength."""
    if not members:
        return []
    texts = {i: {word for word in words(window[i].post.text) if telling(word)} for i in members}
    often: Counter[str] = Counter()
    for found in texts.values():
        often.update(found)
    usual = math.fsum(strength[i] for i in members) / len(members)

    def typical(i: int) -> float:
        shared = sorted((often[word] - 1) / len(members) for word in texts[i])
        return (math.fsum(shared) / max(len(shared), 4) if shared else 0.0) - abs(strength[i] - usual)

    return sorted(members, key=lambda i: (-typical(i), window[i].id))
