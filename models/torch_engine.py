"""The transformer run by torch: on a GPU in bfloat16, else on the CPU in float32.

Every batch of one text length has one shape, filled up with copies of its last text: so a text meets the same kernels whatever stands
beside it, and its answer depends on the text alone. Only running out of memory changes the shapes, and with them perhaps a last digit.
On CUDA the same holds by construction but was never run by the project's tests, which have no GPU.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.checkpoint import Checkpoint
from models.decode import decode
from models.network import Network, trained
from models.onnx import MOST_PIECES
from models.pieces import Pieces
from pipeline.errors import ModelError
from pipeline.records import Score

log = logging.getLogger(__name__)

# The tokens of a batch: a CPU is as fast with few, and one text alone then costs less; a GPU wants 16,000 to be busy.
_TOKENS: Final = {"cpu": 512, "cuda": 16_384}
# Texts that are sorted by length together, while a thread makes the word pieces of the next ones.
_ROUND: Final = {"cpu": 2_048, "cuda": 32_768}
# On a GPU a launch costs more than padding, so lengths share a few shapes; on a CPU every length has its own.
_SHAPES: Final = (8, 16, 24, 32, 48, 64, 96, 128, 256, 512)

Ids = list[list[int]]
Forward = Callable[[Tensor, Tensor], Tensor]


def device_of(wanted: str | None) -> str:
    """ "cpu" or "cuda": what is asked for, by default the GPU where there is one. ModelError if it is asked for and not there."""
    available = torch.cuda.is_available()
    if wanted in (None, "auto"):
        return "cuda" if available else "cpu"
    if wanted not in _TOKENS:
        raise ModelError(f"no device {wanted!r}: choose auto, cpu or cuda")
    if wanted == "cuda" and not available:
        raise ModelError("device cuda was asked for, but torch sees no CUDA GPU here; choose auto or cpu, or see `nvidia-smi`")
    return wanted


class Batches:
    """Texts → word pieces → batches of fixed shapes → outputs, in the order of the texts."""

    def __init__(
        self, forward: Forward, ids: Callable[[Sequence[str]], Ids], width: int, device: str, padding: int = 0, most: int | None = None
    ) -> None:
        """`forward`: ids and mask [rows, t] on the device → outputs [rows, width]; `ids`: the word pieces of texts.

        `most`: texts in a batch at most, besides the limit of tokens.
        """
        self._most = most or 1 << 30
        self._forward, self._ids, self._width, self._padding = forward, ids, width, padding
        self.device = device
        self._tokens = _TOKENS[device]
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="pieces")

    def raw(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Outputs, float64 [n, width]."""
        size = _ROUND[self.device]
        parts = [texts[start : start + size] for start in range(0, len(texts), size)]
        out = np.empty((len(texts), self._width))
        coming = self._ahead.submit(self._ids, parts[0]) if parts else None
        for k, part in enumerate(parts):
            assert coming is not None
            rows = coming.result()
            coming = self._ahead.submit(self._ids, parts[k + 1]) if k + 1 < len(parts) else None
            out[k * size : k * size + len(part)] = self._round(rows)
        return out

    def _round(self, rows: Ids) -> NDArray[np.float64]:
        groups: dict[int, list[int]] = {}
        for i, row in enumerate(rows):
            groups.setdefault(self._length(len(row)), []).append(i)
        order: list[int] = []
        answers: list[Tensor] = []
        for length, members in groups.items():
            order += members
            answers += self._of_length(length, [rows[i] for i in members])
        out = np.empty((len(rows), self._width))
        out[order] = torch.cat(answers).double().cpu().numpy()
        return out

    def _length(self, pieces: int) -> int:
        if self.device == "cpu":
            return pieces
        return next((shape for shape in _SHAPES if shape >= pieces), pieces)

    def _of_length(self, length: int, rows: Ids) -> list[Tensor]:
        """Outputs of rows of one shape; out of memory, the batches of this engine have half as many rows from then on."""
        while True:
            count = max(1, min(self._most, self._tokens // length))
            try:
                return [self._filled(rows[i : i + count], count, length) for i in range(0, len(rows), count)]
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not _out_of_memory(error) or count == 1:
                    raise
                self._tokens //= 2
                log.warning("out of memory on %s: batches of %d tokens from now on", self.device, self._tokens)
                if self.device == "cuda":
                    torch.cuda.empty_cache()

    def _filled(self, rows: Ids, count: int, length: int) -> Tensor:
        ids = np.full((count, length), self._padding, np.int64)
        mask = np.zeros((count, length), np.int64)
        for i in range(count):
            row = rows[min(i, len(rows) - 1)]
            ids[i, : len(row)], mask[i, : len(row)] = row, 1
        with torch.inference_mode():
            out = self._forward(torch.from_numpy(ids).to(self.device), torch.from_numpy(mask).to(self.device))
        return out[: len(rows)].float()


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error) or "not enough memory" in str(error)


class Runner(Batches):
    """A network of ours."""

    def __init__(self, network: Network, tokenizer: Path, device: str | None = None, most: int | None = None) -> None:
        """`device`: "cpu" or "cuda", None for the GPU where there is one; `most`: texts in a batch."""
        chosen = device_of(device)
        self.network = network.to(chosen).eval()
        if chosen == "cuda":
            network.encoder.to(torch.bfloat16)  # the mean and the heads stay in float32
        super().__init__(self.network, Pieces(tokenizer, MOST_PIECES).all_ids, network.heads.out_features, chosen, most=most)

    @classmethod
    def of_folder(cls, folder: Path, device: str | None = None) -> Runner:
        """The network that `train transformer` left in a folder."""
        return cls(trained(folder), folder / "tokenizer.json", device)


class Torch:
    """A Classifier over a checkpoint of kind "transformer", or "onnx" by its dequantised weights."""

    def __init__(self, checkpoint: Checkpoint, batch_size: int | None = None, device: str | None = None) -> None:
        """`batch_size`: texts in a batch at most. ModelError if the device isn't there."""
        from models.dequantise import network_of

        chosen = device_of(device)  # before a second is spent on weights
        network = network_of(checkpoint) if checkpoint.kind == "onnx" else trained(checkpoint.folder)
        self.name = checkpoint.name_as("torch")
        self.languages = checkpoint.languages
        self.calibration = checkpoint.calibration
        self.runner = Runner(network, checkpoint.folder / "tokenizer.json", chosen, batch_size)

    @property
    def device(self) -> str:
        """ "cpu" or "cuda"."""
        return self.runner.device

    def score(self, texts: Sequence[str]) -> list[Score]:
        """One score per text, in order."""
        return decode(self.raw(texts), self.calibration, self.name) if texts else []

    def raw(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Outputs before calibration, float64 [n, ≥ 34]."""
        return self.runner.raw(texts)
