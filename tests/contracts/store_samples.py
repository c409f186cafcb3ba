"""Posts for the tests of stores: everything about one follows from its number, so a test names only what matters to it."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, settings

from pipeline.records import EMOTIONS, HOUR, INTENSITIES, SCALE, Driver, Evidence, Incident, Notification, Post, Score, ScoredPost

T0 = 1_793_491_200_000  # 2026-11-01T00:00:00Z, the start of an hour, a day and a bin
FOREVER = 2**41
# Each example needs stores of its own; a database is slow to make, so there are few examples.
PROPERTY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
POST_FIELDS = frozenset(Post.__dataclass_fields__) - {"topics"}


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = T0

    def __call__(self) -> int:
        return self.now


def score(seed: int, model: str = "model@1") -> Score:
    """A score whose numbers all differ and are multiples of 1/SCALE."""
    rng = random.Random(seed)

    def numbers(count: int, low: int = 0) -> tuple[float, ...]:
        return tuple(rng.randint(low, SCALE) / SCALE for _ in range(count))

    negative, neutral, positive = numbers(3)
    return Score(
        emotions=numbers(len(EMOTIONS)),
        labels=tuple(rng.sample(EMOTIONS, rng.randrange(3))),
        p_negative=negative,
        p_neutral=neutral,
        p_positive=positive,
        sentiment="negative",
        valence=numbers(1, -SCALE)[0],
        arousal=numbers(1)[0],
        intensity=numbers(1)[0],
        intensities=numbers(len(INTENSITIES)),
        model=model,
    )


def scored(number: int = 0, at: int = T0, **changes: Any) -> ScoredPost:
    """A scored post of topic `tea`; `changes` are fields of the post or of the scored post."""
    post = Post("net", str(number), at, f"a cup of tea number{number}", lang="en", author=f"{number:016x}")
    item = ScoredPost(post, ("tea",), score(number), scored_at=T0, ingested_at=at + 1)
    in_post = {name: value for name, value in changes.items() if name in POST_FIELDS}
    outside = {name: value for name, value in changes.items() if name not in POST_FIELDS}
    return replace(item, post=replace(post, **in_post), **outside)


def event(number: int, kind: str, **changes: Any) -> ScoredPost:
    """An edit or a deletion of post `number`."""
    return scored(number, **{"event": kind, **changes})


def ids(posts: Iterable[ScoredPost]) -> list[str]:
    """Their ids within the platform."""
    return [item.post.post_id for item in posts]


def incident(incident_id: str = "0123abcd", **changes: Any) -> Incident:
    """An incident with every field set to something."""
    whole = Incident(
        id=incident_id, topic="tea", rule="share", severity="incident", state="open", onset=T0, fired=T0 + HOUR, closed=None,
        as_of=T0 + HOUR, model="model@1", start=T0, end=T0 + HOUR, n=240.0, n_raw=240, share=0.62, low=0.56, high=0.68,
        expected=0.18, expected_low=0.12, expected_high=0.25, expected_n=90.0, volume_ratio=2.7, intensity=0.4,
        emotions={"anger": 0.41}, emotions_before={"anger": 0.1}, drivers=(Driver("term", "cold", 1.0, 99),),
        evidence=(Evidence("net:1", "ab12", 0.9),), sentence="62 % negative.", timeline=(("open", T0),),
    )  # fmt: skip
    return replace(whole, **changes)


def message(message_id: str = "m1", at: int = T0, incident_id: str = "0123abcd") -> Notification:
    """A message about that incident."""
    return Notification(message_id, incident_id, "opened", "terminal", "tea", "62 % negative.", at)
