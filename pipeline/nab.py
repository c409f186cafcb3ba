"""Scoring by the rules of the Numenta Anomaly Benchmark (Lavin & Ahmad 2015), and its tweet counts as input.

A detection inside a labelled window earns by how early it is (scaled sigmoid), only the first one counts; one outside costs by how
far it is from the last window; a missed window costs. 100 is perfect, 0 is a detector that never speaks.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.records import BIN, DAY, to_ms
from pipeline.volume import VolumeConfig, VolumeRule

PROFILES: Mapping[str, tuple[float, float, float]] = {  # weights of a true positive, a false positive, a miss
    "standard": (1.0, 0.11, 1.0),
    "low FP": (1.0, 0.22, 1.0),
    "low FN": (1.0, 0.11, 2.0),
}
PROBATION = 0.15  # of a file's rows, at most of 5,000, are not scored
FARTHEST = 3.0  # window widths behind a window from where a false alarm costs all
SHOWN = "realTweets/"


@dataclass(frozen=True, slots=True)
class Series:
    """One file: the start of each row in ms, its counts, and the labelled windows as first and last row."""

    name: str
    start: tuple[int, ...]
    value: tuple[float, ...]
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        """Rows that are not scored."""
        return int(min(PROBATION * len(self.start), PROBATION * 5000))


@dataclass(frozen=True, slots=True)
class NabScore:
    """The result over all series."""

    profiles: dict[str, float]  # 0 .. 100
    windows: int
    found: int
    false: int  # detections outside windows
    topic_days: float

    @property
    def false_per_topic_day(self) -> float:
        """False onsets per series and day."""
        return self.false / self.topic_days


def load(folder: Path) -> list[Series]:
    """The series of a folder with `Twitter_volume_*.csv` and `labels_combined_windows.json`, or of a checkout of NAB. InputError."""
    labels = next((p for p in (folder / "labels_combined_windows.json", folder / "labels" / "combined_windows.json") if p.is_file()), None)
    files = sorted([*folder.glob("Twitter_volume_*.csv"), *folder.glob("data/realTweets/Twitter_volume_*.csv")])
    if labels is None or not files:
        raise InputError(f"no NAB tweets in {folder}: it needs Twitter_volume_*.csv and labels_combined_windows.json")
    windows = json.loads(labels.read_text(encoding="utf-8"))
    return [_series(file, windows[SHOWN + file.name]) for file in files]


def _series(file: Path, windows: Sequence[Sequence[str]]) -> Series:
    with file.open(encoding="utf-8", newline="") as lines:
        rows = [(to_ms(row["timestamp"]), float(row["value"])) for row in csv.DictReader(lines)]
    place = {t: i for i, (t, _) in enumerate(rows)}
    found = tuple((place[to_ms(a)], place[to_ms(b)]) for a, b in windows)
    return Series(file.stem.removeprefix("Twitter_volume_"), tuple(t for t, _ in rows), tuple(v for _, v in rows), found)


def scaled_sigmoid(position: float) -> float:
    """−1 … 1: reward at a position relative to a window, −1 its first row, 0 its end, above 0 behind it."""
    return -1.0 if position > FARTHEST else 2 / (1 + math.exp(5 * position)) - 1


def score(series: Sequence[Series], detections: Sequence[Sequence[int]]) -> NabScore:
    """The benchmark's score of the detected rows of each series."""
    windows = sum(len(item.windows) for item in series)
    days = sum((len(item.start) - item.probation) * BIN / DAY for item in series)
    parts = [_parts(item, rows) for item, rows in zip(series, detections, strict=True)]
    found = sum(value is not None for hits, _ in parts for value in hits)
    profiles = {}
    for name, (true, false, miss) in PROFILES.items():
        raw = sum(sum(-miss if hit is None else true * hit for hit in hits) + false * sum(costs) for hits, costs in parts)
        profiles[name] = 100 * (raw + miss * windows) / (true * windows + miss * windows)
    return NabScore(profiles, windows, found, sum(len(costs) for _, costs in parts), days)


def _parts(item: Series, rows: Sequence[int]) -> tuple[list[float | None], list[float]]:
    """What each window earned (None: missed), and what each detection outside of windows costs."""
    hits: list[float | None] = [None] * len(item.windows)
    costs: list[float] = []
    for row in sorted(rows):
        if row < item.probation:
            continue
        inside = next((i for i, (a, b) in enumerate(item.windows) if a <= row <= b), None)
        if inside is None:
            costs.append(_cost(item, row))
        elif hits[inside] is None:
            a, b = item.windows[inside]
            hits[inside] = scaled_sigmoid(-(b - row + 1) / (b - a + 1)) / scaled_sigmoid(-1.0)
    return hits, costs


def _cost(item: Series, row: int) -> float:
    before = [(a, b) for a, b in item.windows if b < row]
    if not before:
        return -1.0
    a, b = before[-1]
    return scaled_sigmoid((row - b) / (b - a))


def volume_alerts(series: Sequence[Series], config: VolumeConfig | None = None) -> list[list[int]]:
    """Rows of each series at which the return-period rule alerts; the series run side by side, as topics of one installation."""
    first = min(item.start[0] for item in series) // BIN
    bins = max(item.start[-1] for item in series) // BIN - first + 1
    counts = np.zeros((bins, len(series)))
    row: list[dict[int, int]] = []
    for i, item in enumerate(series):
        places = [t // BIN - first for t in item.start]
        counts[places, i] = item.value
        row.append({place: k for k, place in enumerate(places)})
    rule = VolumeRule(len(series), config)
    found: list[list[int]] = [[] for _ in series]
    for b in range(bins):
        for i in np.flatnonzero(rule.step((first + b) * BIN, counts[b])).tolist():
            if b in row[i]:
                found[i].append(row[i][b])
    return found
