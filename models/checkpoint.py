"""A checkpoint: a folder with config.json, arrays, tokenizer and card, each file known by its SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from models.calibrate import Calibration
from models.labels import SHIPPED
from pipeline.errors import ModelError
from pipeline.records import EMOTIONS

FORMAT: Final = 1
_PICKLES: Final = frozenset((".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What config.json says, after every file was found to be as it was when it was written."""

    folder: Path
    kind: str  # static | onnx | transformer | cascade
    languages: frozenset[str]
    calibration: Calibration
    options: Mapping[str, Any]  # what the engine of this kind needs to know
    files: tuple[str, ...]  # beside config.json
    digest: str  # SHA-256 of config.json, which holds the digests of all other files

    @property
    def name(self) -> str:
        """`kind@` and 12 digits of the digest."""
        return self.name_as(self.kind)

    def name_as(self, engine: str) -> str:
        """The name of these weights under an engine of another name, such as torch."""
        return f"{engine}@{self.digest[:12]}"

    @property
    def card(self) -> str:
        """The model card, Markdown. ModelError if there is none."""
        if "card.md" not in self.files:
            raise ModelError(f"checkpoint {self.folder} has no card; write one with `moodstream train card`")
        return (self.folder / "card.md").read_text(encoding="utf-8")


def save(folder: Path, kind: str, calibration: Calibration, options: Mapping[str, Any], files: Iterable[str]) -> Checkpoint:
    """Write config.json over files that are already in the folder, and open the result."""
    config = {
        "format": FORMAT,
        "kind": kind,
        "languages": ["en"],
        "labels": list(EMOTIONS),
        "outputs": SHIPPED,
        "calibration": calibration.to_json(),
        "options": dict(options),
        "files": {name: _sha256(folder / name) for name in sorted(set(files))},
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    return open_checkpoint(folder)


def open_checkpoint(folder: Path) -> Checkpoint:
    """Read and verify a checkpoint. ModelError names what was found and what was expected."""
    _refuse_pickles(folder)
    path = folder / "config.json"
    if not path.is_file():
        raise ModelError(f"{folder} is no checkpoint: it has no config.json")
    raw = path.read_bytes()
    try:
        config = json.loads(raw)
        _expect(folder, "format", config["format"], FORMAT)
        _expect(folder, "labels", config["labels"], list(EMOTIONS))
        _expect(folder, "outputs", config["outputs"], SHIPPED)
        for name, digest in config["files"].items():
            _expect(folder, f"SHA-256 of {name}", _sha256(folder / name), digest)
        return Checkpoint(
            folder=folder,
            kind=config["kind"],
            languages=frozenset(config["languages"]),
            calibration=Calibration.from_json(config["calibration"]),
            options=config["options"],
            files=tuple(config["files"]),
            digest=hashlib.sha256(raw).hexdigest(),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} can't be read as a checkpoint's configuration: {error!r}") from error


def _refuse_pickles(path: Path) -> None:
    found = [path] if path.is_file() else sorted(path.iterdir()) if path.is_dir() else []
    for file in found:
        if file.suffix in _PICKLES:
            raise ModelError(f"{file} may hold a pickle, which can run any code when it is opened: refused; convert it to safetensors")
    if not path.is_dir():
        raise ModelError(f"no checkpoint at {path}: give a folder")


def _expect(folder: Path, what: str, found: object, expected: object) -> None:
    if found != expected:
        raise ModelError(f"checkpoint {folder}: {what} is {found!r}, expected {expected!r}")


def _sha256(path: Path) -> str:
    if not path.is_file():
        raise ModelError(f"checkpoint file {path} is missing")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
