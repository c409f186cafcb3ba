"""Train the static bag of vectors: on the labels alone, or on 0.7 of a transformer's answers and 0.3 of the labels."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from models import calibrate, checkpoint, dataset
from models.card import static_card
from models.cascade import doubt
from models.decode import decode
from models.features import Features, frequent_pairs, joined
from models.labels import SHIPPED, WIDTH
from models.pieces import Pieces
from models.static import MOST_PIECES, Bag
from models.teacher import taught
from models.train import loss_of, rarity

log = logging.getLogger(__name__)

_TABLE_UNITS, _WEIGHT_UNITS = 10, 12
_FORWARDED = 0.25  # share of dev texts that a cascade would pass on to the transformer


@dataclass(frozen=True, slots=True)
class StaticRecipe:
    """How to train. At each step half of the pairs and a fifth of the pieces are dropped, else the pairs are learnt by heart."""

    width: int = 64
    hidden: int = 128
    pairs: int = 40_000
    pairs_at_least: int = 3
    epochs: int = 16
    batch: int = 128
    lr: float = 4e-3
    drop_pieces: float = 0.2
    drop_pairs: float = 0.5
    teacher_share: float = 0.7
    measures: float = 0.3  # weight of valence, arousal and intensity: at 2 they cost 3 points of macro-F1, at 1 one
    seed: int = 1


class BagNetwork(nn.Module):  # type: ignore[misc]
    """`models.static.Bag` in floating point, to be trained: rows [n, t, 3] and lengths [n] → raw outputs [n, WIDTH]."""

    def __init__(self, start: Tensor, rows: int, recipe: StaticRecipe) -> None:
        super().__init__()
        self.empty = rows - 1
        self.recipe = recipe
        self.table = nn.Embedding(rows, recipe.width, sparse=True, padding_idx=self.empty)
        with torch.no_grad():
            self.table.weight.zero_()
            self.table.weight[: len(start)] = start
        self.hidden = nn.Linear(2 * recipe.width, recipe.hidden)
        self.heads = nn.Linear(recipe.hidden + 2 * recipe.width, WIDTH)
        self.dropout = nn.Dropout(0.2)

    def forward(self, rows: Tensor, lengths: Tensor) -> Tensor:
        """Sum over positions by the root of their number beside the maximum, a hidden layer, and all heads over both."""
        padding = torch.arange(rows.shape[1]) >= lengths[:, None]
        if self.training:
            kept = torch.rand(rows.shape) >= torch.tensor([self.recipe.drop_pieces, self.recipe.drop_pairs, self.recipe.drop_pairs])
            rows = torch.where(kept, rows, self.empty)
        vectors = self.table(rows).sum(2)
        mean = vectors.sum(1) / lengths.sqrt()[:, None]
        most = vectors.masked_fill(padding[:, :, None], -torch.inf).amax(1)
        inputs = torch.cat([mean, most], 1)
        out: Tensor = self.heads(torch.cat([self.dropout(torch.relu(self.hidden(inputs))), inputs], 1))
        return out


def train_static(data: Path, base: Path, into: Path, recipe: StaticRecipe, teacher: Path | None = None) -> checkpoint.Checkpoint:
    """Train, calibrate on GoEmotions dev, and write a checkpoint of kind "static" into a folder.

    `base`: the folder of a Hugging Face encoder whose word-piece vectors start the table; `teacher`: a checkpoint of kind "onnx".
    """
    torch.manual_seed(recipe.seed)
    examples = dataset.epoch(dataset.training_sets(data), recipe.seed)
    pieces = Pieces(base / "tokenizer.json", MOST_PIECES)
    ids = pieces.all_ids(examples.texts)
    features = Features(pieces, np.zeros(0, np.int64))
    features = Features(pieces, frequent_pairs(features, ids, recipe.pairs_at_least, recipe.pairs))
    targets = examples.targets if teacher is None else taught(examples, teacher, recipe.teacher_share)
    log.info("%d texts, %d pairs", len(ids), len(features.keys))
    network = BagNetwork(word_vectors(base, recipe.width), features.rows, recipe)
    emphasis = rarity(examples.targets[~np.isnan(examples.targets[:, 0])])
    _fit(network, _position_rows(features, ids), torch.from_numpy(targets), recipe, emphasis)
    return _write(network.eval(), features, base, into, dataset.goemotions(data / "goemotions", "dev"), teacher)


def word_vectors(base: Path, width: int) -> Tensor:
    """An encoder's word-piece vectors on their first principal axes, scaled to a standard deviation of 0.3."""
    arrays = load_file(base / "model.safetensors")
    vectors = next(value for name, value in arrays.items() if name.endswith("embeddings.word_embeddings.weight")).float()
    vectors = vectors - vectors.mean(0)
    _, axes = torch.linalg.eigh(vectors.T @ vectors)
    reduced = vectors @ axes[:, -width:].flip(1)
    return reduced / reduced.std() * 0.3


def _position_rows(features: Features, ids: list[list[int]]) -> list[NDArray[np.int64]]:
    """Per text: the rows of its pieces, pairs and negated pieces, [t, 3]."""
    flat, starts, _ = joined(ids)
    rows = np.full((len(flat), 3), features.empty)
    rows[:, 0] = flat
    for column, (at, found) in enumerate(features.extras(flat), start=1):
        rows[at, column] = found
    return np.split(rows, starts[1:])


def _fit(network: BagNetwork, rows: list[NDArray[np.int64]], targets: Tensor, recipe: StaticRecipe, emphasis: Tensor) -> None:
    """Adam on the touched rows of the table and on the layers; the learning rate falls to 0 in a straight line."""
    dense = [p for name, p in network.named_parameters() if not name.startswith("table")]
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.SparseAdam(list(network.table.parameters()), lr=recipe.lr),
        torch.optim.AdamW(dense, lr=recipe.lr / 2),
    ]
    peaks = (recipe.lr, recipe.lr / 2)
    steps = recipe.epochs * -(-len(rows) // recipe.batch)
    step, losses = 0, 0.0
    for number in range(recipe.epochs):
        for index in _batches([len(r) for r in rows], recipe.batch, recipe.seed * 1000 + number):
            for optimiser, peak in zip(optimisers, peaks, strict=True):
                optimiser.param_groups[0]["lr"] = peak * (1 - step / steps)
                optimiser.zero_grad()
            loss = loss_of(network(*_padded([rows[i] for i in index], network.empty)), targets[index], emphasis, recipe.measures)
            loss.backward()
            for optimiser in optimisers:
                optimiser.step()
            step, losses = step + 1, losses + float(loss.detach())
        log.info("epoch %d, mean loss %.4f", number + 1, losses * recipe.epochs / steps)
        losses = 0.0


def _batches(lengths: list[int], size: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Positions in batches of like length, in a random order."""
    draw = np.random.default_rng(seed)
    noisy = np.asarray(lengths) + draw.uniform(0, 4, len(lengths))
    order = np.argsort(noisy)
    batches = [order[i : i + size] for i in range(0, len(order), size)]
    return (batches[k] for k in draw.permutation(len(batches)))


def _padded(rows: list[NDArray[np.int64]], empty: int) -> tuple[Tensor, Tensor]:
    out = np.full((len(rows), max(map(len, rows)), 3), empty)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return torch.from_numpy(out), torch.tensor([float(len(row)) for row in rows])


def whole_numbers(network: BagNetwork) -> dict[str, NDArray[np.int16]]:
    """The trained network's arrays in the units of the engine; biases become the last row of inputs."""
    hidden = torch.cat([network.hidden.weight.T, network.hidden.bias[None]])
    heads = torch.cat([network.heads.weight.T, network.heads.bias[None]])[:, :SHIPPED]
    return {
        "table": _int16(network.table.weight, _TABLE_UNITS),
        "hidden": _int16(hidden, _WEIGHT_UNITS),
        "heads": _int16(heads, _WEIGHT_UNITS),
    }


def _int16(x: Tensor, units: int) -> NDArray[np.int16]:
    whole: NDArray[np.int16] = torch.clamp(torch.round(x.detach() * 2.0**units), -(2**15), 2**15 - 1).to(torch.int16).numpy()
    return np.ascontiguousarray(whole)


def _write(
    network: BagNetwork, features: Features, base: Path, into: Path, dev: dataset.Examples, teacher: Path | None
) -> checkpoint.Checkpoint:
    into.mkdir(parents=True, exist_ok=True)
    units = {"table": _TABLE_UNITS, "weights": _WEIGHT_UNITS}
    arrays = whole_numbers(network) | {"keys": features.keys.astype(np.int32)}
    raw = Bag(arrays, units, features).outputs(features.pieces.all_ids(dev.texts))
    calibration = calibrate.fit(raw, dev.targets[:, :28].astype(np.float64), dev.targets[:, 28:31].astype(np.float64))
    save_file(arrays, into / "arrays.safetensors")
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(into / "tokenizer.json"), pretty=False)
    share = network.recipe.teacher_share if teacher is not None else 0.0
    (into / "card.md").write_text(static_card(network.recipe.width, len(features.keys), share), encoding="utf-8")
    doubts = [doubt(score) for score in decode(raw, calibration, "static")]
    options = {"units": units, "doubt": float(np.quantile(doubts, 1 - _FORWARDED))}
    return checkpoint.save(into, "static", calibration, options, ("arrays.safetensors", "tokenizer.json", "card.md"))
