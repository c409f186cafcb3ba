"""From a trained transformer to a checkpoint of kind "onnx": measure activations, write the 8-bit graph, calibrate its outputs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor, nn

from models import calibrate, checkpoint, dataset
from models.card import without_figures
from models.export import SUM_UNITS, Range, balanced, export
from models.labels import EMOTION_COLUMNS, SENTIMENT_COLUMNS, SHIPPED
from models.onnx import HEAD_UNITS, Onnx
from models.torch_engine import Runner

# Texts whose activations set the scales: 2,000 of all training sets, in the proportions of an epoch.
_MEASURED = 2_000


def to_onnx(folder: Path, into: Path, data: Path, *, quantised: bool = True) -> checkpoint.Checkpoint:
    """Write a checkpoint of kind "onnx" from the folder of a trained transformer. `data`: the licensed sets."""
    runner = Runner.of_folder(folder, "cpu")
    into.mkdir(parents=True, exist_ok=True)
    examples = dataset.epoch(dataset.training_sets(data), seed=0)
    chosen = np.random.default_rng(0).permutation(len(examples.texts))[:_MEASURED]
    ranges = measured_ranges(runner, examples.take(chosen).texts) if quantised else None
    config = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
    write_graph(runner, config, ranges, into)
    shutil.copyfile(folder / "tokenizer.json", into / "tokenizer.json")
    (into / "card.md").write_text(without_figures((folder / "card.md").read_text(encoding="utf-8")), encoding="utf-8")
    files = ("encoder.onnx", "heads.safetensors", "tokenizer.json", "card.md")
    draft = Onnx(checkpoint.save(into, "onnx", calibrate.identity(), {"sum_units": SUM_UNITS}, files))
    dev = dataset.goemotions(data / "goemotions", "dev")
    targets = dev.targets.astype(np.float64)
    fitted = calibrate.fit(draft.raw(dev.texts), targets[:, EMOTION_COLUMNS], targets[:, SENTIMENT_COLUMNS])
    return checkpoint.save(into, "onnx", fitted, {"sum_units": SUM_UNITS}, files)


def write_graph(runner: Runner, config: Mapping[str, Any], ranges: Mapping[str, Range] | None, into: Path) -> None:
    """Write encoder.onnx and heads.safetensors of a network into a folder. `config`: of the encoder."""
    state = {name: value.numpy() for name, value in runner.network.state_dict().items()}
    export(state, config, ranges, into / "encoder.onnx")
    heads = np.concatenate([state["heads.weight"].T, state["heads.bias"][None]])[:, :SHIPPED]
    whole = np.clip(np.rint(heads * 2.0**HEAD_UNITS), -(2**15), 2**15 - 1).astype(np.int16)
    save_file({"heads": np.ascontiguousarray(whole)}, into / "heads.safetensors")


def measured_ranges(runner: Runner, texts: Sequence[str]) -> dict[str, Range]:
    """What goes into each matrix of the encoder over these texts, by the matrix's name (the three projections: their block's)."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    hooks = [
        module.register_forward_pre_hook(_watch(seen, name))
        for name, module in runner.network.encoder.named_modules(prefix="encoder")
        if isinstance(module, nn.Linear) and not name.endswith((".key", ".value"))
    ]
    runner.raw(texts)
    for hook in hooks:
        hook.remove()
    state = runner.network.state_dict()
    return {name.removesuffix(".query"): balanced(low.numpy(), high.numpy(), _largest(state, name)) for name, (low, high) in seen.items()}


def _watch(seen: dict[str, tuple[Tensor, Tensor]], name: str) -> Any:
    def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        flat = inputs[0].reshape(-1, inputs[0].shape[-1])
        low, high = flat.amin(0), flat.amax(0)
        if name in seen:
            low, high = torch.minimum(low, seen[name][0]), torch.maximum(high, seen[name][1])
        seen[name] = (low, high)

    return keep


def _largest(state: dict[str, Tensor], name: str) -> NDArray[np.float32]:
    """The largest weight of each input channel; of a query, over queries, keys and values."""
    stem = name.removesuffix(".query")
    names = [f"{stem}.{part}" for part in ("query", "key", "value")] if stem != name else [name]
    largest: NDArray[np.float32] = torch.cat([state[f"{part}.weight"] for part in names]).abs().amax(0).numpy()
    return largest
