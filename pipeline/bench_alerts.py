"""How often an alert is right and how late it comes: the detector and the usual rules on simulated streams with known spikes.

A spike counts when it brings at least eight extra negatives. It is hit by an alert between its start and 30 minutes after its end;
an alert is false unless it comes within two hours after the end of a spike of its topic. Delay: from the start of the spike to
the end of the bin that made it fire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from pipeline.detector import Detector, DetectorConfig, Firing
from pipeline.peer_rules import PEERS, Alert, Counted
from pipeline.records import BIN, MINUTE
from pipeline.simulate import PER_DAY, PER_HOUR, Scenario, Spike, Stream, simulate

SEEDS = (1, 2, 3, 4)  # held out: nothing was chosen by them
OURS = "moodstream"
HIT_UNTIL = PER_HOUR // 2
FORGIVEN_UNTIL = 2 * PER_HOUR
BIN_MINUTES = BIN // MINUTE
LATENESS_MINUTES = 10  # a bin is closed so long after its end
THRESHOLDS = (-1.0, -0.5, 0.5, 1.0, 2.0)  # beside the default, for the curve
ROBUSTNESS: Mapping[str, Scenario] = {
    "drift and overdispersion differ by topic (log-normal, .35)": Scenario(vary=0.35),
    "the same, more (log-normal, .5)": Scenario(vary=0.5),
    "lasting step, odds ×2, in half of the topics": Scenario(stepped=0.5),
    "repost cascades, one per topic-day": Scenario(cascades=1.0),
    "ramp of an hour": Scenario(ramp=PER_HOUR),
    "overdispersion .03": Scenario(overdispersion=0.03),
    "drift twice as strong": Scenario(share_drift=(0.5, 24.0)),
    "five days of warm-up": Scenario(warm_days=5),
    "six topics only": Scenario(topics=6),
    "no spikes, 30 days": Scenario(spikes=0, decoys=0, days=30),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts of one or more streams; they add up."""

    detectable: int
    hits: int
    true: int  # alerts within a spike or two hours after it
    false: int
    messages: int  # alerts about the spikes that were hit
    topic_days: int
    delays: tuple[int, ...]  # minutes, per hit
    onset_errors: tuple[int, ...]  # minutes from the true start; empty for rules that name no onset
    tiers: Mapping[float, tuple[int, int, int, int]]  # rate → detectable, hits, false, topic-days

    def __add__(self, other: Outcome) -> Outcome:
        tiers = {t: tuple(map(add, self.tiers.get(t, (0,) * 4), other.tiers.get(t, (0,) * 4))) for t in {**self.tiers, **other.tiers}}
        return Outcome(
            self.detectable + other.detectable, self.hits + other.hits, self.true + other.true, self.false + other.false,
            self.messages + other.messages, self.topic_days + other.topic_days, self.delays + other.delays,
            self.onset_errors + other.onset_errors, tiers,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """The figures of the table; null where there is nothing to divide by."""
        return {
            "recall": _ratio(self.hits, self.detectable),
            "false_alarms_per_topic_day": _ratio(self.false, self.topic_days),
            "precision": _ratio(self.true, self.true + self.false),
            "delay_median_minutes": _quantile(self.delays, 0.5),
            "delay_p90_minutes": _quantile(self.delays, 0.9),
            "delay_median_with_lateness_minutes": _quantile([delay + LATENESS_MINUTES for delay in self.delays], 0.5),
            "messages_per_spike": _ratio(self.messages, self.hits),
            "onset_error_median_minutes": _quantile([abs(error) for error in self.onset_errors], 0.5),
            "detectable": self.detectable,
            "topic_days": self.topic_days,
            "tiers": [
                {"rate": rate, "recall": _ratio(hits, there), "false_alarms_per_topic_day": _ratio(false, days), "detectable": there}
                for rate, (there, hits, false, days) in sorted(self.tiers.items())
            ],
        }


def _ratio(a: float, b: float) -> float | None:
    return round(a / b, 4) if b else None


def _quantile(values: Sequence[float], q: float) -> float | None:
    return float(np.quantile(values, q)) if values else None


def judge(stream: Stream, alerts: Iterable[Alert], onsets: Mapping[Alert, int] | None = None) -> Outcome:
    """What the alerts (topic, bin) of one stream are worth; `onsets` gives the bin that an alert names as the beginning."""
    warm = stream.scenario.warm_days * PER_DAY
    by_topic: dict[int, list[Spike]] = {}
    for item in stream.spikes:
        by_topic.setdefault(item.topic, []).append(item)
    hits: dict[tuple[int, int], list[Alert]] = {}
    true, false = 0, []
    for topic, b in sorted(alert for alert in alerts if alert[1] >= warm):
        found = next((s for s in by_topic.get(topic, []) if s.start <= b < s.end + FORGIVEN_UNTIL), None)
        if found is None:
            false.append(topic)
            continue
        true += 1
        if b < found.end + HIT_UNTIL:
            hits.setdefault((topic, found.start), []).append((topic, b))
    there = [item for item in stream.spikes if item.detectable]
    caught = [(item, hits[item.topic, item.start]) for item in there if (item.topic, item.start) in hits]
    onsets = onsets or {}
    return Outcome(
        detectable=len(there),
        hits=len(caught),
        true=true,
        false=len(false),
        messages=sum(len(found) for _, found in caught),
        topic_days=stream.scenario.topics * stream.scenario.days,
        delays=tuple(BIN_MINUTES * (found[0][1] - item.start + 1) for item, found in caught),
        onset_errors=tuple(BIN_MINUTES * (onsets[found[0]] - item.start) for item, found in caught if found[0] in onsets),
        tiers=_tiers(stream, [item.topic for item in there], [item.topic for item, _ in caught], false),
    )


def _tiers(stream: Stream, *topics: Sequence[int]) -> dict[float, tuple[int, int, int, int]]:
    rates, days = stream.tier, stream.scenario.days
    there, hits, false = ([float(rates[i]) for i in group] for group in topics)
    return {float(r): (there.count(r), hits.count(r), false.count(r), days * int((rates == r).sum())) for r in np.unique(rates)}


def detect(stream: Stream, config: DetectorConfig | None = None) -> Outcome:
    """The detector on one stream; alerts about volume alone send no message and don't count."""
    detector = Detector([str(i) for i in range(stream.n.shape[1])], stream.scenario.start, config)
    onsets: dict[Alert, int] = {}
    for b in range(len(stream.n)):
        for event in detector.step(stream.time(b), stream.n[b], stream.x[b], stream.n[b]):
            if isinstance(event, Firing) and event.kind != "volume":
                onsets[int(event.topic), b] = (event.onset - stream.scenario.start) // BIN
    return judge(stream, onsets, onsets)


@dataclass(frozen=True, slots=True)
class Job:
    """One detector on one seed."""

    name: str
    seed: int
    scenario: Scenario
    config: DetectorConfig | None = None
    rule: str | None = None  # of PEERS

    def run(self) -> Outcome:
        """Simulate and judge."""
        stream = simulate(self.seed, self.scenario)
        if self.rule is None:
            return detect(stream, self.config)
        return judge(stream, PEERS[self.rule](Counted(stream.n, stream.x, stream.scenario.start)))


def jobs(seeds: Sequence[int], *, quick: bool = False) -> list[Job]:
    """The whole benchmark: ours, the peers, and unless quick the curve and the robustness cases."""
    plain = Scenario()
    out = [Job(OURS, seed, plain) for seed in seeds]
    out += [Job(name, seed, plain, rule=name) for name in PEERS for seed in seeds]
    if quick:
        return out
    for threshold in THRESHOLDS:
        config = replace(DetectorConfig(), threshold=threshold)
        out += [Job(f"{OURS}, threshold {threshold:g}", seed, plain, config) for seed in seeds]
    return out + [Job(name, seed, scenario) for name, scenario in ROBUSTNESS.items() for seed in seeds]


def run(todo: Sequence[Job], workers: int, done: Callable[[], None] = lambda: None) -> dict[str, Outcome]:
    """Outcomes by name, added over seeds, in the order of the jobs; `done` is called after each."""
    out: dict[str, list[Outcome]] = {}
    with ProcessPoolExecutor(workers) as pool:
        for job, outcome in zip(todo, pool.map(Job.run, todo), strict=True):
            out.setdefault(job.name, []).append(outcome)
            done()
    return {name: reduce(add, outcomes) for name, outcomes in out.items()}
