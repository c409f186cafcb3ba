"""Tune the transformer to a user's corrections: a LoRA adapter (Hu et al. 2021), merged, in 8 bits, and kept only if it is better.

Only low-rank additions to the matrices learn, beside a replay of other texts whose earlier answers are to stay. Both ends are judged by
the 8-bit checkpoint that would run: on corrections that were kept aside, and on guard texts that have nothing to do with them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from models import checkpoint
from models.calibrate import Calibration
from models.corrections import Corrections
from models.dequantise import network_of
from models.labels import AROUSAL, EMOTION_COLUMNS, INTENSITY, SENTIMENT_COLUMNS, VALENCE
from models.onnx import MOST_PIECES, Onnx
from models.pieces import Pieces
from models.quantise import measured_ranges, write_graph
from models.torch_engine import Runner
from models.train import padded
from pipeline.errors import ModelError
from pipeline.ports import Classifier
from pipeline.records import EMOTIONS, Score

log = logging.getLogger(__name__)
Array = NDArray[np.float64]

GUARD_MARGIN: Final = 0.02  # of the guard texts, how many may get a wrong sentiment instead of a right one
FILES: Final = ("encoder.onnx", "heads.safetensors", "tokenizer.json", "card.md", "adapter.safetensors")
_MEASURES: Final = [VALENCE, AROUSAL, INTENSITY]
_LEAST_P: Final = 1e-4  # a probability of 0 is one that was rounded


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to tune. Rank 8 in all matrices is 0.34 M numbers beside 22 M; a replay of twice the corrections in every step."""

    epochs: int = 6
    batch: int = 16
    lr: float = 1e-3
    rank: int = 8
    replay: int = 2  # texts of the replay per correction
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Replay:
    """Texts that have nothing to do with the corrections: some to rehearse, others to guard, with the guards' right sentiments."""

    source: str  # where they are from, for the card
    texts: list[str]
    guard: list[str]
    sentiments: Array | None  # [guard, 3]; None: the earlier model's own answers


@dataclass(frozen=True, slots=True)
class Judged:
    """How well a model does on some texts."""

    n: int
    right: float  # mean over the texts: sentiment right, or overlap of the labels with the right ones where those are given
    loss: float  # mean surprise at what is right, in nats


@dataclass(frozen=True, slots=True)
class Outcome:
    """What tuning gave, before and after; `refusal` says why the model was not kept."""

    learnt_from: int
    held_out: tuple[Judged, Judged]
    guard: tuple[Judged, Judged]
    refusal: str | None

    def to_json(self) -> dict[str, Any]:
        """As it is, with four decimals."""
        sides = {name: dict(zip(("before", "after"), map(_rounded, getattr(self, name)), strict=True)) for name in ("held_out", "guard")}
        return {"learnt_from": self.learnt_from, **sides, "refusal": self.refusal}


def tune(
    base: checkpoint.Checkpoint,
    parts: tuple[Corrections, Corrections],
    replay: Replay,
    into: Path,
    recipe: Recipe,
    after_step: Callable[[int, int], None],
) -> Outcome:
    """Write the tuned checkpoint into an existing folder, and judge it. `parts`: corrections to learn from, and those kept aside.

    `after_step` is told how many steps are done, and of how many. ModelError unless `base` is of kind "onnx".
    """
    if base.kind != "onnx":
        raise ModelError(f"checkpoint {base.folder}: kind is {base.kind!r}; a model of kind onnx can be tuned")
    learn, aside = parts
    earlier = Onnx(base)
    network = network_of(base)
    pieces = Pieces(base.folder / "tokenizer.json", MOST_PIECES)
    targets = earlier.raw(replay.texts)
    adapter = _adapted(network, recipe)
    _fit(adapter, _Rows(pieces, learn, replay.texts, targets, base.calibration), recipe, after_step)
    state = get_peft_model_state_dict(adapter, save_embedding_layers=False)
    save_file({name: value.contiguous() for name, value in state.items()}, into / "adapter.safetensors", metadata=_meta(base, recipe))
    merged = adapter.merge_and_unload().eval()
    _write(merged, base, [*learn.texts, *replay.texts], into)
    tuned = Onnx(_save(base, into, base.card))
    guards = earlier.score(replay.guard)
    right = np.eye(3)[[_top(score) for score in guards]] if replay.sentiments is None else replay.sentiments
    held_out = judged(earlier, aside), judged(tuned, aside)
    guard = tuple(judged(engine, _sentiments_only(replay.guard, right)) for engine in (earlier, tuned))
    outcome = Outcome(len(learn.texts), held_out, (guard[0], guard[1]), refusal(held_out, (guard[0], guard[1])))
    _save(base, into, _card(base, outcome, replay, recipe))
    return outcome


def refusal(held_out: tuple[Judged, Judged], guard: tuple[Judged, Judged]) -> str | None:
    """Why a tuned model must not be used; None if it may. Pairs are (before, after)."""
    before, after = held_out
    # Loss alone falls on labels drawn by lot, too: a model that learns to be unsure is less surprised by them.
    if after.right <= before.right or after.loss >= before.loss:
        return (
            f"it is no better on the {after.n} corrections kept aside: right {before.right:.1%} before, {after.right:.1%} after; "
            f"loss {before.loss:.3f} before, {after.loss:.3f} after"
        )
    before, after = guard
    if after.right < before.right - GUARD_MARGIN:
        return f"it has forgotten: of {after.n} other texts {before.right:.1%} were right before, {after.right:.1%} are after"
    return None


def judged(engine: Classifier, texts: Corrections) -> Judged:
    """How well an engine does on texts whose right answers are known."""
    scores = engine.score(texts.texts)
    right = [_right(score, texts.emotions[i], texts.sentiments[i]) for i, score in enumerate(scores)]
    loss = [_loss(score, texts.emotions[i], texts.sentiments[i]) for i, score in enumerate(scores)]
    return Judged(len(scores), float(np.mean(right)), float(np.mean(loss)))


def _right(score: Score, emotions: Array, sentiments: Array) -> float:
    if np.isnan(emotions[0]):
        return float(_top(score) == int(sentiments.argmax()))
    wanted, found = {label for label, there in zip(EMOTIONS, emotions, strict=True) if there}, set(score.labels)
    return len(wanted & found) / len(wanted | found)


def _loss(score: Score, emotions: Array, sentiments: Array) -> float:
    p = np.clip([score.p_negative, score.p_neutral, score.p_positive], _LEAST_P, 1)
    loss = -float(sentiments @ np.log(p))
    if not np.isnan(emotions[0]):
        e = np.clip(score.emotions, _LEAST_P, 1 - _LEAST_P)
        loss -= float(emotions @ np.log(e) + (1 - emotions) @ np.log(1 - e))
    return loss


def _top(score: Score) -> int:
    return int(np.argmax((score.p_negative, score.p_neutral, score.p_positive)))


def _sentiments_only(texts: list[str], right: Array) -> Corrections:
    return Corrections(texts, np.full((len(texts), len(EMOTIONS)), np.nan), right)


@dataclass(frozen=True, slots=True)
class _Rows:
    """What a step draws from: word pieces of corrections and of the replay, with what is right and what was answered."""

    pieces: Pieces
    corrections: Corrections
    replay: list[str]
    answers: Array  # raw outputs [replay, 34]
    calibration: Calibration


def _adapted(network: nn.Module, recipe: Recipe) -> Any:
    """The network with additions of low rank to every matrix, which alone learn."""
    torch.manual_seed(recipe.seed)
    targets = ["query", "key", "value", "dense", "heads"]
    return get_peft_model(network, LoraConfig(r=recipe.rank, lora_alpha=2 * recipe.rank, lora_dropout=0.0, target_modules=targets))


def _fit(network: Any, rows: _Rows, recipe: Recipe, after_step: Callable[[int, int], None]) -> None:
    """Every epoch takes each correction once, beside fresh texts of the replay."""
    learning = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=recipe.lr, weight_decay=0.01)
    n = len(rows.corrections.texts)
    steps = -(-n // recipe.batch) * recipe.epochs
    correct, keep = rows.pieces.all_ids(rows.corrections.texts), rows.pieces.all_ids(rows.replay)
    draw, step = np.random.default_rng(recipe.seed), 0
    for _ in range(recipe.epochs):
        order = draw.permutation(n)
        for start in range(0, n, recipe.batch):
            chosen = order[start : start + recipe.batch]
            again = draw.integers(0, len(keep), recipe.replay * len(chosen)) if keep else np.empty(0, np.int64)
            for group in optimiser.param_groups:  # down to nothing in a straight line
                group["lr"] = recipe.lr * (1 - step / steps)
            optimiser.zero_grad(set_to_none=True)
            # One after the other: reviews are often long, and the short texts of the replay need not be padded to their length.
            _wrong(network(*padded([correct[i] for i in chosen])), rows, chosen).backward()
            if len(again):
                _moved(network(*padded([keep[i] for i in again])), rows, again).backward()
            nn.utils.clip_grad_norm_(learning, 1.0)
            optimiser.step()
            step += 1
            after_step(step, steps)


def _wrong(out: Tensor, rows: _Rows, chosen: NDArray[np.int64]) -> Tensor:
    """Surprise at the right answers, of the probabilities that users see."""
    emotions, sentiments = _logits(out, rows.calibration)
    right = torch.from_numpy(rows.corrections.emotions[chosen]).float()
    known = ~right[:, 0].isnan()
    loss = functional.cross_entropy(sentiments, torch.from_numpy(rows.corrections.sentiments[chosen]).float())
    if known.any():
        loss = loss + functional.binary_cross_entropy_with_logits(emotions[known], right[known], reduction="sum") / len(out)
    return loss


def _moved(out: Tensor, rows: _Rows, again: NDArray[np.int64]) -> Tensor:
    """How far the answers to the replay are from what they were."""
    answers = torch.from_numpy(rows.answers[again]).float()
    emotions, sentiments = _logits(out, rows.calibration)
    earlier_emotions, earlier_sentiments = _logits(answers, rows.calibration)
    loss = functional.cross_entropy(sentiments, earlier_sentiments.softmax(dim=1))
    loss = loss + functional.binary_cross_entropy_with_logits(emotions, earlier_emotions.sigmoid(), reduction="sum") / len(out)
    return loss + 10 * functional.mse_loss(out[:, _MEASURES], answers[:, _MEASURES])


def _logits(out: Tensor, calibration: Calibration) -> tuple[Tensor, Tensor]:
    scale, shift, places = (torch.from_numpy(part).float() for part in (calibration.scale, calibration.shift, calibration.sentiment_shift))
    return out[:, EMOTION_COLUMNS] * scale + shift, out[:, SENTIMENT_COLUMNS] * calibration.sentiment_scale + places


def _write(network: Any, base: checkpoint.Checkpoint, texts: Sequence[str], into: Path) -> None:
    """The 8-bit graph, with the scales of activations measured on what it was tuned with."""
    runner = Runner(network, base.folder / "tokenizer.json", "cpu")
    write_graph(runner, network.encoder.config.to_dict(), measured_ranges(runner, texts), into)
    (into / "tokenizer.json").write_bytes((base.folder / "tokenizer.json").read_bytes())


def _save(base: checkpoint.Checkpoint, into: Path, card: str) -> checkpoint.Checkpoint:
    """What a tuned model confuses is not known: dev says it of the base alone."""
    (into / "card.md").write_text(card, encoding="utf-8")
    options = {**base.options, "tuned_from": base.name}
    return checkpoint.save(into, "onnx", replace(base.calibration, confusion=None), options, FILES)


def _meta(base: checkpoint.Checkpoint, recipe: Recipe) -> dict[str, str]:
    # One entry: the file would else have them in an order that changes from run to run.
    return {"tuning": json.dumps({"base": base.name, **asdict(recipe)})}


def _rounded(found: Judged) -> dict[str, Any]:
    return {"n": found.n, "right": round(found.right, 4), "loss": round(found.loss, 4)}


def _card(base: checkpoint.Checkpoint, outcome: Outcome, replay: Replay, recipe: Recipe) -> str:
    rows = [
        f"| {name} | {before.n} | {before.right:.1%} | {after.right:.1%} | {before.loss:.3f} | {after.loss:.3f} |"
        for name, (before, after) in (("corrections kept aside", outcome.held_out), ("other texts (guard)", outcome.guard))
    ]
    table = "\n".join(rows)
    return f"""\
# Tuned from {base.name}

A LoRA adapter of rank {recipe.rank} over {recipe.epochs} passes through {outcome.learnt_from} corrections, beside a replay of
{len(replay.texts)} texts ({replay.source}); merged into the matrices and exported in 8 bits. The adapter alone is in adapter.safetensors.

| texts | n | right before | right after | loss before | loss after |
|---|---|---|---|---|---|
{table}

Right: sentiment right, or overlap with the right labels where those were given. Calibration and thresholds are those of the base; shares of
this model have no estimate, as what it confuses was not measured.

What it was tuned from:

{base.card}"""
