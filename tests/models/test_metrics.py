"""Metrics give what is computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models import metrics

TRUTH = np.array([[1, 0], [1, 0], [0, 1], [0, 0]], bool)
PREDICTED = np.array([[1, 0], [0, 0], [1, 1], [0, 0]], bool)


def test_f1_by_hand() -> None:
    """First label: 1 hit, 1 false, 1 missed → 0.5; second: 1 hit alone → 1; macro 0.75; micro 2·2/(3+3)."""
    assert metrics.f1(PREDICTED, TRUTH).tolist() == [0.5, 1.0]
    assert metrics.macro_f1(PREDICTED, TRUTH) == 0.75
    assert metrics.micro_f1(PREDICTED, TRUTH) == pytest.approx(4 / 6)


def test_a_label_that_never_occurs_has_no_part_in_the_mean() -> None:
    """Its own F1 is 0, predicted or not; the mean is over the labels that occur, and nan if none does."""
    nothing = np.zeros((4, 1), bool)
    assert metrics.f1(nothing, nothing).tolist() == [0.0]
    assert metrics.macro_f1(np.hstack([PREDICTED, ~nothing]), np.hstack([TRUTH, nothing])) == 0.75
    assert np.isnan(metrics.macro_f1(nothing, nothing))
    assert np.isnan(metrics.micro_f1(nothing, nothing))


def test_a_label_that_a_resample_misses_stays_in_the_mean() -> None:
    """Which labels count is a matter of the file, not of the draw: weights of 0 leave both in."""
    assert metrics.macro_f1(PREDICTED, TRUTH, np.array([1.0, 1.0, 0.0, 1.0])) == pytest.approx((2 / 3 + 0) / 2)


def test_weights_count_rows_as_often_as_they_say() -> None:
    """A row of weight 2 is two rows, one of weight 0 is none."""
    twice = np.array([2.0, 1.0, 0.0, 1.0])
    rows = [0, 0, 1, 3]
    assert metrics.f1(PREDICTED[rows], TRUTH[rows]).tolist() == metrics.f1(PREDICTED, TRUTH, twice).tolist()


def test_recalls_by_hand() -> None:
    """Two of three, one of one, and nan for a class that is not there."""
    found = metrics.recalls(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1]), 3)
    assert found[:2].tolist() == [pytest.approx(2 / 3), 1.0]
    assert np.isnan(found[2])


def test_calibration_error_by_hand() -> None:
    """Two bins of two: |0.15 − 0| and |0.85 − 0.5|, weighted by one half each."""
    p = np.array([0.1, 0.2, 0.8, 0.9])
    assert metrics.calibration_error(p, np.array([0.0, 0.0, 1.0, 0.0]), bins=2) == pytest.approx(0.25)


def test_calibration_error_of_a_calibrated_forecast_is_small() -> None:
    """Outcomes drawn with the forecast probabilities leave only sampling error."""
    draw = np.random.default_rng(5)
    p = draw.random(50_000)
    assert metrics.calibration_error(p, (draw.random(50_000) < p).astype(float)) < 0.01


def test_correlations_by_hand() -> None:
    """A parabola: ranks agree fully, values nearly; ties share their mean rank."""
    x = np.array([1.0, 2.0, 3.0, 4.0])
    assert metrics.pearson(x, x**2) == pytest.approx(0.98437, abs=1e-5)
    assert metrics.spearman(x, x**2) == pytest.approx(1.0)
    assert metrics.ranks(np.array([5.0, 1.0, 5.0])).tolist() == [2.5, 1.0, 2.5]


def test_the_bootstrap_covers_a_mean() -> None:
    """The interval of a mean of 400 values of sd 1 is about ±0.098, and the value is that of all rows."""
    x = np.random.default_rng(2).normal(size=400)
    found = metrics.bootstrap(lambda w: float(w @ x / w.sum()), 400)
    assert found.value == pytest.approx(x.mean())
    assert found.high - found.low == pytest.approx(4 * 0.98 * x.std() / 20, rel=0.12)


def test_the_bootstrap_of_what_has_no_value_has_no_bounds() -> None:
    """One text has no correlation, nor has any resample of it: nan all over, null in JSON, a dash for people."""
    found = metrics.bootstrap(lambda w: metrics.pearson(np.ones(1), np.ones(1), w), 1)
    assert np.isnan([found.value, found.low, found.high]).all()
    assert {"value": None, "low": None, "high": None, "n": 1} == found.to_json()
    assert "–" == metrics.interval(found.to_json())
    assert "0.500 (0.250–0.750)" == metrics.interval({"value": 0.5, "low": 0.25, "high": 0.75})
