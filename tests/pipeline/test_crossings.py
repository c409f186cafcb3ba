"""The walk over bins: pure, resumable, and wise about disturbances of everything at once."""

from __future__ import annotations

from itertools import groupby

import pytest
from streams import START, stream

from pipeline.crossings import Crossings, Moved, Opened, StoryEvent, digests
from pipeline.records import BIN, Bin, ScoredPost


def binned(posts: list[ScoredPost]) -> list[Bin]:
    """Bins of posts as a store makes them."""
    rows = sorted(posts, key=lambda item: (item.post.created_at // BIN, item.topics))
    out = []
    for (index, topics), group in groupby(rows, key=lambda item: (item.post.created_at // BIN, item.topics)):
        items = list(group)
        negative = sum(item.score.p_negative for item in items if item.score)
        out.append(Bin(topics[0], index * BIN, len(items), len(items), len(items), negative, len(items), len(items)))
    return out


BINS = binned(stream(["tea", "coffee"], 120, {"tea": (40, 52)}))
UNTIL = START + 120 * BIN


def walked(walk: Crossings, bins: list[Bin], until: int) -> list[StoryEvent]:
    return [event for _, events in walk.walk(bins, until) for event in events]


def test_a_story_is_opened_once_and_closed() -> None:
    """One spike: one opening, then states in order up to closed, all under one key."""
    events = [event for event in walked(Crossings(START), BINS, UNTIL) if not (isinstance(event, Opened) and event.alarm.rule == "volume")]
    opened = [event.alarm for event in events if isinstance(event, Opened)]
    assert ["tea"] == [alarm.topic for alarm in opened]
    moves = [event for event in events if isinstance(event, Moved) and event.rule == opened[0].rule]
    assert ["quiet", "closed"] == [event.state for event in moves][-2:]
    assert {opened[0].onset} == {event.onset for event in moves}


@pytest.mark.parametrize("cut", [1, 39, 43, 47, 60, 119])
def test_a_saved_walk_goes_on_as_if_never_stopped(cut: int) -> None:
    """Saved at any bin and restored, the walk gives the same events and ends in the same bytes."""
    whole = Crossings(START)
    expected = walked(whole, BINS, UNTIL)
    first = Crossings(START)
    events = walked(first, BINS, START + cut * BIN)
    second = Crossings.from_bytes(first.to_bytes())
    assert expected == events + walked(second, BINS, UNTIL)
    assert whole.to_bytes() == second.to_bytes()


def test_bytes_of_something_else_are_refused() -> None:
    """Damaged bytes are a ValueError, so the caller walks the bins again."""
    saved = Crossings(START).to_bytes()
    for damaged in (b"", b"nonsense", saved[:-1], saved.replace(b"crossings-2", b"crossings-9"), saved.replace(b'"digests"', b'"digest5"')):
        with pytest.raises(ValueError):
            Crossings.from_bytes(damaged)


def test_digests_tell_one_changed_bin() -> None:
    """Equal bins have equal digests in any order; one post more in one bin changes the digest of its day."""
    walk = Crossings(START)
    walked(walk, BINS, UNTIL)
    assert walk.digests == digests(reversed(BINS))
    other = [*BINS[:-1], Bin(BINS[-1].topic, BINS[-1].start, 99, 99, 99, 1.0, 1, 1)]
    assert walk.digests != digests(other)


def test_a_topic_that_appears_later_changes_nothing_before() -> None:
    """A new topic starts with its first post; what the others did before is the same."""
    late = binned(stream(["zoo"], 20, start=START + 60 * BIN))
    both = sorted([*BINS, *late], key=lambda item: (item.start, item.topic))
    cut = START + 60 * BIN
    assert walked(Crossings(START), BINS, cut) == walked(Crossings(START), both, cut)


def test_many_topics_in_one_bin_are_the_pipelines_story() -> None:
    """Four of four topics firing together open one story of the pipeline, with all of them in it, and none of their own."""
    topics = ["a", "b", "c", "d"]
    rows = []
    for topic in topics:  # the same posts for each, so they fire in the same bin
        rows += [Bin(topic, item.start, item.volume, item.n, item.n_raw, item.negative, 1, 1) for item in BINS if item.topic == "tea"]
    rows.sort(key=lambda item: (item.start, item.topic))
    alarms = [event.alarm for event in walked(Crossings(START), rows, UNTIL) if isinstance(event, Opened)]
    shares = [alarm for alarm in alarms if alarm.rule != "volume"]
    assert ["*"] == [alarm.topic for alarm in shares]
    assert tuple(topics) == shares[0].topics
    assert "pipeline" == shares[0].severity
