"""The torch engine: the ONNX checkpoint's weights as floats, batches of fixed shape, and a device that is there or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import models
from models.checkpoint import open_checkpoint
from pipeline.errors import ModelError

torch = pytest.importorskip("torch", reason="the torch engine needs the extra `gpu`")

TEXTS = [f"I {verb} this {'very ' * (k % 4)}much {k}" for k in range(30) for verb in ("love", "hate", "never saw")]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_the_weights_of_both_engines_are_the_same() -> None:
    """Outputs of the dequantised network go with those of the 8-bit graph at r > .995: only the rounding of activations differs."""
    floats = models.load("torch", device="cpu").raw(TEXTS)  # type: ignore[attr-defined]
    whole = models.load("onnx").raw(TEXTS)  # type: ignore[attr-defined]
    assert np.corrcoef(floats.ravel(), whole.ravel())[0, 1] > 0.995


def test_a_graph_without_8_bits_gives_its_weights_back(tmp_path: Path) -> None:
    """Exported in 32 bits and read back, a network is what it was."""
    from transformers import BertConfig

    from models.calibrate import identity
    from models.checkpoint import save
    from models.dequantise import network_of
    from models.export import SUM_UNITS
    from models.network import untrained
    from models.quantise import write_graph
    from models.torch_engine import Runner

    torch.manual_seed(1)
    config = BertConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, initializer_range=0.2).to_dict()
    network = untrained(config)
    (tmp_path / "tokenizer.json").write_bytes((models.WEIGHTS / "static" / "tokenizer.json").read_bytes())
    runner = Runner(network, tmp_path / "tokenizer.json", "cpu")
    write_graph(runner, config, None, tmp_path)
    found = save(tmp_path, "onnx", identity(), {"sum_units": SUM_UNITS}, ("encoder.onnx", "heads.safetensors", "tokenizer.json"))
    back = Runner(network_of(found), tmp_path / "tokenizer.json", "cpu")
    assert back.raw(TEXTS) == pytest.approx(runner.raw(TEXTS)[:, :34], abs=2e-3)  # heads are kept to 2^-13


def test_a_gpu_that_is_not_there_is_refused() -> None:
    """Asked for CUDA without a GPU, every way in says so instead of falling back."""
    if torch.cuda.is_available():
        pytest.skip("unavailable: this machine has a CUDA GPU")
    with pytest.raises(ModelError, match="torch sees no CUDA GPU"):
        models.load("torch", device="cuda")
    with pytest.raises(ModelError, match="torch sees no CUDA GPU"):
        models.load("auto", device="cuda")


def test_an_engine_of_the_cpu_refuses_cuda() -> None:
    """The static engine on CUDA is a mistake that is named."""
    with pytest.raises(ModelError, match="runs on the CPU alone"):
        models.load("static", device="cuda")


def test_out_of_memory_halves_the_batch() -> None:
    """A network that takes at most 300 tokens at once still answers every text, and as it answers it alone."""
    from models.torch_engine import Batches

    seen: list[int] = []

    def forward(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if ids.numel() > 300:
            raise torch.OutOfMemoryError("CUDA out of memory")
        seen.append(ids.numel())
        return (ids * mask).sum(1, keepdim=True).float()

    batches = Batches(forward, lambda texts: [[len(text)] * (1 + len(text) % 7) for text in texts], 1, "cpu")
    found = batches.raw(TEXTS)
    assert [len(text) * (1 + len(text) % 7) for text in TEXTS] == found[:, 0].tolist()
    assert 150 < max(seen) <= 300


def test_other_errors_are_not_taken_for_lack_of_memory() -> None:
    """A mistake in a network leaves the engine as it is raised."""
    from models.torch_engine import Batches

    def forward(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("size mismatch")

    with pytest.raises(RuntimeError, match="size mismatch"):
        Batches(forward, lambda texts: [[1]] * len(texts), 1, "cpu").raw(["a"])


def test_auto_says_what_it_is_and_why() -> None:
    """Without a GPU it is the cascade, and the model's name says so."""
    choice = models.choose("cpu")
    assert "cascade" == choice.name
    assert "transformer on the CPU" in choice.why
    assert models.load("auto", device="cpu").name.startswith("cascade@")


def test_a_trained_folder_is_a_model(tmp_path: Path) -> None:
    """The dequantised network written as a folder answers as the engine that it came from."""
    from models.checkpoint import save
    from models.dequantise import encoder_folder

    shipped = open_checkpoint(models.WEIGHTS / "onnx")
    encoder_folder(shipped, tmp_path)
    save(tmp_path, "transformer", shipped.calibration, {}, ("model.safetensors", "encoder.json", "tokenizer.json"))
    mine, theirs = models.load(str(tmp_path), device="cpu"), models.load("torch", device="cpu")
    assert [s.emotions for s in theirs.score(TEXTS[:9])] == [s.emotions for s in mine.score(TEXTS[:9])]


def test_a_batch_has_no_more_texts_than_asked() -> None:
    """With a batch size of 3 no batch is larger, and every text has its answer."""
    from models.torch_engine import Batches

    seen: list[int] = []

    def forward(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        seen.append(len(ids))
        return ids[:, :1].float()

    found = Batches(forward, lambda texts: [[len(text)] for text in texts], 1, "cpu", most=3).raw(TEXTS)
    assert [len(text) for text in TEXTS] == found[:, 0].tolist()
    assert {3} == set(seen)
