"""Text to emotion: labels, engines, training, calibration, evaluation."""
