"""Small streams of scored posts whose truth is known: quiet topics with a share of .2, and spikes where a test wants them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from pathlib import Path

from consumers.stores.sqlite import SqliteStore
from pipeline.notify import Subscription
from pipeline.records import BIN, EMOTIONS, Incident, Post, Score, ScoredPost
from pipeline.watch import Watch, WatchConfig

START = 1_793_491_200_000  # 2026-11-01T00:00:00Z, a Sunday
CALM = ("nice tea today", "the tea was fine", "had a cup with friends", "ordered again this week", "green tea for me please")
ANGRY = (
    "the kettle exploded and nobody answers",
    "kettle burned my hand, awful",
    "they sold me a broken kettle again",
    "this kettle leaks all over the table",
    "kettle smells of plastic and is dangerous",
    "refund for the kettle refused, so angry",
)
PER_BIN = 8
Spikes = Mapping[str, tuple[int, int]]  # topic → bins [first, last) in which nearly all posts are angry


def post(
    number: int, at: int, negative: float, text: str, topic: str = "tea", *, arrived: int | None = None, author: str | None = None
) -> ScoredPost:
    """One scored post; it arrives a second after it was written."""
    emotions = [0.0] * len(EMOTIONS)
    emotions[EMOTIONS.index("anger" if negative > 0.5 else "approval")] = 0.8
    score = Score(
        tuple(emotions), (), negative, 1 - negative, 0.0, "negative" if negative > 0.5 else "neutral", 0.0, 0.5, 0.5, (0.0,) * 6, "truth@1"
    )
    stamp = at + 1_000 if arrived is None else arrived
    item = Post("net", f"{topic}-{number}", at, text, lang="en", author=author or f"h{number:016x}")
    return ScoredPost(item, (topic,), score, stamp, stamp)


def stream(topics: Iterable[str], bins: int, spikes: Spikes | None = None, seed: int = 1, start: int = START) -> list[ScoredPost]:
    """Posts of `bins` bins of five minutes, by time: eight per topic and bin, three times as many in a spike."""
    rng = random.Random(seed)
    out: list[ScoredPost] = []
    for topic in topics:
        first, last = (spikes or {}).get(topic, (0, 0))
        number = 0
        for index in range(bins):
            hot = first <= index < last
            for _ in range(PER_BIN * (3 if hot else 1)):
                number += 1
                angry = rng.random() < (0.95 if hot else 0.2)
                words = rng.choice(ANGRY if angry else CALM)
                at = start + index * BIN + rng.randrange(BIN)
                out.append(post(number, at, 0.9 if angry else 0.02, f"{words} {rng.choice('abcdefgh')}{number}", topic))
    return sorted(out, key=lambda item: (item.post.created_at, item.id))


class Bench:
    """A store and a watch over it, on a clock that the test moves."""

    def __init__(
        self, path: Path, subscriptions: Iterable[Subscription] = (Subscription("ops"),), config: WatchConfig | None = None
    ) -> None:
        self.now = START
        self.path = path
        self.store = SqliteStore.open(path / "store.db", now=lambda: self.now)
        self._subscriptions = tuple(subscriptions)
        self._config = config
        self.watch = self.new_watch()

    def new_watch(self) -> Watch:
        """What a restarted process has: the store, and nothing in memory."""
        self.watch = Watch(self.store, self._subscriptions, self._config)
        return self.watch

    def play(self, posts: Iterable[ScoredPost], until: int, step: int = BIN, skip: int = START) -> list[Incident]:
        """Move the clock to `until` in steps; at each the posts that have arrived are written, then there is a tick.

        The first step goes to `skip`: the quiet hours before a test's story need no ticks of their own.
        """
        waiting = sorted(posts, key=lambda item: item.ingested_at)
        touched: list[Incident] = []
        while self.now < until:
            self.now = min(until, max(skip, self.now + step))
            due = [item for item in waiting if item.ingested_at <= self.now]
            waiting = waiting[len(due) :]
            self.store.write(due)
            touched += self.watch.tick(self.now)
        return touched

    def messages(self) -> list[str]:
        """Ids of all messages in the outbox that were not delivered."""
        return sorted(message.id for message in self.store.pending(2**60, limit=1000))
