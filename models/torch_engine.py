"""The transformer run by torch: on a GPU in bfloat16, else on the CPU in float32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.buckets import equal_lengths
from models.network import trained
from models.train import encode, padded

# The tokens of a batch: beyond 64 texts of 20 tokens a CPU gets slower; a GPU wants 16,000 to be busy.
_TOKENS = {"cpu": 1_280, "cuda": 16_384}
MOST_PIECES = 64


class Runner:
    """A trained network over batches of equal length."""

    def __init__(self, folder: Path, device: str | None = None) -> None:
        """`device`: "cpu" or "cuda", None for the GPU where there is one."""
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.network = trained(folder).to(self.device)
        if self.device == "cuda":
            self.network = self.network.to(torch.bfloat16)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MOST_PIECES)
        self._tokenizer.no_padding()

    def raw(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Outputs before calibration, float64 [n, WIDTH]."""
        rows = encode(self._tokenizer, list(texts))
        out = np.empty((len(rows), self.network.heads.out_features))
        for index in equal_lengths([len(row) for row in rows], _TOKENS[self.device]):
            ids, mask = padded([rows[i] for i in index])
            with torch.inference_mode():
                out[index] = self.network(ids.to(self.device), mask.to(self.device)).double().cpu().numpy()
        return out
