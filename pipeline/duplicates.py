"""Which texts are copies of each other, word for word or nearly."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

LEAST_WORDS = 5  # "love it" from fifty people is no copying
LONG = 8  # words; from here on words are compared, in any order, before that pairs of neighbours: "I love this" is no copy of "I hate this"
SIMILAR = 0.6  # Jaccard similarity: two copies of eight words may each have a word of their own
MASK = 2**64 - 1
BANDS, ROWS = 12, 3  # a pair of similarity .6 meets in some band with probability .95, of .3 with .28


def clusters(texts: Sequence[Sequence[str]]) -> list[int]:
    """For each text, given as its words, the index of the first text that it copies (its own if none): connected by similarity.

    MinHash with banding: Broder, On the resemblance and containment of documents, 1997; Leskovec, Rajaraman and Ullman,
    Mining of Massive Datasets, 3.4. A candidate is compared with the first text of its band's bucket by true similarity.
    """
    root = list(range(len(texts)))
    buckets: dict[tuple[int, bytes], int] = {}
    exact: dict[frozenset[int], int] = {}
    hashes: dict[str, int] = {}
    shingles = [_shingles(text, hashes) for text in texts]
    for index, found in enumerate(shingles):
        if not found:
            continue
        if (first := exact.setdefault(found, index)) != index:
            _join(root, first, index)
            continue
        for band, key in enumerate(_bands(found)):
            other = buckets.setdefault((band, key), index)
            if other != index and _similarity(shingles[other], found) >= SIMILAR:
                _join(root, other, index)
    return [_find(root, index) for index in range(len(texts))]


def _shingles(text: Sequence[str], hashes: dict[str, int]) -> frozenset[int]:
    """Hashes of the words, of a short text of its pairs of neighbouring words; empty for a text too short to be called a copy."""
    if len(text) < LEAST_WORDS:
        return frozenset()
    numbers = [hashes.get(word) or hashes.setdefault(word, _hash(word)) for word in text]
    if len(text) >= LONG:
        return frozenset(numbers)
    return frozenset((a * 0x9E3779B97F4A7C15 + b) & MASK for a, b in pairwise(numbers))


def _hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _bands(shingles: frozenset[int]) -> list[bytes]:
    values = np.fromiter(shingles, np.uint64, len(shingles))
    factors, offsets = _permutations()
    mixed = (values[None, :] ^ (values[None, :] >> np.uint64(29))) * factors + offsets
    smallest = (mixed ^ (mixed >> np.uint64(32))).min(axis=1)
    return [smallest[i * ROWS : (i + 1) * ROWS].tobytes() for i in range(BANDS)]


@cache
def _permutations() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Odd factors and offsets, one per row of every band; fixed for ever, so a text has the same clusters on every machine."""
    seeds = b"".join(hashlib.blake2b(bytes([i]), digest_size=16).digest() for i in range(BANDS * ROWS))
    drawn = np.frombuffer(seeds, dtype="<u8").astype(np.uint64).reshape(-1, 2)
    return drawn[:, :1] | np.uint64(1), drawn[:, 1:]


def _similarity(a: frozenset[int], b: frozenset[int]) -> float:
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


def _find(root: list[int], index: int) -> int:
    while root[index] != index:
        root[index] = root[root[index]]
        index = root[index]
    return index


def _join(root: list[int], a: int, b: int) -> None:
    first, second = sorted((_find(root, a), _find(root, b)))
    root[second] = first
