"""The ONNX engine is the torch network, in 32 and nearly in 8 bits, and a text's answer has the same bits in every batch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import models
from models.buckets import equal_lengths
from models.onnx import Onnx

torch = pytest.importorskip("torch", reason="exporting needs the extra `train`")

TEXTS = [
    f"{start} {' '.join(['word', 'good', 'bad', 'not', 'phone'][: k % 5])} {k}" for k in range(60) for start in ("I think", "you know that")
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with random weights as `train transformer` would leave it."""
    from safetensors.torch import save_file
    from transformers import BertConfig

    from models.network import untrained

    torch.set_num_threads(1)
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("trained")
    config = BertConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, initializer_range=0.2)
    network = untrained(config.to_dict())
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, folder / "model.safetensors")
    (folder / "encoder.json").write_text(network.encoder.config.to_json_string())
    (folder / "tokenizer.json").write_bytes((models.WEIGHTS / "static" / "tokenizer.json").read_bytes())
    return folder


def exported(trained: Path, into: Path, *, quantised: bool) -> Onnx:
    """The engine of the exported network, uncalibrated."""
    from models.calibrate import identity
    from models.checkpoint import save
    from models.export import SUM_UNITS
    from models.quantise import measured_ranges, write_graph
    from models.torch_engine import Runner

    runner = Runner.of_folder(trained, "cpu")
    into.mkdir()
    config = json.loads((trained / "encoder.json").read_text())
    write_graph(runner, config, measured_ranges(runner, TEXTS) if quantised else None, into)
    (into / "tokenizer.json").write_bytes((trained / "tokenizer.json").read_bytes())
    return Onnx(save(into, "onnx", identity(), {"sum_units": SUM_UNITS}, ("encoder.onnx", "heads.safetensors", "tokenizer.json")))


def test_the_graph_is_the_network(trained: Path, tmp_path: Path) -> None:
    """In 32 bits the outputs are those of torch but for rounding; in 8 bits they go with them at r > .99."""
    from models.torch_engine import Runner

    expected = Runner.of_folder(trained, "cpu").raw(TEXTS)[:, :34]
    exact = exported(trained, tmp_path / "exact", quantised=False).raw(TEXTS)
    small = exported(trained, tmp_path / "small", quantised=True).raw(TEXTS)
    assert exact == pytest.approx(expected, abs=0.01)
    assert np.corrcoef(small.ravel(), expected.ravel())[0, 1] > 0.99
    assert not np.array_equal(small, exact)


@pytest.mark.parametrize("quantised", [False, True])
def test_the_batch_changes_no_bit(trained: Path, tmp_path: Path, quantised: bool) -> None:
    """Alone, in pairs, in the whole list or backwards: outputs before rounding are equal."""
    engine = exported(trained, tmp_path / "engine", quantised=quantised)
    whole = engine.raw(TEXTS)
    assert np.array_equal(whole, np.concatenate([engine.raw([text]) for text in TEXTS]))
    assert np.array_equal(whole, np.concatenate([engine.raw(TEXTS[i : i + 7]) for i in range(0, len(TEXTS), 7)]))
    assert np.array_equal(whole[::-1], engine.raw(TEXTS[::-1]))


def test_buckets_hold_one_length_each_and_every_text_once() -> None:
    """Groups are of one length, within the token budget, and together they are all texts."""
    lengths = [3, 5, 3, 3, 9, 5, 3, 100]
    groups = equal_lengths(lengths, tokens=9, most=2)
    assert [[3], [3], [5], [5], [9], [100]] == sorted([sorted({lengths[i] for i in group}) for group in groups])
    assert list(range(len(lengths))) == sorted(i for group in groups for i in group)
    assert all(len(group) <= 2 and (len(group) == 1 or sum(lengths[i] for i in group) <= 9) for group in groups)


def test_without_memory_for_a_batch_its_halves_are_run() -> None:
    """A runtime that can't allocate more than two texts at once still answers all, to the same bit; other errors are raised."""
    engine = models.load("onnx")
    assert isinstance(engine, Onnx)
    texts = [f"the same length number {k}" for k in range(9)]
    expected, real = engine.raw(texts), engine._session
    sizes: list[int] = []

    class Small:
        """The real session with little memory."""

        message = "Failed to allocate memory for requested buffer of size 1"

        def run(self, names: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            if len(inputs["ids"]) > 2:
                raise RuntimeError(self.message)
            sizes.append(len(inputs["ids"]))
            found: list[np.ndarray] = real.run(names, inputs)
            return found

    engine._session = Small()  # type: ignore[assignment]
    assert np.array_equal(expected, engine.raw(texts))
    assert 9 == sum(sizes)
    Small.message = "Got invalid dimensions for input"
    with pytest.raises(RuntimeError, match="invalid dimensions"):
        engine.raw(texts)
