"""Text to emotion: labels, engines, training, calibration, evaluation. `load` gives a Classifier by name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pipeline.errors import ModelError
from pipeline.ports import Classifier

WEIGHTS: Final = Path(__file__).parent / "weights"


def load(name: str = "auto", batch_size: int | None = None) -> Classifier:
    """A classifier: "auto", "static", "onnx", "cascade", "vader", or the folder of a checkpoint. `batch_size`: texts per round.

    ModelError if there is no such model, or its checkpoint is altered or of another shape.
    """
    if name == "vader":
        from models.lexicon import RATES, Lexicon, Rates

        return Lexicon(Rates.read(RATES))
    if name == "cascade" and name in shipped():
        from models.cascade import Cascade
        from models.checkpoint import open_checkpoint

        return Cascade(open_checkpoint(WEIGHTS / "static"), open_checkpoint(WEIGHTS / "onnx"), batch_size)
    folder = Path(name) if name not in shipped() else WEIGHTS / ("static" if name == "auto" else name)
    return _engine(folder, name, batch_size)


def shipped() -> tuple[str, ...]:
    """The names that `load` knows besides folders; the vader engine has rates and no checkpoint."""
    names = [path.parent.name for path in sorted(WEIGHTS.glob("*/config.json"))]
    return ("auto", *names, *(["cascade"] if {"onnx", "static"} <= set(names) else []))


def _engine(folder: Path, name: str, batch_size: int | None) -> Classifier:
    from models.checkpoint import open_checkpoint

    if not folder.exists():
        raise ModelError(f"no model {name!r}: choose {', '.join(shipped())}, vader, or the folder of a checkpoint")
    checkpoint = open_checkpoint(folder)
    if checkpoint.kind == "static":
        from models.static import Static

        return Static(checkpoint, batch_size)
    if checkpoint.kind == "onnx":
        from models.onnx import Onnx

        return Onnx(checkpoint, batch_size)
    raise ModelError(
        f"checkpoint {folder}: kind is {checkpoint.kind!r}, expected static or onnx; `moodstream train onnx` exports a transformer"
    )
