"""The rise taken apart: shares add up, and what was planted is named."""

from __future__ import annotations

import random
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st
from streams import ANGRY, CALM, START, post

from pipeline.drivers import OTHER, Part, Sample, decompose, drivers
from pipeline.records import SCALE, ScoredPost
from pipeline.trends import fixed


def sample(posts: list[ScoredPost]) -> Sample:
    return Sample.of(posts, negatives=True)


def made(number: int, text: str, negative: float = 0.9, **fields: str) -> ScoredPost:
    item = post(number, START + number, negative, text)
    changed = {name: getattr(item.post, name) for name in item.post.__slots__} | fields
    return ScoredPost(type(item.post)(**changed), item.topics, item.score, item.scored_at, item.ingested_at)


def calm(count: int, first: int = 10_000) -> list[ScoredPost]:
    return [made(first + n, f"{CALM[n % len(CALM)]} {n}", 0.05) for n in range(count)]


def top(parts: list[Part], kind: str) -> Part:
    return next(part for part in parts if part.kind == kind)


def test_the_planted_term_is_named() -> None:
    """Half of the angry posts speak of the battery: that term carries half of the rise, with the word that goes with it."""
    angry = [made(n, f"my battery died {n} times since sunday") for n in range(20)]
    other = [made(100 + n, f"{ANGRY[n % len(ANGRY)]} {n}") for n in range(20)]
    parts = decompose(sample(angry + other), sample(calm(80)), 2.0)
    term = top(parts, "term")
    assert set(term.name.split()) <= {"battery", "died", "times", "since", "sunday"}
    assert " " in term.name
    assert abs(term.share - 0.5) < 0.03
    assert 20 == len(term.members)


def test_words_that_were_always_there_are_no_reason() -> None:
    """The topic's own word is in every post before and now, so it explains nothing."""
    before = [made(1_000 + n, f"phone number {n} arrived", 0.1) for n in range(50)]
    window = [made(n, f"phone screen cracked {n}") for n in range(20)]
    parts = decompose(sample(window), sample(before), 2.0)
    assert all("phone" not in part.name.split() for part in parts if part.kind == "term")


def test_a_platform_that_rose_carries_the_rise() -> None:
    """Two platforms had the same before; the one with all the new negatives has all of the rise, the other nothing."""
    before = [made(1_000 + n, f"so so {n}", 0.5, platform="ab"[n % 2]) for n in range(40)]
    window = [made(n, f"bad {n}", 0.9, platform="a") for n in range(20)] + [made(100 + n, f"ok {n}", 0.5, platform="b") for n in range(2)]
    parts = [part for part in decompose(sample(window), sample(before), 4.0) if part.kind == "platform"]
    assert [("a", 1.0)] == [(part.name, part.share) for part in parts if part.share > 0]
    assert 0.5 == top(parts, "platform").usual


def test_replies_and_copies_are_counted() -> None:
    """Replies to one post and copies of one text are named with their share; single posts are not."""
    replies = [made(n, f"{ANGRY[n % len(ANGRY)]} {'abcdefgh'[n % 8]}{n}", root_id="77") for n in range(15)]
    copies = [made(100 + n, f"Do not buy the kettle from these people, it is a scandal{'!' * n}") for n in range(5)]
    parts = decompose(sample(replies + copies), sample(calm(40)), 1.0)
    parent, cluster = top(parts, "parent"), top(parts, "cluster")
    assert ("net:77", 15) == (parent.name, len(parent.members))
    assert abs(parent.share - 13.5 / 17) < 1e-3  # 15 · .9 of them; the one negative that was expected is taken off the others
    assert copies[0].id == cluster.name
    assert 5 == len(cluster.members)


def test_copies_that_were_always_posted_are_expected() -> None:
    """A text that is posted every hour is a cluster of copies but no part of the rise."""
    advert = "Buy one kettle and get the second kettle for free today"
    before = [made(1_000 + n, advert, 0.5) for n in range(50)]
    window = [made(n, advert, 0.5) for n in range(10)] + [made(100 + n, f"{ANGRY[n % 6]} {n}{n}") for n in range(10)]
    named = [part for part in decompose(sample(window), sample(before), 5.0) if part.kind == "cluster" and part.name == window[0].id]
    assert [] == named


def test_without_a_time_before_the_shares_are_those_of_the_window() -> None:
    """A topic's first hour: every group's part is its part of the negatives."""
    window = [made(n, f"bad {n}", platform="ab"[n % 4 == 0]) for n in range(20)]
    parts = decompose(sample(window), sample([]), 0.0)
    assert {"a": 0.75, "b": 0.25} == {part.name: part.share for part in parts if part.kind == "platform"}


def test_an_empty_window_has_only_others() -> None:
    """No posts, no reasons: each kind has one part, "other", with the whole."""
    parts = decompose(sample([]), sample(calm(5)), 1.0)
    assert {(OTHER, 1.0)} == {(part.name, part.share) for part in parts}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 60), expected=st.floats(0, 50))
def test_the_shares_of_every_kind_add_up(seed: int, count: int, expected: float) -> None:
    """Whatever the posts, the shares of a kind are between 0 and 1, sum to exactly 1, and no post is in two parts."""
    rng = random.Random(seed)

    def anything(n: int) -> ScoredPost:
        text = " ".join(rng.choices(["kettle", "leaks", "angry", "nice", "tea", "refund", "never", "茶が熱い"], k=rng.randint(1, 9)))
        fields = {"platform": rng.choice("ab"), "lang": rng.choice(["en", "de"]), "author": rng.choice("xyz")}
        return made(n, text, rng.random(), root_id=rng.choice(["1", "2", ""]), **fields)

    parts = decompose(sample([anything(n) for n in range(count)]), sample([anything(1_000 + n) for n in range(count // 2)]), expected)
    sums: dict[str, int] = defaultdict(int)
    for part in parts:
        assert 0 <= part.share <= 1
        sums[part.kind] += fixed(part.share)
    assert dict.fromkeys(("term", "platform", "language", "author", "parent", "cluster"), SCALE) == sums
    for kind in sums:
        members = [index for part in parts if part.kind == kind for index in part.members]
        assert list(range(count)) == sorted(members)
    assert len(parts) == len(drivers(parts))
