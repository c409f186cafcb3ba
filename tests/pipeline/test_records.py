"""Records and their JSON form."""

from __future__ import annotations

import dataclasses

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import (
    EMOTIONS,
    INTENSITIES,
    Driver,
    Evidence,
    Incident,
    Post,
    Score,
    ScoredPost,
    from_ms,
    incident_from_json,
    scored_to_json,
    to_json,
    to_ms,
)

INCIDENT = Incident(
    id="0123456789abcdef", topic="trains", rule="share", severity="tone", state="open", onset=0, fired=300_000, closed=None, as_of=900_000,
    model="static@abc", start=0, end=600_000, n=10.0, n_raw=10, share=0.5, low=0.2, high=0.8, expected=0.1, expected_low=0.05,
    expected_high=0.2, expected_n=8.0, volume_ratio=1.25, intensity=0.4, emotions={"anger": 0.5}, emotions_before={"anger": 0.1},
    drivers=(Driver("term", "delay", 0.7, 5),), evidence=(Evidence("x:1", "00", 0.9),), sentence="50 % negative.",
    timeline=(("open", 300_000),),
)  # fmt: skip


@given(st.integers(0, 4_102_444_800_000))
def test_times_survive_json(ms: int) -> None:
    """A time in milliseconds comes back the same from its RFC 3339 text."""
    assert ms == to_ms(from_ms(ms))


@pytest.mark.parametrize(
    ("text", "ms"), [("1970-01-01", 0), ("1970-01-01T00:00:01Z", 1000), ("1970-01-01T01:00:00+01:00", 0), ("1970-01-01 00:00:00.5", 500)]
)
def test_times_without_a_zone_are_utc(text: str, ms: int) -> None:
    """Dates, spaces, offsets and fractions are read; no zone means UTC."""
    assert ms == to_ms(text)


def test_an_incident_survives_json() -> None:
    """An incident written as JSON and read again is equal, nested records and times included."""
    assert incident_from_json(orjson.loads(orjson.dumps(to_json(INCIDENT)))) == INCIDENT


def test_a_scored_post_has_every_field_in_json() -> None:
    """A scored post is one flat object with every field of Post and Score; without a score these are null."""
    post = Post("x", "1", 0, "I love this")
    score = Score((0.0,) * 28, ("love",), 0.1, 0.2, 0.7, "positive", 0.5, 0.5, 0.5, (0.0,) * 6, "m@1")
    full = scored_to_json(ScoredPost(post, ("t",), score, 1, 2))
    bare = scored_to_json(ScoredPost(post, ("t",), None, 1, 2))
    names = {f.name for record in (Post, Score) for f in dataclasses.fields(record)} | {"scored_at", "ingested_at", "weight"}
    assert names == full.keys() == bare.keys()
    assert set(EMOTIONS) == full["emotions"].keys()
    assert set(INTENSITIES) == full["intensities"].keys()
    assert (None, None) == (bare["emotions"], bare["model"])
