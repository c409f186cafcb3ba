"""The figures of a checkpoint's card: measured on every set that is held out, written into the card, and sealed with a new digest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import models
from models import behaviour, dataset
from models.card import Measured, static_card, transformer_card, with_figures
from models.card import teacher_share as told_share
from models.checkpoint import Checkpoint, open_checkpoint, save
from models.evaluate import Raw, evaluate, refitted
from models.labelled import Columns, Labelled, read
from models.labels import INTENSITY, VALENCE
from pipeline.errors import InputError, ModelError
from pipeline.ports import Classifier


def measure(engine: Classifier, data: Path) -> Measured:
    """Measure on the held-out sets under the folder `data`: a minute for the bag on one core. InputError if a set is missing."""
    emotions = read(data / "goemotions" / "dev.tsv", Columns())
    bank = read(data / "emobank" / "emobank.csv", Columns(valence="V", arousal="A", where=("split", "dev")))
    rated = _rated(data)
    return Measured(
        shipped=evaluate(engine, emotions),
        refitted=refitted(engine, emotions) if isinstance(engine, Raw) else None,
        emobank=evaluate(engine, bank),
        vader=evaluate(engine, rated),
        behaviour=behaviour.run(engine),
    )


def _rated(data: Path) -> Labelled:
    """VADER's held-out sentences with valence and overall intensity."""
    try:
        held = dataset.vader(data / "vader", "dev")
    except OSError as error:
        raise InputError(f"VADER's rated sentences can't be read: {error}") from error
    if not held.texts:
        raise InputError(f"{data / 'vader'} has no held-out sentence")
    targets = held.targets.astype(np.float64)
    return Labelled(held.texts, intensity=targets[:, INTENSITY], valence=targets[:, VALENCE])


def write_card(folder: Path, data: Path, teacher_share: float | None = None) -> Checkpoint:
    """Measure the checkpoint in a folder, write its card anew and save it: calibration, options and weights stay, the digest is new.

    `teacher_share`: of a teacher's answers in what it was taught, 0 for none; None for what its card says. InputError if it doesn't say.
    """
    checkpoint = open_checkpoint(folder)
    if teacher_share is None:
        teacher_share = told_share(checkpoint.card) if "card.md" in checkpoint.files else None
    if teacher_share is None:
        raise InputError(f"the card in {folder} doesn't say whether a teacher helped: give --teacher-share, 0 for the labels alone")
    text = _card(checkpoint, teacher_share)
    found = measure(models.load(str(folder)), data)
    (folder / "card.md").write_text(with_figures(text, found), encoding="utf-8")
    return save(folder, checkpoint.kind, checkpoint.calibration, checkpoint.options, (*checkpoint.files, "card.md"))


def _card(checkpoint: Checkpoint, teacher_share: float) -> str:
    """The card without figures of a checkpoint of any kind that is trained here."""
    if checkpoint.kind in ("onnx", "transformer"):
        return transformer_card(teacher_share)
    if checkpoint.kind != "static":
        raise ModelError(f"checkpoint {checkpoint.folder} is of kind {checkpoint.kind!r}: no card is known for it")
    from safetensors import safe_open

    with safe_open(checkpoint.folder / "arrays.safetensors", "numpy") as arrays:
        (_, width), (pairs,) = (arrays.get_slice(name).get_shape() for name in ("table", "keys"))
    return static_card(width, pairs, teacher_share)
