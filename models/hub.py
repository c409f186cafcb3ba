"""Any Hugging Face sequence-classification checkpoint as a Classifier, by folder or by id, with a map from its labels to ours.

What such a checkpoint doesn't say is derived: emotions from sentiments by the rates at which they go together in GoEmotions, sentiments
from emotions by their polarity, valence = positive − negative, intensity = 1 − neutral, arousal by VADER's fit on EmoBank.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from models.calibrate import Array, sigmoid
from models.decode import scores
from models.labels import NEGATIVE, POSITIVE
from models.lexicon import CALM, RATES, RISE, Rates
from pipeline.errors import ModelError
from pipeline.records import EMOTIONS, SCALE, SENTIMENTS, Score

if TYPE_CHECKING:
    from torch import Tensor

IGNORED: Final = "ignore"
_TARGETS: Final = (*EMOTIONS, *SENTIMENTS)
_MOST_PIECES: Final = 256
_READ: Final = 4_000  # characters of a text: more than 256 pieces of anything but one long word
# A hub that doesn't answer: seconds for one request.
_TIMEOUT: Final = 10
_POLARITY: Final = np.array([-1 if e in NEGATIVE else 1 if e in POSITIVE else 0 for e in EMOTIONS])


class HuggingFace:
    """A Classifier over AutoModelForSequenceClassification. Its answer to a text depends on that text alone."""

    languages: Final = frozenset(("en",))

    def __init__(
        self, source: str, label_map: Mapping[str, str] | None = None, batch_size: int | None = None, device: str | None = None
    ) -> None:
        """`source`: a folder or a hub id; `label_map`: its label → ours. ModelError: not there, a pickle, a label without a meaning."""
        import torch

        from models.torch_engine import Batches, device_of

        chosen = device_of(device)
        model, tokenizer = _opened(source)
        digest = _digest_of(model)
        model = (model.to(chosen, torch.bfloat16) if chosen == "cuda" else model).eval()
        names = [str(model.config.id2label[i]) for i in range(model.config.num_labels)]
        self.columns = columns_of(names, label_map or {}, source)
        self._single = model.config.problem_type != "multi_label_classification"
        self._rates = Rates.read(RATES)
        most = min(_MOST_PIECES, int(getattr(model.config, "max_position_embeddings", _MOST_PIECES)) - 2)
        self.name = f"{Path(source).name}@{hashlib.sha256(repr((digest, self.columns)).encode()).hexdigest()[:12]}"

        def ids(texts: Sequence[str]) -> list[list[int]]:
            found: list[list[int]] = tokenizer(list(texts), truncation=True, max_length=most)["input_ids"]
            return found

        def forward(ids: Tensor, mask: Tensor) -> Tensor:
            out: Tensor = model(input_ids=ids, attention_mask=mask).logits
            return out

        self._batches = Batches(forward, ids, len(names), chosen, tokenizer.pad_token_id or 0, batch_size)

    def score(self, texts: Sequence[str]) -> list[Score]:
        """One score per text, in order. ModelError if an output is not a finite number."""
        if not texts:
            return []
        raw = self._batches.raw([_fit_to_read(text) for text in texts])
        if not np.isfinite(raw).all():
            raise ModelError(f"{self.name} gave an output that is not a finite number")
        emotions, sentiments = self._meant(_softmax(raw) if self._single else sigmoid(raw))
        valence = sentiments[:, 2] - sentiments[:, 0]
        arousal = CALM + RISE * np.abs(valence)
        half = np.full(len(EMOTIONS), SCALE // 2)
        return scores(emotions, sentiments, valence, arousal, 1 - sentiments[:, 1], half, self.name)

    def _meant(self, p: Array) -> tuple[Array, Array]:
        """Probabilities of its labels [n, labels] → emotions [n, 28] and shares of sentiment [n, 3]."""
        found = np.zeros((len(p), len(_TARGETS)))
        for column, target in enumerate(self.columns):
            if target is not None:
                found[:, target] += p[:, column]
        emotions, sentiments = np.minimum(found[:, : len(EMOTIONS)], 1.0), found[:, len(EMOTIONS) :]
        targets = {target for target in self.columns if target is not None}
        if max(targets) < len(EMOTIONS):
            sentiments = _sentiments_of(emotions)
        total = sentiments.sum(axis=1, keepdims=True)
        sentiments = np.where(total > 0, sentiments / np.where(total > 0, total, 1), [0.0, 1.0, 0.0])
        if min(targets) >= len(EMOTIONS):
            emotions = self._rates.at(sentiments[:, 2] - sentiments[:, 0])[0]
        return emotions, sentiments


def columns_of(names: Sequence[str], label_map: Mapping[str, str], source: str) -> list[int | None]:
    """For each label of the checkpoint the column of ours, None if ignored. ModelError names the labels that mean nothing to us."""
    unknown = sorted(set(label_map) - set(names))
    if unknown:
        raise ModelError(f"{source}: the label map names {', '.join(unknown)}, but the labels are {', '.join(names)}")
    meant = {name: label_map.get(name, name).lower() for name in names}
    lost = [name for name, target in meant.items() if target not in (*_TARGETS, IGNORED)]
    if lost or all(target == IGNORED for target in meant.values()):
        raise ModelError(
            f"{source}: no meaning for the labels {', '.join(lost or names)}; give a label map (JSON or TOML) from each to one of "
            f"{', '.join(_TARGETS)}, or {IGNORED}"
        )
    return [None if target == IGNORED else _TARGETS.index(target) for target in meant.values()]


def read_label_map(path: Path) -> dict[str, str]:
    """Label → ours from a JSON or TOML file. ModelError if it is not a flat table of texts."""
    try:
        raw = path.read_bytes()
        found = json.loads(raw) if path.suffix == ".json" else tomllib.loads(raw.decode())
    except (OSError, ValueError) as error:
        raise ModelError(f"label map {path} can't be read: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ModelError(f"label map {path} is not a flat table of label = meaning")
    return found


def is_one(folder: Path) -> bool:
    """A folder in Hugging Face's form, rather than one of our checkpoints."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and "model_type" in config and "format" not in config


def _opened(source: str) -> tuple[Any, Any]:
    """Model and tokenizer, from safetensors alone and without code of the repository."""
    try:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
    except ImportError as error:
        raise ModelError(f"{source} needs torch and transformers: install the extra `gpu`") from error
    import huggingface_hub.constants as hub

    hub.HF_HUB_DOWNLOAD_TIMEOUT = hub.HF_HUB_ETAG_TIMEOUT = _TIMEOUT
    local = Path(source).exists()
    try:
        model = AutoModelForSequenceClassification.from_pretrained(
            source, use_safetensors=True, trust_remote_code=False, local_files_only=local
        )
        return model, AutoTokenizer.from_pretrained(source, trust_remote_code=False, local_files_only=local)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().split("\n", 1)[0]
        place = "folder" if local else "folder here or Hugging Face id"
        raise ModelError(f"no {place} {source} with a sequence-classification checkpoint in safetensors: {first}") from error


def _fit_to_read(text: str) -> str:
    """Without lone surrogates, which no tokenizer takes, and not longer than can matter."""
    return text[:_READ].encode("utf-8", "replace").decode() or " "


def _digest_of(model: Any) -> str:
    """SHA-256 of the configuration and every weight."""
    found = hashlib.sha256(model.config.to_json_string().encode())
    for name, value in sorted(model.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().float().contiguous().numpy().tobytes())
    return found.hexdigest()


def _sentiments_of(emotions: Array) -> Array:
    """Unnormalised shares of negative, neutral, positive; an ambiguous emotion counts half, as in `labels.sentiment_of`."""
    parts = [emotions[:, _POLARITY == sign].sum(axis=1) for sign in (-1, 0, 1)]
    found: Array = np.stack([parts[0], 0.5 * parts[1], parts[2]], axis=1)
    return found


def _softmax(x: NDArray[np.float64]) -> Array:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    total = np.zeros(len(e))
    for column in e.T:  # one after the other: the order of a sum must not depend on how many rows there are
        total += column
    out: Array = e / total[:, None]
    return out
