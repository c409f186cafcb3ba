"""How many posts a topic gets and how many of them are negative, by hour, weekday and slow chance.

Every value is a pure function of (seed, time): chance comes from noise that is drawn per day, never from a running state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.records import BIN, DAY, HOUR
from producers.subjects import Subject

Array = NDArray[np.float64]

BINS_A_DAY: Final = DAY // BIN
# The audience lives five hours behind UTC: midnight UTC, where the demo starts, is its evening.
AUDIENCE: Final = -5 * HOUR

_DAILY = 0.7  # of log volume: about four times as many posts at the peak as in the trough
_SHARE_DAILY = 0.15  # of the log odds of a negative post: highest in the early morning
# AR(1) drift: standard deviation and correlation time in bins.
_VOLUME_DRIFT = (0.3, 12.0)
_SHARE_DRIFT = (0.15, 24.0)
_STREAM = 1  # tells this noise from that of the posts


class Rhythm:
    """Rates (posts per bin) and negative shares of several topics, one day of bins at a time."""

    def __init__(self, seed: int, subjects: Sequence[Subject], rate: float) -> None:
        self._seed = seed
        self._subjects = tuple(subjects)
        week = np.arange(7 * BINS_A_DAY) * BIN
        usual = np.exp(self._cycle(week)).mean(axis=0)
        self._level = np.log(np.array([s.volume for s in subjects]) * rate / usual)
        base = np.array([s.negative for s in subjects])
        self._odds = np.log(base / (1 - base))
        self._days: dict[int, tuple[Array, Array]] = {}

    def day(self, day: int) -> tuple[Array, Array]:
        """(rates, shares) of the UTC day with that index since the epoch, each of shape (288 bins, topics)."""
        if day not in self._days:
            if len(self._days) > 3:
                self._days.pop(next(iter(self._days)))
            self._days[day] = self._make(day)
        return self._days[day]

    def _make(self, day: int) -> tuple[Array, Array]:
        times = day * DAY + np.arange(BINS_A_DAY) * BIN
        noise = np.concatenate([self._noise(day - 1), self._noise(day)])
        volume = self._level + self._cycle(times) + _drift(noise[:, 0], *_VOLUME_DRIFT) - _VOLUME_DRIFT[0] ** 2 / 2
        hours = ((times + AUDIENCE) % DAY / HOUR)[:, None]
        odds = self._odds + _SHARE_DAILY * np.cos(2 * np.pi * (hours - 6) / 24) + _drift(noise[:, 1], *_SHARE_DRIFT)
        return np.exp(volume), 1 / (1 + np.exp(-odds))

    def _cycle(self, times: NDArray[np.int64]) -> Array:
        """Log of the volume relative to the mean, shape (times, topics); depends on the local hour and weekday only."""
        local = times + AUDIENCE
        hours = (local % DAY / HOUR)[:, None]
        weekend = ((local // DAY + 3) % 7 >= 5)[:, None]  # day 0 of the epoch was a Thursday
        peak = np.array([s.peak for s in self._subjects])
        rush = np.array([s.rush for s in self._subjects])
        quiet = np.log(np.array([s.weekend for s in self._subjects]))
        cycle: Array = _DAILY * np.cos(2 * np.pi * (hours - peak) / 24) + rush * np.cos(4 * np.pi * (hours - 8) / 24)
        cycle += weekend * quiet
        return cycle

    def _noise(self, day: int) -> Array:
        rng = np.random.default_rng((self._seed, _STREAM, day))
        return rng.standard_normal((BINS_A_DAY, 2, len(self._subjects)))


def _drift(noise: Array, sigma: float, tau: float) -> Array:
    """AR(1) values of the second half of `noise` (2 days, topics): the weights of the past end after a day, e^−12 at most."""
    fade = np.exp(-1 / tau)
    weights = sigma * np.sqrt(1 - fade**2) * fade ** np.arange(BINS_A_DAY)
    return np.stack([np.convolve(column, weights)[BINS_A_DAY : 2 * BINS_A_DAY] for column in noise.T], axis=1)
