"""An incident from a crossing and the stored posts: its figures, its drivers, its evidence and the sentence made of them.

Everything here is a function of the alarm and of the documents with ingested_at <= as_of, so `verify` calls the same functions
again and compares. Float figures are rounded to six decimals: sums of posts are exact, and the last digits of exp and log may
differ between processors.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from pipeline import rules
from pipeline.authentic import adjusted, without
from pipeline.disturbances import RELEARN
from pipeline.drivers import OTHER, Copies, Part, Sample, decompose, drivers
from pipeline.evidence import choose, quotes
from pipeline.ports import Store, TrendReader
from pipeline.records import (
    BIN,
    DAY,
    EMOTIONS,
    HOUR,
    MINUTE,
    SCALE,
    Adjusted,
    Bin,
    Incident,
    Measured,
    ScoredPost,
    Severity,
    Without,
    to_json,
)
from pipeline.trends import fixed, share_interval

VERSION = 2  # of how figures, drivers, evidence and sentence are made; raise it when one of them is made differently
BEFORE = DAY  # the reference: the day before the onset
MOST_POSTS = 2_000  # of the window, the newest, for emotions, drivers and evidence; sums (n, share) are over all
MOST_BEFORE = 1_000
LEAST_AUTHORS = 3
LEAST_DISTINCT = 0.5
ROUND = 6
SHOWN_EMOTIONS = 3
FELT = 0.05  # mean probability; a weaker emotion is not named in the sentence


@dataclass(frozen=True, slots=True)
class Alarm:
    """What the detector says of a crossing; it is all that an incident takes from it. Figures have six decimals."""

    topic: str
    rule: str  # as in Incident
    severity: Severity
    onset: int  # ms, start of a bin
    fired: int  # start of the bin whose data made it fire
    expected: float
    expected_low: float
    expected_high: float
    expected_n: float  # posts expected in the window
    volume_ratio: float
    topics: tuple[str, ...] = ()  # of a pipeline alarm
    measured: Measured | None = None  # of a rule
    cause: str = ""  # of a pipeline alarm: what changed, if it is known


@dataclass(frozen=True, slots=True)
class Observed:
    """What the stored documents say about the window."""

    start: int
    end: int
    n: float
    n_raw: int
    share: float
    low: float
    high: float
    intensity: float | None
    emotions: dict[str, float]
    emotions_before: dict[str, float]
    parts: tuple[Part, ...]
    sample: Sample
    coordinated: bool
    model: str | None
    adjusted: Adjusted | None
    without: Without | None


def incident_id(topic: str, onset: int, rule: str) -> str:
    """16 hex digits; a rebuild from the same bins gives the same ids."""
    return hashlib.blake2b(f"{topic}\0{onset}\0{rule}".encode(), digest_size=8).hexdigest()


def window_of(alarm: Alarm) -> tuple[int, int]:
    """[start, end) of the figures: from the onset to the end of the fired bin, as the detector's expectation is (at most four hours)."""
    return alarm.onset, alarm.fired + BIN


def topics_of(alarm: Alarm) -> tuple[str, ...]:
    """Whose posts its figures are over; of an outage before which nobody posted, nobody's."""
    return alarm.topics if alarm.severity == "pipeline" else (alarm.topic,)


def observe(store: TrendReader, alarm: Alarm, as_of: int) -> Observed:
    """Every figure of the window over the documents with ingested_at <= as_of."""
    start, end = window_of(alarm)
    topics = topics_of(alarm)
    n, n_raw, negative = totals(store.bins(topics, start, end, as_of))
    window = _posts(store, topics, start, end, as_of, MOST_POSTS)
    before = _posts(store, topics, start - BEFORE, start, as_of, MOST_BEFORE)
    share = negative / n if n else 0.0
    low, high = share_interval(share, n_raw) if n_raw else (0.0, 1.0)
    emotions, earlier = _emotions(window), _emotions(before)
    top = _risen(emotions, earlier)
    negatives = alarm.rule != "volume"
    sample, past = Sample.of(window, negatives=negatives), Sample.of(before, negatives=negatives)
    copies = Copies.of(sample, past)
    parts = decompose(sample, past, _usual(alarm), copies)
    return Observed(
        start=start,
        end=end,
        n=n,
        n_raw=n_raw,
        share=rounded(share),
        low=rounded(low),
        high=rounded(high),
        intensity=_mean_intensity(window),
        emotions={name: emotions[name] for name in top},
        emotions_before={name: earlier.get(name, 0.0) for name in top},
        parts=tuple(parts),
        sample=sample,
        coordinated=is_coordinated(sample),
        model=_model(window),
        adjusted=adjusted(sample, past, copies, alarm.expected_n),
        without=without(sample, parts, alarm.expected_high) if negatives else None,
    )


def _usual(alarm: Alarm) -> float:
    """Negatives that were expected in the window; posts, for a volume alarm."""
    return alarm.expected_n * (1.0 if alarm.rule == "volume" else alarm.expected)


def build(store: TrendReader, alarm: Alarm, as_of: int, detector: str, *, late: bool = False, historical: bool = False) -> Incident:
    """The incident of a crossing as it is known at `as_of`. StoreError if the store can't be read."""
    seen = observe(store, alarm, as_of)
    return Incident(
        id=incident_id(alarm.topic, alarm.onset, alarm.rule),
        topic=alarm.topic,
        rule=alarm.rule,
        severity=alarm.severity,
        state="open",
        onset=alarm.onset,
        fired=None if late else alarm.fired,
        closed=None,
        as_of=as_of,
        model=seen.model,
        detector=detector,
        start=seen.start,
        end=seen.end,
        n=seen.n,
        n_raw=seen.n_raw,
        share=seen.share,
        low=seen.low,
        high=seen.high,
        expected=alarm.expected,
        expected_low=alarm.expected_low,
        expected_high=alarm.expected_high,
        expected_n=alarm.expected_n,
        volume_ratio=alarm.volume_ratio,
        intensity=seen.intensity,
        emotions=seen.emotions,
        emotions_before=seen.emotions_before,
        drivers=drivers(seen.parts),
        evidence=choose(seen.sample, seen.parts, negatives=alarm.rule != "volume"),
        sentence=sentence(alarm, seen),
        coordinated=seen.coordinated,
        historical=historical,
        late=late,
        timeline=(("open", alarm.fired + BIN),),
        measured=alarm.measured,
        cause=alarm.cause,
        adjusted=seen.adjusted,
        without=seen.without,
    )


def totals(bins: Sequence[Bin]) -> tuple[float, int, float]:
    """(n, n_raw, negative) of bins, summed as integers."""
    n = sum(fixed(item.n) for item in bins) / SCALE
    negative = sum(round(item.negative * SCALE * SCALE) for item in bins) / (SCALE * SCALE)
    return n, sum(item.n_raw for item in bins), negative


def rounded(value: float) -> float:
    """Six decimals, as figures are kept."""
    return round(value, ROUND)


def is_coordinated(window: Sample) -> bool:
    """Fewer than three authors, or fewer than half of the texts distinct by their words. A post without an author counts as one."""
    if not window.posts:
        return False
    authors = {item.post.author or item.id for item in window.posts}
    texts = {tuple(found) or item.post.text for found, item in zip(window.words, window.posts, strict=True)}
    return len(authors) < LEAST_AUTHORS or len(texts) < LEAST_DISTINCT * len(window.posts)


def _posts(store: TrendReader, topics: Sequence[str], since: int, until: int, as_of: int, most: int) -> list[ScoredPost]:
    """The newest posts of a stretch, each once, in an order that depends on nothing but the posts."""
    found = {item.id: item for topic in topics for item in store.posts(topic, since, until, most // len(topics), as_of=as_of)}
    return sorted(found.values(), key=lambda item: (item.post.created_at, item.id))


def _emotions(posts: Sequence[ScoredPost]) -> dict[str, float]:
    """Mean probability of each emotion but neutral, weighted by the posts' weights; summed as integers."""
    scored = [(fixed(item.weight), item.score.emotions) for item in posts if item.score]
    if not scored:
        return {}
    weights = np.array([weight for weight, _ in scored], np.int64)
    values = np.rint(np.array([emotions for _, emotions in scored]) * SCALE).astype(np.int64)
    means = (weights @ values).tolist()
    whole = int(weights.sum()) * SCALE
    return {name: rounded(total / whole) for name, total in zip(EMOTIONS, means, strict=True) if name != "neutral"}


def _risen(now: Mapping[str, float], before: Mapping[str, float]) -> list[str]:
    """The emotions that rose most, the largest in the window first; those that did not rise are left out."""
    rise = {name: now[name] - before.get(name, 0.0) for name in now}
    risen = sorted((name for name in rise if rise[name] > 0), key=lambda name: (-rise[name], name))[:SHOWN_EMOTIONS]
    return sorted(risen, key=lambda name: (-now[name], name))


def _mean_intensity(posts: Sequence[ScoredPost]) -> float | None:
    scored = [(fixed(item.weight), fixed(item.score.intensity)) for item in posts if item.score]
    weight = sum(w for w, _ in scored)
    return rounded(sum(w * value for w, value in scored) / (weight * SCALE)) if weight else None


def _model(posts: Sequence[ScoredPost]) -> str | None:
    """The model that scored the newest post of the window."""
    return next((item.score.model for item in reversed(posts) if item.score), None)


def sentence(alarm: Alarm, seen: Observed) -> str:
    """The incident in plain words, made of its figures only."""
    if alarm.severity == "annotation":
        said = [f"{_count(seen.n)} posts {_stretch(seen)}, {alarm.volume_ratio:.1f} times the usual, {seen.share:.0%} of them negative."]
    else:
        said = [
            f"{seen.share:.0%} negative of {_count(seen.n)} posts {_stretch(seen)};"
            f" usual for {_hour(alarm.fired)} is {alarm.expected:.0%} (of about {_count(alarm.expected_n)})."
        ]
    if alarm.topics:
        said.insert(0, _disturbance(alarm))
    if alarm.measured:
        said.insert(0, rules.said(alarm.measured))
    said.append(f"Started {datetime.fromtimestamp(alarm.onset / 1000, UTC):%H:%M} UTC.")
    felt = [f"{name} ({value:.0%})" for name, value in seen.emotions.items() if value >= FELT]
    if felt:
        said.append(f"Mostly {', '.join(felt[:2])}.")
    if reason := _reason(seen.parts):
        said.append(reason)
    if seen.without and (left := _left(seen.without, seen.parts)):
        said.append(left)
    if seen.coordinated:
        said.append("Possibly coordinated: few authors or many copies of one text.")
    if seen.adjusted and abs(seen.adjusted.share - seen.share) >= TELLING_SHIFT:
        said.append(f"{seen.adjusted.share:.0%} negative without what copies, bursts and busy authors add.")
    return " ".join(said)


def _disturbance(alarm: Alarm) -> str:
    if alarm.rule == "model":
        return f"Another model scores the posts ({alarm.cause}): changes of tone are held back for {RELEARN // HOUR} hours."
    if alarm.rule == "outage":
        return f"{alarm.cause}: changes of tone in that time are held back."
    return f"{len(alarm.topics)} topics changed in the same five minutes: look at the pipeline and the model first."


def _stretch(seen: Observed) -> str:
    hours, minutes = divmod((seen.end - seen.start) // MINUTE, 60)
    if not hours:
        return f"in the last {minutes} minutes"
    whole = "hour" if hours == 1 else f"{hours} hours"
    return f"in the last {whole} and {minutes} minutes" if minutes else f"in the last {whole}"


def _hour(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment / 1000, UTC):%A %H}:00"


def _count(n: float) -> str:
    return f"{n:,.0f}" if n >= 10 or n == math.floor(n) else f"{n:.1f}"


REASONS = {
    "parent": "replies to one post",
    "cluster": "copies of one text",
    "author": "posts of one author",
    "term": "posts with “{}”",
    "platform": "posts on {}",
    "language": "posts in the language {}",
}
GROUP_WORDS = {"cluster": "the {} copies of one text", "parent": "the {} replies to one post", "author": "the {} posts of one author"}
LEAST_REMOVED = 5  # posts; a smaller group is not worth a sentence
TELLING_SHIFT = 0.05  # between the raw and the adjusted share
TELLING = 0.4  # a smaller part is no reason
MORE_THAN_USUAL = 0.25  # a platform that always brings most of the posts is no reason either


def _reason(parts: Sequence[Part]) -> str | None:
    """The most specific part that carries much of the rise: "71 % of the rise is replies to one post."."""
    for kind, words in REASONS.items():
        for part in parts:
            if part.kind == kind and part.name != OTHER and part.share >= TELLING and part.share - part.usual >= MORE_THAN_USUAL:
                return f"{part.share:.0%} of the rise is {words.format(part.name)}."
    return None


def _left(without: Without, parts: Sequence[Part]) -> str | None:
    """What remains without a group that explains the rise, or much of it."""
    telling = any(part.name == without.name and part.kind == without.kind and part.share >= TELLING for part in parts)
    if without.removed < LEAST_REMOVED or not (telling or without.normal):
        return None
    state = "normal" if without.normal else "still unusual"
    return f"Without {GROUP_WORDS[without.kind].format(without.removed)} it would be {without.share:.0%}, {state}."


def full_json(store: Store, incident: Incident) -> dict[str, Any]:
    """The incident as JSON, its evidence quoted from the store as it is now; erased posts are gone from it."""
    return {**to_json(incident), "evidence": quotes(store, incident.evidence)}
