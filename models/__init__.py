"""Text to emotion: labels, engines, training, calibration, evaluation. `load` gives a Classifier by name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pipeline.errors import ModelError
from pipeline.ports import Classifier

WEIGHTS: Final = Path(__file__).parent / "weights"


def load(name: str = "auto", batch_size: int | None = None) -> Classifier:
    """A classifier: "auto", "static", "vader", or the folder of a checkpoint. `batch_size`: texts per round, None for the engine's own.

    ModelError if there is no such model, or its checkpoint is altered or of another shape.
    """
    if name == "vader":
        from models.lexicon import RATES, Lexicon, Rates

        return Lexicon(Rates.read(RATES))
    shipped = {"auto": WEIGHTS / "static", "static": WEIGHTS / "static"}
    return _engine(shipped.get(name) or Path(name), name, batch_size)


def _engine(folder: Path, name: str, batch_size: int | None) -> Classifier:
    from models.checkpoint import open_checkpoint

    if not folder.exists():
        raise ModelError(f"no model {name!r}: choose auto, static, vader, or the folder of a checkpoint")
    checkpoint = open_checkpoint(folder)
    if checkpoint.kind == "static":
        from models.static import Static

        return Static(checkpoint, batch_size)
    raise ModelError(f"checkpoint {folder}: kind is {checkpoint.kind!r}, expected static")
