"""The synthetic generator as a live source: each post is given when it arrives by the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pipeline.records import Post, Rejected
from producers.synthetic import Synthetic

LOOK_MS = 1_000  # how often it looks for what has arrived


class Paced:
    """Yields the posts of `feed` from now on, at the pace of `now` (ms), until `wait` (seconds → whether to stop) says stop."""

    def __init__(self, feed: Synthetic, now: Callable[[], int], wait: Callable[[float], bool]) -> None:
        self.name = feed.name
        self._feed = feed
        self._now = now
        self._wait = wait

    def read(self) -> Iterator[Post | Rejected]:
        """Posts in the order of their arrival."""
        reached = self._now()
        while not self._wait(LOOK_MS / 1000):
            until = self._now()
            for arrival in self._feed.arriving(reached, until):
                yield arrival.post
            reached = max(reached, until)
