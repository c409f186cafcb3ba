"""A store as the demo would have it a few minutes after its story broke: generated posts, scored from the generator's own truth."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from consumers.stores.sqlite import SqliteStore
from pipeline.incidents import Alarm, build
from pipeline.records import BIN, DAY, EMOTIONS, HOUR, INTENSITIES, MINUTE, SCALE, Incident, Post, Score, ScoredPost, to_ms
from producers.composer import tone_of
from producers.stories import WIPED, Story
from producers.synthetic import Arrival, Synthetic

NOW = to_ms("2026-11-02T14:25:00Z")
BROKE = NOW - 50 * MINUTE
TOPIC = "Orbit 5"
EMOJI = re.compile(" ?[\u2600-\u27bf\ufe0f\U0001f000-\U0001faff]")
_LEVELS = {"negative": (0.84, -0.55, 0.62), "positive": (0.05, 0.6, 0.5), "neither": (0.16, 0.03, 0.33)}  # p_negative, valence, arousal


def seeded_store(path: Path, *, days: float = 2, rate: float = 6.0, seed: int = 7) -> SqliteStore:
    """A store with all topics of the generator, one spike on `TOPIC`, and two incidents: the open one and a closed one."""
    story = Story("spike", TOPIC, BROKE, 180, volume=3.2, odds=7.0, script=WIPED)
    earlier = Story("rise", "Lumabrew", NOW - 9 * HOUR, 90, volume=4.0)
    source = Synthetic(seed, rate=rate, stories=[story, earlier])
    store = SqliteStore.open(path, now=lambda: NOW)
    posts = [scored(arrival) for arrival in source.between(NOW - int(days * DAY), NOW) if arrival.arrived_at <= NOW]
    store.write(posts)
    store.refresh()
    store.save(spike(store))
    store.save(rise(store))
    return store


def scored(arrival: Arrival) -> ScoredPost:
    """A post with a score made from the emotion that the generator meant; the author becomes a hash."""
    post = arrival.post
    author = None if post.author is None else "h" + hashlib.blake2b(post.author.encode(), digest_size=8).hexdigest()
    known = replace(post, author=author)
    score = score_of(post.text, arrival.emotion, tone_of(arrival.emotion)) if post.lang == "en" else None
    return ScoredPost(known, (arrival.topic,), score, arrival.arrived_at, arrival.arrived_at)


def score_of(text: str, emotion: str, tone: str) -> Score:
    """A believable score: the meant emotion is strong, the others weak, all a little different from text to text."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=36).digest()
    wiggle = [(byte - 127.5) / 127.5 for byte in digest]
    negative, valence, arousal = _LEVELS[tone]
    p_negative = _fixed(negative + 0.11 * wiggle[28])
    p_positive = _fixed((1 - p_negative) * {"negative": 0.15, "positive": 0.9, "neither": 0.25}[tone])
    p_neutral = _fixed(1 - p_negative - p_positive)
    shares = dict(zip(("negative", "neutral", "positive"), (p_negative, p_neutral, p_positive), strict=True))
    return Score(
        emotions=tuple(_fixed(0.62 + 0.25 * w if name == emotion else 0.025 + 0.02 * w) for name, w in zip(EMOTIONS, wiggle, strict=False)),
        labels=(emotion,),
        p_negative=p_negative,
        p_neutral=p_neutral,
        p_positive=p_positive,
        sentiment=max(shares, key=lambda name: shares[name]),
        valence=_fixed(valence + 0.35 * wiggle[29]),
        arousal=_fixed(arousal + 0.3 * wiggle[30]),
        intensity=_fixed((0.66 if tone == "negative" else 0.5 if tone == "positive" else 0.28) + 0.2 * wiggle[31]),
        intensities=tuple(_fixed(0.4 + 0.2 * wiggle[32]) for _ in INTENSITIES),
        model="truth@0000",
    )


def spike(store: SqliteStore) -> Incident:
    """The open incident on `TOPIC`, built from the stored posts as the service would."""
    alarm = Alarm(TOPIC, "share+volume", "incident", BROKE // BIN * BIN, NOW - 2 * BIN, 0.24, 0.2, 0.29, 26.0, 2.4)
    return build(store, alarm, store.latest()[1] or NOW, "tests")


def rise(store: SqliteStore) -> Incident:
    """A volume-only rise that is over."""
    onset = (NOW - 9 * HOUR) // BIN * BIN
    alarm = Alarm("Lumabrew", "volume", "annotation", onset, onset + 3 * BIN, 0.2, 0.15, 0.26, 30.0, 3.4)
    found = build(store, alarm, store.latest()[1] or NOW, "tests")
    steps = (*found.timeline, ("quiet", onset + 2 * HOUR), ("closed", onset + 4 * HOUR))
    return replace(found, state="closed", closed=onset + 4 * HOUR, timeline=steps)


def plain(texts: Iterable[str], topic: str, at: int = NOW - HOUR, platform: str = "x", url: str | None = None) -> list[ScoredPost]:
    """Posts of one topic with given texts, a minute apart, scored as angry."""
    return [
        ScoredPost(
            Post(platform, str(number), at + number * MINUTE, text, lang="en", url=url),
            (topic,),
            score_of(text, "anger", "negative"),
            at,
            at,
        )
        for number, text in enumerate(texts)
    ]


def _fixed(value: float) -> float:
    """Within −1 … 1 (a valence) or 0 … 1 by its callers' levels, as a multiple of 1/SCALE."""
    return round(max(-1.0, min(1.0, value)) * SCALE) / SCALE
