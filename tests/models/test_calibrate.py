"""Calibration finds the scale and shift that were put in, and thresholds cut where F1 is best."""

from __future__ import annotations

import json

import numpy as np
import pytest

from models import calibrate, metrics
from pipeline.records import SCALE


def test_platt_undoes_a_known_distortion() -> None:
    """Logits that were doubled and shifted come back, so that probabilities are right again."""
    draw = np.random.default_rng(3)
    true = draw.normal(-1, 2, (20_000, 28))
    emotions = (draw.random(true.shape) < calibrate.sigmoid(true)).astype(float)
    sentiments = np.eye(3)[draw.integers(0, 3, len(true))]
    raw = np.concatenate([2 * true + 1, draw.normal(size=(len(true), 6))], axis=1)
    found = calibrate.fit(raw, emotions, sentiments)
    assert found.scale == pytest.approx(np.full(28, 0.5), abs=0.03)
    assert found.shift == pytest.approx(np.full(28, -0.5), abs=0.08)
    assert max(metrics.calibration_error(found.emotions(raw)[:, k], emotions[:, k]) for k in range(28)) < 0.015


def test_sentiments_are_scaled_to_their_shares() -> None:
    """Outputs that say nothing become the shares of the three classes."""
    shares = np.tile([0.5, 0.3, 0.2], (500, 1))
    raw = np.zeros((500, 34))
    found = calibrate.fit(raw, np.zeros((500, 28)), shares)
    assert found.sentiments(raw)[0] == pytest.approx([0.5, 0.3, 0.2], abs=1e-6)


def test_the_best_threshold_separates_what_can_be_separated() -> None:
    """Where the positives lie above the negatives, the threshold lies at the lowest positive or just above."""
    p = np.array([9000.0] * 10 + [8000.0] * 10 + [1000.0] * 80)
    truth = np.array([1.0] * 20 + [0.0] * 80)
    assert 1000 < calibrate.best_threshold(p, truth) <= 8500


def test_json_gives_the_calibration_back() -> None:
    """What config.json holds is what was fitted, bit by bit."""
    draw = np.random.default_rng(1)
    before = calibrate.Calibration(draw.normal(size=28), draw.normal(size=28), 0.7, draw.normal(size=3), draw.integers(1, SCALE, 28))
    after = calibrate.Calibration.from_json(json.loads(json.dumps(before.to_json())))
    assert before.to_json() == after.to_json()


def test_a_calibration_of_another_length_is_refused() -> None:
    """27 thresholds are one too few."""
    data = calibrate.identity().to_json()
    data["thresholds"] = data["thresholds"][:-1]
    with pytest.raises(ValueError, match="shapes of calibration"):
        calibrate.Calibration.from_json(data)
