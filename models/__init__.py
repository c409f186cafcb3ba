"""Text to emotion: labels, engines, training, calibration, evaluation. `load` gives a Classifier by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline.errors import ModelError
from pipeline.ports import Classifier

if TYPE_CHECKING:
    from models.checkpoint import Checkpoint

WEIGHTS: Final = Path(__file__).parent / "weights"


def load(name: str = "auto", batch_size: int | None = None) -> Classifier:
    """A classifier: "auto", "static", "onnx", "cascade", "vader", or the folder of a checkpoint. `batch_size`: texts per round.

    ModelError if there is no such model, or its checkpoint is altered or of another shape.
    """
    from models.checkpoint import open_checkpoint

    if name == "vader":
        from models.lexicon import RATES, Lexicon, Rates

        return Lexicon(Rates.read(RATES))
    if name == "cascade" and name in shipped():
        from models.cascade import Cascade

        return Cascade(open_checkpoint(WEIGHTS / "static"), open_checkpoint(WEIGHTS / "onnx"), batch_size)
    return _engine(open_checkpoint(_folder(name)), batch_size)


def shipped() -> tuple[str, ...]:
    """The names that `load` knows besides folders; the vader engine has rates and no checkpoint."""
    names = [path.parent.name for path in sorted(WEIGHTS.glob("*/config.json"))]
    return ("auto", *names, *(["cascade"] if {"onnx", "static"} <= set(names) else []))


def card(name: str) -> str:
    """The model card of "static", "onnx" or a folder with a checkpoint, Markdown. ModelError if it has none."""
    from models.checkpoint import open_checkpoint

    if name in ("cascade", "vader"):
        raise ModelError(f"{name} has no card of its own: see docs/models.md, and the cards of static and onnx")
    return open_checkpoint(_folder(name)).card


def _folder(name: str) -> Path:
    folder = WEIGHTS / ("static" if name == "auto" else name) if name in shipped() else Path(name)
    if not folder.exists():
        raise ModelError(f"no model {name!r}: choose {', '.join(shipped())}, vader, or the folder of a checkpoint")
    return folder


def _engine(checkpoint: Checkpoint, batch_size: int | None) -> Classifier:
    if checkpoint.kind == "static":
        from models.static import Static

        return Static(checkpoint, batch_size)
    if checkpoint.kind == "onnx":
        from models.onnx import Onnx

        return Onnx(checkpoint, batch_size)
    kind = f"checkpoint {checkpoint.folder}: kind is {checkpoint.kind!r}, expected static or onnx"
    raise ModelError(f"{kind}; `moodstream train onnx` exports a transformer")
