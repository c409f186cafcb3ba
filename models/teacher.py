"""What a model that is already there says of training texts, as targets for the next one (Hinton et al. 2015, Furlanello et al. 2018)."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import models
from models import dataset
from models.labels import AROUSAL, EMOTION_COLUMNS, INTENSITY, SENTIMENT_COLUMNS, VALENCE, WIDTH
from models.onnx import Onnx
from models.static import Static
from pipeline.errors import ModelError

log = logging.getLogger(__name__)

_LOGGED = 5_000  # texts between two lines about the progress


def taught(examples: dataset.Examples, teacher: Path, share: float) -> NDArray[np.float32]:
    """Targets mixed with the calibrated answers of a checkpoint; where the data says nothing, the answers alone."""
    answers = _answers(examples.texts, teacher)
    known = np.where(np.isnan(answers), examples.targets, share * answers + (1 - share) * examples.targets)
    return np.where(np.isnan(examples.targets), answers, known).astype(np.float32)


def with_emotions_taught(examples: dataset.Examples, teacher: Path, share: float) -> dataset.Examples:
    """The examples with their 28 emotions mixed with a checkpoint's answers, and nothing else changed."""
    targets = examples.targets.copy()
    answers = _answers(examples.texts, teacher)[:, EMOTION_COLUMNS]
    targets[:, EMOTION_COLUMNS] = share * answers + (1 - share) * targets[:, EMOTION_COLUMNS]
    return replace(examples, targets=targets)


def _answers(texts: list[str], teacher: Path) -> NDArray[np.float32]:
    engine = models.load(str(teacher))
    if not isinstance(engine, (Onnx, Static)):
        raise ModelError(f"{teacher} can't teach: it has no probabilities of its own")
    answers = np.full((len(texts), WIDTH), np.nan, np.float32)
    for start in range(0, len(texts), _LOGGED):
        raw = engine.raw(texts[start : start + _LOGGED])
        part = answers[start : start + len(raw)]
        part[:, EMOTION_COLUMNS], part[:, SENTIMENT_COLUMNS] = engine.calibration.emotions(raw), engine.calibration.sentiments(raw)
        part[:, [VALENCE, AROUSAL, INTENSITY]] = np.clip(raw[:, [VALENCE, AROUSAL, INTENSITY]], -1, 1)
        log.info("taught %d of %d texts", start + len(raw), len(texts))
    return answers
