"""The static engine: a bag of word-piece and pair vectors, two small layers, numpy alone.

Everything before the probabilities is exact: tables and weights are integers in units of powers of two, and no sum can leave the
integers that its float type holds. So the answer to a text is the same to the last bit whatever stands beside it in the batch and
in whatever order the linear algebra adds up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from models.checkpoint import Checkpoint
from models.decode import decode
from models.features import Features, joined
from models.labels import SHIPPED
from models.pieces import Pieces
from pipeline.errors import ModelError
from pipeline.records import Score

# Table entries are 16-bit integers and a text has at most MOST_PIECES positions of three rows each:
# 3 · 128 · 2^15 < 2^24, the largest run of integers that float32 holds.
MOST_PIECES = 128
# Weights are at most 2^15 and hidden units are cut at 2^24: with 512 inputs a sum stays under 2^48, far inside float64's 2^53.
_LARGEST = 2.0**24
# Texts per round: vectors of 512 texts of 20 pieces are 5 MB and stay in the cache.
_ROUND = 512


class Static:
    """A Classifier over a checkpoint of kind "static"."""

    def __init__(self, checkpoint: Checkpoint, batch_size: int | None = None, name: str | None = None) -> None:
        self.name = name or checkpoint.name
        self.languages = checkpoint.languages
        self.calibration = checkpoint.calibration
        self._round = batch_size or _ROUND
        arrays = load_file(checkpoint.folder / "arrays.safetensors")
        pieces = Pieces(checkpoint.folder / "tokenizer.json", MOST_PIECES)
        self._features = Features(pieces, arrays["keys"].astype(np.int64))
        self._bag = Bag(arrays, checkpoint.options["units"], self._features)

    def score(self, texts: Sequence[str]) -> list[Score]:
        """One score per text, in order."""
        out: list[Score] = []
        for start in range(0, len(texts), self._round):
            out += decode(self.raw(texts[start : start + self._round]), self.calibration, self.name)
        return out

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Word pieces per text, at most 128; no speed is told without their mean."""
        return [len(ids) for ids in self._features.pieces.all_ids(texts)]

    def shares(self, text: str) -> tuple[NDArray[np.float64], NDArray[np.float64], list[int]]:
        """Base [34], what each word piece adds to the raw outputs [t, 34] (see `Bag.shares`), and the word (0, 1, …) of each piece.

        The opening and closing mark belong to no word: −1.
        """
        pieces = self._features.pieces
        (ids,) = pieces.all_ids([text])
        base, shares = self._bag.shares(ids)
        return base, shares, pieces.word_of(text, len(ids))

    def raw(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Outputs before calibration, float64 [n, 34]."""
        return self._bag.outputs(self._features.pieces.all_ids(texts))


class Bag:
    """The network: rows of a table summed at each position, mean and maximum over positions, one hidden layer, all heads."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], units: Mapping[str, int], features: Features) -> None:
        """`units`: the table's and the weights' integers are in units of 2^−units. ModelError if a shape doesn't fit."""
        width, hidden = arrays["table"].shape[1], arrays["hidden"].shape[1]
        shapes = {"table": (features.rows, width), "hidden": (2 * width + 1, hidden), "heads": (hidden + 2 * width + 1, SHIPPED)}
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                raise ModelError(f"static checkpoint: shape of {name} is {arrays[name].shape}, expected {shape}")
        self._features = features
        self._table = arrays["table"].astype(np.float32)
        self._hidden = arrays["hidden"].astype(np.float64)
        self._heads = arrays["heads"].astype(np.float64)
        self._one = 2.0 ** units["table"]  # the constant input that carries the biases
        self._weight = 2.0 ** units["weights"]

    def outputs(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Ids of texts → raw outputs [n, 34]."""
        inputs = self.pooled(rows)
        inside = inputs @ self._hidden
        np.rint(inside / self._weight, out=inside)
        np.clip(inside, 0, _LARGEST, out=inside)
        out: NDArray[np.float64] = np.concatenate((inside, inputs), axis=1) @ self._heads
        return out / (self._weight * self._one)

    def pooled(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Ids of texts → integers [n, 2·width + 1]: sum over positions by the root of their number, maximum, and the constant."""
        ids, starts, lengths = joined(rows)
        vectors = self.positions(ids)
        # Longest first: the texts that reach position j are then the first so many, and one addition serves them all.
        order = np.argsort(-lengths, kind="stable")
        starts = starts[order]
        reaching = len(rows) - np.searchsorted(np.sort(lengths), np.arange(int(lengths.max())), side="right")
        total = vectors[starts]
        most = total.copy()
        for j, n in enumerate(reaching.tolist()[1:], start=1):
            here = vectors.take(starts[:n] + j, axis=0)
            total[:n] += here
            np.maximum(most[:n], here, out=most[:n])
        width = total.shape[1]
        out = np.empty((len(rows), 2 * width + 1))
        out[order, :width] = np.rint(total / np.sqrt(lengths[order])[:, None])
        out[order, width:-1] = most
        out[:, -1] = self._one
        return out

    def shares(self, row: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What each position of one text adds to the raw outputs: base [34] and shares [t, 34], whose sum is the outputs of the text.

        Integrated gradients (Sundararajan et al. 2017) from vectors of zero to the text's own. On that straight path the largest
        position stays the largest and every hidden unit switches at most once, so the integral is a closed form and nothing is left
        over but the rounding of inputs to whole numbers. What a pair adds is halved between its two positions.
        """
        ids = np.asarray(row, np.int64)
        whole, halved = self._vectors_of(ids)
        width = whole.shape[1]
        moved = np.zeros_like(halved)
        moved[1:] = halved[:-1]
        each = whole - halved + moved
        largest = np.arange(len(ids))[:, None] == whole.argmax(axis=0)[None]
        most = np.where(largest, whole - halved, 0.0)
        most[1:] += np.where(largest, halved, 0.0)[:-1]
        inputs = np.concatenate([each / np.sqrt(len(ids)), most], axis=1)
        slope, start = inputs.sum(axis=0) @ self._hidden[:-1] / self._weight, self._one * self._hidden[-1] / self._weight
        hidden = len(start)
        through = self._heads[hidden : hidden + 2 * width] + (self._hidden[:-1] / self._weight) @ (
            _active(slope, start)[:, None] * self._heads[:hidden]
        )
        base = np.maximum(start, 0) @ self._heads[:hidden] + self._one * self._heads[-1]
        return base / (self._weight * self._one), inputs @ through / (self._weight * self._one)

    def _vectors_of(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Per position the sum of all its vectors, and half of its pair's."""
        whole = self.positions(ids).astype(np.float64)
        halved = np.zeros_like(whole)
        at, rows = self._features.extras(ids)[0]
        halved[at] = self._table[rows] / 2
        return whole, halved

    def positions(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Per position of joined texts: the vectors of the piece, of its pair and of its negated form, added up."""
        vectors: NDArray[np.float32] = self._table.take(ids, axis=0)
        for at, rows in self._features.extras(ids):
            vectors[at] += self._table[rows]
        return vectors


def _active(slope: NDArray[np.float64], start: NDArray[np.float64]) -> NDArray[np.float64]:
    """For how much of 0..1 is start + slope·t over zero?"""
    turn = np.clip(np.divide(-start, slope, out=np.zeros_like(start), where=slope != 0), 0, 1)
    moving: NDArray[np.float64] = np.where(slope > 0, 1 - turn, turn)
    return np.where(slope == 0, (start > 0).astype(np.float64), moving)
