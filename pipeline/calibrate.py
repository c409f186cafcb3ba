"""The detector's threshold from a budget: "at most F false alarms a week over all topics", on the user's own history.

Copies of the history in which nothing happened (pipeline/redrawn.py) are run at a range of thresholds; the lowest one whose false
alarms stay within the budget is the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.detector import DetectorConfig
from pipeline.errors import InputError
from pipeline.records import BIN, DAY, Bin
from pipeline.redrawn import false_alarms, history, usual

THRESHOLDS = tuple(k / 2 for k in range(-4, 13))  # −2 … 6
LEAST_DAYS = 7
LEARNING = 3 * DAY  # of a copy, which starts from what the group has taught
MOST_TOPICS = 60  # with the most posts; each counts (topics / 60) fold if there are more
COLUMNS = 2_000  # copies × thresholds × topics side by side: 9 ms a bin
WEEK = 7 * DAY


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a budget asks for."""

    budget: float  # false alarms a week over all topics
    threshold: float | None  # None: even the highest one tried gives more
    curve: tuple[tuple[float, float], ...]  # threshold → false alarms a week over all topics
    topics: tuple[tuple[str, float], ...]  # at that threshold: topic → false alarms a week
    days: float  # of history
    copies: int
    total_topics: int

    def to_json(self) -> dict[str, Any]:
        """As a program reads it."""
        return {
            "budget_per_week": self.budget,
            "threshold": self.threshold,
            "curve": [{"threshold": t, "false_alarms_per_week": round(rate, 4)} for t, rate in self.curve],
            "topics": [{"topic": topic, "false_alarms_per_week": round(rate, 4)} for topic, rate in self.topics],
            "days": round(self.days, 2),
            "copies": self.copies,
        }


def calibrate(
    bins: Sequence[Bin], budget: float, config: DetectorConfig | None = None, *, most_copies: int = 8, seed: int = 0
) -> Calibration:
    """The threshold for a budget. `bins`: the history of all topics by start. InputError for less than a week of it."""
    if not bins or bins[-1].start + BIN - bins[0].start < LEAST_DAYS * DAY:
        raise InputError(f"calibrating needs at least {LEAST_DAYS} days of posts; until then the default threshold is the better guess")
    posts: dict[str, float] = {}
    for item in bins:
        posts[item.topic] = posts.get(item.topic, 0.0) + item.n
    chosen = sorted(sorted(posts, key=lambda topic: (-posts[topic], topic))[:MOST_TOPICS])
    real = history(bins, chosen, bins[-1].start + BIN)
    known = usual(real, _zeroed(config or DetectorConfig()))
    copies = max(1, min(most_copies, COLUMNS // (len(chosen) * len(THRESHOLDS))))
    counts = false_alarms(real, known, THRESHOLDS, copies, LEARNING // BIN, seed)
    weeks = (len(real.n) * BIN - LEARNING) / WEEK
    per_topic = counts.sum(axis=0) / (copies * weeks) * (len(posts) / len(chosen))  # (thresholds, topics)
    rates = np.minimum.accumulate(per_topic.sum(axis=1))  # a higher threshold never alerts more but by chance
    threshold = within(THRESHOLDS, rates.tolist(), budget)
    nearest = int(np.argmin(np.abs(np.array(THRESHOLDS) - (THRESHOLDS[-1] if threshold is None else threshold))))
    return Calibration(
        budget=budget,
        threshold=threshold,
        curve=tuple(zip(THRESHOLDS, map(float, rates), strict=True)),
        topics=tuple(sorted(zip(chosen, map(float, per_topic[nearest]), strict=True), key=lambda pair: (-pair[1], pair[0]))),
        days=len(real.n) * BIN / DAY,
        copies=copies,
        total_topics=len(posts),
    )


def _zeroed(config: DetectorConfig) -> DetectorConfig:
    """The configuration at threshold 0: the thresholds that are tried are added to it. Sensitivities stay."""
    return replace(config, threshold=0.0)


def within(thresholds: Sequence[float], rates: Sequence[float], budget: float) -> float | None:
    """The lowest threshold, in tenths, whose rate is within the budget; between two of them the logarithm of the rate is a line."""
    last: tuple[float, float] | None = None
    for threshold, rate in zip(thresholds, rates, strict=True):
        if rate <= budget:
            if last is None:
                return threshold
            low, high = np.log(max(rate, 1e-3)), np.log(last[1])
            part = (high - np.log(max(budget, 1e-3))) / max(high - low, 1e-9)
            exact = last[0] + min(max(float(part), 0.0), 1.0) * (threshold - last[0])
            return float(np.ceil(exact * 10 - 1e-9) / 10)
        last = (threshold, float(rate))
    return None
