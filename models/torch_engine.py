"""The transformer run by torch: on a GPU in bfloat16, else on the CPU in float32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.labels import AROUSAL, EMOTION_COLUMNS, INTENSITY, PLUTCHIK_COLUMNS, SENTIMENT_COLUMNS, VALENCE
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
        self._network = trained(folder).to(self.device)
        if self.device == "cuda":
            self._network = self._network.to(torch.bfloat16)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MOST_PIECES)
        self._tokenizer.no_padding()

    def raw(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Outputs before calibration, float64 [n, WIDTH]."""
        rows = encode(self._tokenizer, list(texts))
        out = np.empty((len(rows), self._network.heads.out_features))
        for index in equal_lengths([len(row) for row in rows], _TOKENS[self.device]):
            ids, mask = padded([rows[i] for i in index])
            with torch.inference_mode():
                out[index] = self._network(ids.to(self.device), mask.to(self.device)).double().cpu().numpy()
        return out


def equal_lengths(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Positions grouped so that a group has one length and about `tokens` tokens at most."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    groups: list[list[int]] = []
    for i in order:
        if groups and lengths[groups[-1][0]] == lengths[i] and (len(groups[-1]) + 1) * lengths[i] <= tokens:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def teacher_targets(folder: Path, texts: Sequence[str]) -> NDArray[np.float32]:
    """A trained transformer's answers in the form of targets [n, WIDTH]: probabilities, and measures as they are."""
    raw = torch.from_numpy(Runner(folder).raw(texts))
    out = raw.clone()
    for columns in (EMOTION_COLUMNS, PLUTCHIK_COLUMNS):
        out[:, columns] = torch.sigmoid(raw[:, columns])
    out[:, SENTIMENT_COLUMNS] = torch.softmax(raw[:, SENTIMENT_COLUMNS], dim=1)
    out[:, [VALENCE, AROUSAL, INTENSITY]] = raw[:, [VALENCE, AROUSAL, INTENSITY]].clamp(-1, 1)
    answers: NDArray[np.float32] = out.float().numpy()
    return answers
