"""The models that are here: what each is, how large, for which languages, and under which name its scores are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import models
from models.cascade import name_of
from models.checkpoint import open_checkpoint
from models.named import Named

_KINDS: Final = {
    "static": "bag of vectors",
    "onnx": "transformer in 8 bits, CPU",
    "torch": "the same transformer by torch, GPU or CPU",
    "cascade": "static, then onnx for what it doubts",
    "vader": "lexicon",
}
_PARTS: Final = {"cascade": ("static", "onnx"), "torch": ("onnx",)}


@dataclass(frozen=True, slots=True)
class Listed:
    """One model."""

    model: str  # what --model takes
    kind: str
    mb: float  # of its files, 10^6 bytes
    languages: list[str]  # ISO 639-1
    name: str  # `name@hash`, or the version of a lexicon


def listed(named: Named) -> list[Listed]:
    """Every model that is shipped, then the tuned ones. Files are verified, but no engine is started: torch alone would take seconds."""
    return [*(_listed(name) for name in (*models.shipped()[1:], "vader")), *(_tuned(named, name) for name in named.names())]


def _tuned(named: Named, name: str) -> Listed:
    found = open_checkpoint(named.path(name))
    size = sum(file.stat().st_size for file in found.folder.iterdir())
    return Listed(name, f"tuned from {found.options['tuned_from']}", round(size / 1e6, 2), sorted(found.languages), found.name)


def _listed(model: str) -> Listed:
    folders = [models.WEIGHTS / part for part in _PARTS.get(model, (model,))]
    size = sum(file.stat().st_size for folder in folders for file in folder.iterdir())
    if model == "vader":
        lexicon = models.load(model)
        return Listed(model, _KINDS[model], round(size / 1e6, 2), sorted(lexicon.languages), lexicon.name)
    parts = [open_checkpoint(folder) for folder in folders]
    name = name_of(*parts) if model == "cascade" else parts[0].name_as(model)
    languages = frozenset.intersection(*(part.languages for part in parts))
    return Listed(model, _KINDS.get(model, parts[0].kind), round(size / 1e6, 2), sorted(languages), name)
