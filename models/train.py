"""Train the transformer: all heads at once, resumable, seeded; on a GPU where there is one, else on the CPU."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from models import calibrate, dataset
from models.card import transformer_card
from models.checkpoint import Checkpoint
from models.checkpoint import save as save_checkpoint
from models.labels import AROUSAL, EMOTION_COLUMNS, INTENSITY, PLUTCHIK_COLUMNS, SENTIMENT_COLUMNS, VALENCE
from models.network import Network, pretrained, trained
from models.teacher import with_emotions_taught
from models.wording import prepare
from pipeline.errors import ModelError

log = logging.getLogger(__name__)

# How often a rare emotion's texts count more: √(median number of texts / its own), 5 times at most (grief 3.9, relief 2.8).
_MOST_EMPHASIS = 5.0
# Standard deviations of the regression targets: dividing by them makes "no better than the mean" a loss of 1 for each.
_SPREAD = {VALENCE: 0.38, AROUSAL: 0.18, INTENSITY: 0.21}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train. One learning rate of 1e-4 for all didn't learn in an epoch; frozen embeddings make steps several times faster."""

    epochs: int = 3
    batch: int = 64
    lr: float = 3e-4
    head_lr: float = 2e-3
    warmup: float = 0.06
    max_tokens: int = 64
    average: float = 0.998  # decay of the running average of the weights, which is what is kept
    seed: int = 1
    saves_per_epoch: int = 4
    measures: float = 2.0  # weight of valence, arousal and intensity, which a fifth of the texts know
    teacher_share: float = 0.35  # of GoEmotions' labels, where there is a teacher: softens the noise of single raters
    emobank_times: int = 1  # an epoch sees EmoBank: 8,062 texts alone teach valence and arousal
    bf16: bool = False  # matrices in bfloat16: 1.4 times as fast on a CPU with AVX-512 BF16


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded token ids and mask [n, t], targets [n, WIDTH]."""

    ids: Tensor
    mask: Tensor
    targets: Tensor


def train_transformer(
    data: Path,
    base: Path,
    into: Path,
    recipe: Recipe,
    teacher: Path | None = None,
    start: Path | None = None,
    after_step: Callable[[int], None] | None = None,
) -> Path:
    """Train and save after every part of an epoch into `into`; a folder with a saved state of the same recipe goes on from it.

    `teacher`: an earlier checkpoint whose answers soften GoEmotions' labels; `start`: a trained folder to go on from instead of the
    base encoder, with a rate of its own. `after_step` is told how many steps are done, after each.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.enable_truncation(recipe.max_tokens)
    tokenizer.no_padding()
    into.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(into / "tokenizer.json"))
    sets = dataset.training_sets(data, recipe.emobank_times)
    emphasis = rarity(sets[0][0].targets).to(device)
    if teacher is not None:
        sets[0] = (with_emotions_taught(sets[0][0], teacher, recipe.teacher_share), sets[0][1])
    per_epoch = -(-sum(min(len(part.texts), most) for part, most in sets) // recipe.batch)
    torch.manual_seed(recipe.seed)
    run = _Run((trained(start) if start else pretrained(base)).to(device), recipe, per_epoch * recipe.epochs, into, emphasis)
    run.resume()
    log.info("steps per epoch %d, starting at step %d, on %s", per_epoch, run.step, device)
    while run.step < run.steps:
        number, skip = divmod(run.step, per_epoch)
        examples = dataset.epoch(sets, recipe.seed * 1000 + number)
        batches = _batches(examples, tokenizer, recipe.batch, recipe.seed * 1000 + number, device)
        for i, batch in enumerate(batches):
            if i >= skip:
                run.one(batch)
                if after_step:
                    after_step(run.step)
                if run.step % -(-per_epoch // recipe.saves_per_epoch) == 0 or run.step == run.steps:
                    run.save()
    return into


def average(folders: Sequence[Path], into: Path) -> Path:
    """The mean of the weights of trained folders, as a trained folder: of rounds that start from one another it errs less on other texts
    than the last one (Wortsman et al. 2022). ModelError if they don't fit together."""
    parts = [load_file(folder / "model.safetensors") for folder in folders]
    if any(part.keys() != parts[0].keys() or any(part[name].shape != parts[0][name].shape for name in part) for part in parts):
        raise ModelError(f"{', '.join(map(str, folders))} are not rounds of one network: names or shapes of their weights differ")
    into.mkdir(parents=True, exist_ok=True)
    mean = {name: torch.stack([part[name].float() for part in parts]).mean(0).to(value.dtype) for name, value in parts[0].items()}
    save_file(mean, into / "model.safetensors")
    for name in ("encoder.json", "tokenizer.json"):
        (into / name).write_bytes((folders[0] / name).read_bytes())
    return into


def finish(data: Path, folder: Path, teacher_share: float = 0.0) -> Checkpoint:
    """Make a trained folder a checkpoint of kind "transformer": calibration and thresholds from GoEmotions dev, card, digests.

    `teacher_share`: of a teacher's answers in GoEmotions' emotions, for the card.
    """
    from models.torch_engine import Runner

    dev = dataset.goemotions(data / "goemotions", "dev")
    targets = dev.targets.astype(np.float64)
    calibration = calibrate.fit(Runner.of_folder(folder).raw(dev.texts), targets[:, EMOTION_COLUMNS], targets[:, SENTIMENT_COLUMNS])
    (folder / "card.md").write_text(transformer_card(teacher_share), encoding="utf-8")
    files = ("model.safetensors", "encoder.json", "tokenizer.json", "card.md")
    return save_checkpoint(folder, "transformer", calibration, {}, files)


def rarity(targets: NDArray[np.float32]) -> Tensor:
    """How much more a text of each of the 28 emotions counts, from GoEmotions' targets: 1 for the frequent half."""
    counts = targets[:, EMOTION_COLUMNS].sum(0)
    return torch.from_numpy(np.clip(np.sqrt(np.median(counts) / np.maximum(counts, 1)), 1, _MOST_EMPHASIS))


def loss_of(out: Tensor, targets: Tensor, emphasis: Tensor | None = None, measures: float = 1.0) -> Tensor:
    """Sum of the heads' losses, each over the examples that know its target: cross-entropies, and squared errors in units of spread.

    `emphasis` [28]: how much more the texts of an emotion count than those without it; `measures`: weight of the squared errors.
    """
    total = _known_bce(out[:, EMOTION_COLUMNS], targets[:, EMOTION_COLUMNS], emphasis)
    total = total + 0.3 * _known_bce(out[:, PLUTCHIK_COLUMNS], targets[:, PLUTCHIK_COLUMNS])
    known = ~targets[:, SENTIMENT_COLUMNS.start].isnan()
    if known.any():
        log_p = functional.log_softmax(out[known][:, SENTIMENT_COLUMNS], dim=1)
        total = total - 0.7 * (targets[known][:, SENTIMENT_COLUMNS] * log_p).sum() / len(out)
    for column, spread in _SPREAD.items():
        known = ~targets[:, column].isnan()
        if known.any():
            total = total + measures * (((out[known, column] - targets[known, column]) / spread) ** 2).sum() / len(out)
    return total


def _known_bce(out: Tensor, targets: Tensor, emphasis: Tensor | None = None) -> Tensor:
    known = ~targets[:, 0].isnan()
    if not known.any():
        return out.new_zeros(())
    sums = functional.binary_cross_entropy_with_logits(out[known], targets[known], pos_weight=emphasis, reduction="sum")
    return sums / len(out)


def encode(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """Word-piece ids with [CLS] and [SEP] of the prepared texts."""
    return [encoding.ids for encoding in tokenizer.encode_batch_fast([prepare(text) for text in texts])]


def _batches(examples: dataset.Examples, tokenizer: Tokenizer, size: int, seed: int, device: torch.device) -> Iterator[Batch]:
    """Batches of texts of like length in a random order: shuffled, then sorted inside stretches of 50 batches."""
    rows = encode(tokenizer, examples.texts)
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(rows))
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), 50 * size):
        stretch = sorted(order[start : start + 50 * size].tolist(), key=lambda i: len(rows[i]))
        batches += [np.asarray(stretch[i : i + size]) for i in range(0, len(stretch), size)]
    for k in draw.permutation(len(batches)):
        ids, mask = padded([rows[i] for i in batches[k]])
        yield Batch(ids.to(device), mask.to(device), torch.from_numpy(examples.targets[batches[k]]).to(device))


def padded(rows: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Rows of ids → ids and mask, zero-padded to the longest."""
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids, mask


class _Run:
    """A network, its optimiser and the running average of its weights, at one step."""

    def __init__(self, network: Network, recipe: Recipe, steps: int, into: Path, emphasis: Tensor) -> None:
        self.emphasis = emphasis
        self.network, self.recipe, self.steps, self.into = network, recipe, steps, into
        self.step = 0
        for parameter in network.encoder.get_submodule("embeddings").parameters():
            parameter.requires_grad_(False)
        self.weights = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self.average = {name: p.detach().clone() for name, p in self.weights.items()}
        self.optimiser = torch.optim.AdamW(self._groups(), weight_decay=0.01, fused=True)
        self.seen, self.since, self.losses = 0, time.monotonic(), 0.0

    def _groups(self) -> list[dict[str, object]]:
        heads = [p for name, p in self.weights.items() if name.startswith("heads")]
        body = [p for name, p in self.weights.items() if not name.startswith("heads")]
        return [{"params": body, "peak": self.recipe.lr}, {"params": heads, "peak": self.recipe.head_lr}]

    def one(self, batch: Batch) -> None:
        """One step. The seed is set from the step, so a resumed run drops out the same units."""
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)
        warm = max(1, int(self.steps * self.recipe.warmup))
        share = min(self.step / warm, (self.steps - self.step) / (self.steps - warm))
        for group in self.optimiser.param_groups:
            group["lr"] = share * group["peak"]
        self.network.train()
        with torch.autocast(batch.ids.device.type, torch.bfloat16, enabled=self.recipe.bf16):
            out = self.network(batch.ids, batch.mask)
        loss = loss_of(out.float(), batch.targets, self.emphasis, self.recipe.measures)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.weights.values(), 1.0)
        self.optimiser.step()
        self.step += 1
        keep = min(self.recipe.average, self.step / (self.step + 10))
        torch._foreach_lerp_(list(self.average.values()), [p.detach() for p in self.weights.values()], 1 - keep)
        self._report(float(loss.detach()), len(batch.ids))

    def _report(self, loss: float, n: int) -> None:
        self.seen, self.losses = self.seen + n, self.losses + loss
        if self.step % 50 == 0:
            rate = self.seen / (time.monotonic() - self.since)
            log.info("step %d/%d loss %.3f, %.0f examples/s", self.step, self.steps, self.losses / 50, rate)
            self.seen, self.since, self.losses = 0, time.monotonic(), 0.0

    def save(self) -> None:
        """Write the state to go on from, then the averaged network under its own name."""
        state = {f"weights.{name}": p.detach().contiguous() for name, p in self.weights.items()}
        state |= {f"average.{name}": p for name, p in self.average.items()}
        for name, p in self.weights.items():
            moments = self.optimiser.state[p]
            state[f"first.{name}"], state[f"second.{name}"] = moments["exp_avg"], moments["exp_avg_sq"]
        meta = {"step": str(self.step), "recipe": json.dumps(asdict(self.recipe))}
        save_file(state, self.into / "state.new", metadata=meta)
        (self.into / "state.new").replace(self.into / "state.safetensors")
        (self.into / "state.json").write_text(json.dumps(meta))
        full = {name: p.detach().contiguous() for name, p in self.network.state_dict().items()} | self.average
        save_file(full, self.into / "model.new")
        (self.into / "model.new").replace(self.into / "model.safetensors")
        (self.into / "encoder.json").write_text(self.network.encoder.config.to_json_string())
        log.info("saved at step %d", self.step)

    def resume(self) -> None:
        """Take up the saved state, if there is one. ModelError if another recipe made it."""
        if not (self.into / "state.json").is_file():
            return
        meta = json.loads((self.into / "state.json").read_text())
        if json.loads(meta["recipe"]) != asdict(self.recipe):
            raise ModelError(f"{self.into} was begun with the recipe {meta['recipe']}, not {asdict(self.recipe)}; use another folder")
        state = load_file(self.into / "state.safetensors", device=str(next(self.network.parameters()).device))
        self.step = int(meta["step"])
        for name, p in self.weights.items():
            p.data.copy_(state[f"weights.{name}"])
            self.average[name].copy_(state[f"average.{name}"])
            moments = {"exp_avg": state[f"first.{name}"], "exp_avg_sq": state[f"second.{name}"], "step": torch.tensor(float(self.step))}
            self.optimiser.state[p] = moments
