"""What must not change the detector's answers: late and shuffled input, restarts, a cold start, ten thousand topics."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bench_alerts import detect
from pipeline.binfile import BinFile, incidents
from pipeline.detector import Detector
from pipeline.records import BIN, MINUTE, Bin
from pipeline.simulate import PER_DAY, Scenario, Stream, simulate

SMALL = Scenario(topics=36, warm_days=7, days=7)
LATE = 0.10  # of the posts, by Exp(10 min)
VERY_LATE = 0.01  # by three to six hours
CLOSES_AFTER = 2  # bins: the allowed lateness of ten minutes
KILLS = 20
MANY = 10_000


def run(seed: int) -> dict[str, Any]:
    """All of them, as figures by name."""
    stream = simulate(seed, SMALL)
    return {**late(stream, seed), **restarts(stream, seed), **cold(seed), **tick()}


def late(stream: Stream, seed: int) -> dict[str, float]:
    """Share of the incidents of the input in order that the late input gives too, in the end and at the time.

    A tenth of the posts comes late, one in a hundred hours late. In the end every bin is what it would have been, so the incidents must
    be the same; what was known when a bin closed differs, so a crossing may be found a bin later or only as a late one.
    """
    n, x = early_counts(stream, np.random.default_rng(seed))
    whole, known = _bins(stream, stream.n, stream.x.astype(np.int64)), _bins(stream, n, x)
    plain = incidents(BinFile(whole, whole, False, []))
    final = incidents(BinFile(whole, known, False, []))
    keys = {(item["topic"], item["onset"]) for item in plain}
    same = {(item["topic"], item["onset"]) for item in final}
    in_time = sum(item["fired"] is not None for item in final)
    return {
        "late input: same incidents in the end": round(len(keys & same) / max(len(keys | same), 1), 4),
        "late input: found in time": round(in_time / max(len(final), 1), 4),
    }


def early_counts(stream: Stream, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Posts and negatives (bins, topics) that were there when each bin closed."""
    missed = VERY_LATE + LATE * np.exp(-np.arange(CLOSES_AFTER, CLOSES_AFTER + 1) * BIN / (10 * MINUTE))[0]
    x = stream.x.astype(np.int64)
    negative = rng.binomial(x, 1 - missed)
    return np.asarray(negative + rng.binomial(stream.n - x, 1 - missed)), np.asarray(negative)


def _bins(stream: Stream, n: NDArray[np.int64], x: NDArray[np.int64]) -> list[Bin]:
    return [
        Bin(str(topic), stream.time(b), float(n[b, topic]), float(n[b, topic]), int(n[b, topic]), float(x[b, topic]), 0, 0)
        for b, topic in np.argwhere(n > 0).tolist()
    ]


def restarts(stream: Stream, seed: int) -> dict[str, float]:
    """Share of kills at random points of a spike after which the events and the final state are exactly those without the kill."""
    spike = max(stream.spikes, key=lambda item: item.extra)
    first, last = max(spike.start - PER_DAY, 0), spike.end + PER_DAY // 8
    before = _driven(stream, 0, first, None)[0]
    reference = _driven(stream, first, last, before)
    rng = np.random.default_rng(seed)
    equal = 0
    for cut in rng.integers(spike.start, spike.end, KILLS).tolist():
        half = _driven(stream, first, cut, before)
        rest = _driven(stream, cut, last, half[0])
        equal += half[1] + rest[1] == reference[1] and rest[0] == reference[0]
    return {"kill in a spike: same messages, same state": equal / KILLS}


def _driven(stream: Stream, first: int, last: int, state: bytes | None) -> tuple[bytes, list[object]]:
    names = [str(i) for i in range(stream.n.shape[1])]
    detector = Detector.from_bytes(state) if state else Detector(names, stream.time(first))
    events: list[object] = []
    for b in range(first, last):
        events += detector.step(stream.time(b), stream.n[b], stream.x[b], stream.n[b])
    return detector.to_bytes(), events


def cold(seed: int) -> dict[str, float | None]:
    """Recall and false alarms of an installation in its first two days, and in the twelve days after them."""
    days = {
        "first two days": Scenario(warm_days=0, days=2, spikes=1, decoys=0),
        "days three to fourteen": Scenario(warm_days=2, days=12),
    }
    out: dict[str, float | None] = {}
    for name, scenario in days.items():
        figures = detect(simulate(seed, scenario)).to_json()
        out[f"cold start, {name}: recall"] = figures["recall"]
        out[f"cold start, {name}: false alarms per topic-day"] = figures["false_alarms_per_topic_day"]
    return out


def tick(topics: int = MANY) -> dict[str, float]:
    """Processor seconds of the slowest of a day's ticks with that many topics, the slow step at midnight included."""
    rng = np.random.default_rng(0)
    detector = Detector([str(i) for i in range(topics)], 0)
    n = rng.poisson(2.0, topics)
    x = rng.binomial(n, 0.2)
    seconds = []
    for b in range(PER_DAY + 1):
        begin = time.process_time()
        detector.step(b * BIN, n, x, n)
        seconds.append(time.process_time() - begin)
    return {
        f"{topics:,} topics: slowest tick, CPU s": round(max(seconds), 3),
        f"{topics:,} topics: median tick, CPU s": round(float(np.median(seconds)), 3),
    }
