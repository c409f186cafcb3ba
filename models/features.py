"""What the bag of vectors looks at: every word piece, frequent pairs of neighbours, and words in the reach of a negation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.pieces import Pieces

Ints = NDArray[np.int64]
Found = tuple[Ints, Ints]

_NEGATIONS: Final = ("not", "no", "never", "cannot", "without", "nothing", "nobody", "neither", "nor", "hardly", "barely", "t", "##nt")
# "Not a very good" still negates "good": three pieces after the negation.
_REACH: Final = 3


class Features:
    """Ids of a batch → rows of a table: [0, vocabulary) are pieces, then one row per pair key, and a last row of zeros (padding)."""

    def __init__(self, pieces: Pieces, keys: Ints) -> None:
        """`keys`: sorted pair keys, see `pair_keys`."""
        self.pieces, self.keys = pieces, keys
        self.vocabulary = pieces.size
        self.rows = pieces.size + len(keys) + 1
        self.empty = self.rows - 1
        self._negates = np.zeros(pieces.size, bool)
        self._negates[[i for i in map(pieces.id_of, _NEGATIONS) if i is not None]] = True

    def pair_keys(self, ids: Ints) -> tuple[Found, Found]:
        """(positions, keys) of joined texts: pairs (this piece, next piece), and negated pieces. The ends of texts have none."""
        pairs = np.flatnonzero(ids[:-1] != self.pieces.closing)
        opening = ids == self.pieces.opening
        near = np.zeros(len(ids), bool)
        reach = self._negates[ids]
        for _ in range(_REACH):
            reach = np.concatenate(([False], reach[:-1])) & ~opening
            near |= reach
        negated = np.flatnonzero(near & (ids != self.pieces.closing))
        size = self.vocabulary
        return (pairs, ids[pairs] * size + ids[pairs + 1]), (negated, size * size + ids[negated])

    def extras(self, ids: Ints) -> list[Found]:
        """(positions, rows) of the pairs and of the negated pieces that are in the table; a position occurs once in each."""
        return [self._known(at, keys) for at, keys in self.pair_keys(ids)]

    def _known(self, at: Ints, keys: Ints) -> Found:
        if not len(self.keys):
            return at[:0], keys[:0]
        rows = np.searchsorted(self.keys, keys)
        rows[rows == len(self.keys)] = 0
        known = np.flatnonzero(self.keys[rows] == keys)
        return at[known], self.vocabulary + rows[known]


def joined(rows: Sequence[Sequence[int]]) -> tuple[Ints, Ints, Ints]:
    """Lists of ids → all ids in one array, where each list begins, how long each is."""
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    ids = np.fromiter(chain.from_iterable(rows), np.int64, int(lengths.sum()))
    return ids, np.cumsum(lengths) - lengths, lengths


def frequent_pairs(features: Features, texts: Sequence[Sequence[int]], at_least: int, most: int) -> Ints:
    """The sorted keys of pairs and negated pieces that occur in at least so many places, the commonest first if there are too many."""
    ids, _, _ = joined(texts)
    (_, pairs), (_, negated) = features.pair_keys(ids)
    keys, counts = np.unique(np.concatenate((pairs, negated)), return_counts=True)
    keys, counts = keys[counts >= at_least], counts[counts >= at_least]
    return np.sort(keys[np.argsort(-counts, kind="stable")[:most]])
