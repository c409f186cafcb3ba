"""The transformer on the CPU by ONNX Runtime in 8 bits, batches of one length.

The heads are computed outside of the graph in whole numbers: a product of floats may change its last bit with the number of texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from safetensors.numpy import load_file

from models.buckets import equal_lengths
from models.checkpoint import Checkpoint
from models.decode import decode
from models.labels import SHIPPED
from models.pieces import Pieces
from pipeline.errors import ModelError
from pipeline.records import Score

MOST_PIECES = 64
# 64 texts of 20 tokens: larger batches are slower on a CPU, their activations leave its cache.
_TOKENS = 1_280
# Texts that are sorted by length together.
_ROUND = 2_048
POOLED_UNITS, HEAD_UNITS = 14, 12
# How ONNX Runtime says that it has no memory: by its arena, or by C++.
_NO_MEMORY = ("Failed to allocate memory", "bad allocation", "std::bad_alloc")
_RUNTIME_ERRORS = (RuntimeError, onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException, MemoryError)


class Onnx:
    """A Classifier over a checkpoint of kind "onnx"."""

    def __init__(self, checkpoint: Checkpoint, batch_size: int | None = None, threads: int | None = None, name: str | None = None) -> None:
        """`batch_size`: texts per run of the graph at most; `threads`: of one run, None for as many as cores."""
        self.name = name or checkpoint.name
        self.languages = checkpoint.languages
        self.calibration = checkpoint.calibration
        self._most = batch_size or _ROUND
        self._pieces = Pieces(checkpoint.folder / "tokenizer.json", MOST_PIECES)
        self._heads = load_file(checkpoint.folder / "heads.safetensors")["heads"].astype(np.float64)
        self._session = session(checkpoint.folder / "encoder.onnx", threads)
        self._units = 2.0 ** checkpoint.options["sum_units"]
        width = self._session.get_outputs()[0].shape[1]
        if self._heads.shape != (width + 1, SHIPPED):
            raise ModelError(f"checkpoint {checkpoint.folder}: shape of heads is {self._heads.shape}, expected {(width + 1, SHIPPED)}")

    def score(self, texts: Sequence[str]) -> list[Score]:
        """One score per text, in order."""
        out: list[Score] = []
        for start in range(0, len(texts), _ROUND):
            out += decode(self.raw(texts[start : start + _ROUND]), self.calibration, self.name)
        return out

    def raw(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Outputs before calibration, float64 [n, 34]."""
        rows = self._pieces.all_ids(texts)
        inputs = np.empty((len(rows), len(self._heads)))
        for index in equal_lengths([len(row) for row in rows], _TOKENS, self._most):
            ids = np.array([rows[i] for i in index], np.int64)
            inputs[index, :-1] = self._sums(ids).astype(np.float64) / (ids.shape[1] * self._units)
        inputs[:, -1] = 1
        out: NDArray[np.float64] = np.rint(inputs * 2.0**POOLED_UNITS) @ self._heads
        return out / 2.0 ** (POOLED_UNITS + HEAD_UNITS)

    def _sums(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Sums of token vectors [n, width]; without memory for all texts at once, of one half after the other."""
        try:
            (total,) = self._session.run(None, {"ids": ids})
        except _RUNTIME_ERRORS as error:
            if len(ids) == 1 or not any(words in str(error) for words in _NO_MEMORY):
                raise
            middle = len(ids) // 2
            return np.concatenate([self._sums(ids[:middle]), self._sums(ids[middle:])])
        sums: NDArray[np.float32] = total
        return sums


def session(path: Path, threads: int | None) -> onnxruntime.InferenceSession:
    """A session on the CPU that doesn't spin while it waits."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
