"""The embedded service: posts in; documents, incidents and messages out; one process.

`Embedded` is passive: `take` and `tick` are called by whoever owns the clock and the threads: `Runner`, the demo, a test.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from pipeline.errors import StoreBlocked, StoreBusy, TooManyRejected
from pipeline.ports import Store, Written
from pipeline.records import DAY, Incident, Notification, Post, Rejected
from pipeline.settings import LimitSettings
from pipeline.stages import Context, Processed, process_posts
from pipeline.watch import Watch

log = structlog.get_logger()

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds between two tries on a store that is busy or blocked
Wait = Callable[[float], bool]  # waits so many seconds; True: the service is to stop
Tell = Callable[[Sequence[Notification], int], Collection[str]]  # sends messages past the store; the ids of those that arrived
T = TypeVar("T")


@dataclass(slots=True)
class Counters:
    """What came in since the start, and what became of it."""

    read: int = 0
    stored: int = 0
    repeated: int = 0
    rejected: int = 0
    unmatched: int = 0
    clamped: int = 0


class Stopped(Exception):
    """The service was asked to stop while it waited for the store; what was not stored is read again at the next start."""


class Embedded:
    """Stages, store and watch as one object. One thread calls `take` and `tick`; any thread may call `status`."""

    def __init__(
        self, store: Store, context: Context, watch: Watch, clock: Callable[[], int], wait: Wait | None = None, tell: Tell | None = None
    ) -> None:
        self._store = store
        self._context = context
        self._watch = watch
        self._clock = clock
        self._wait = wait or threading.Event().wait
        self._tell = tell
        self._expired_on = -1
        self.counters = Counters()
        self.blocked: str | None = None

    def take(self, posts: Sequence[Post | Rejected], arrived: Sequence[int] | None = None) -> Written:
        """Bring posts through the stages into the store; durable on return. `arrived`: ms per post, default now.

        Waits while the store is busy or blocked. Raises TooManyRejected once the share of bad records is over its limit.
        """
        done = process_posts(posts, self._context, now=self._clock(), arrived=arrived)
        written = self._until_stored(lambda: self._store.write(done.scored))
        if done.rejected:
            self._until_stored(lambda: self._store.reject(done.rejected))
        self._count(len(posts), written, done)
        return written

    def tick(self) -> list[Incident]:
        """Recompute what changed, look at closed bins, queue messages; the incidents that are new or changed."""
        return self._until_stored(lambda: self._watch.tick(self._clock()))

    def expire(self, keep_days: int) -> int:
        """Retention, once a day of the clock: posts older than `keep_days` are removed. How many went."""
        day = self._clock() // DAY
        if day == self._expired_on:
            return 0
        self._expired_on = day
        return self._until_stored(lambda: self._store.expire((day - keep_days) * DAY))

    def status(self) -> Mapping[str, object]:
        """What the page's status bar shows."""
        count = self.counters
        return {
            "model": self._context.classifier.name,
            "posts": count.read,
            "stored": count.stored,
            "rejected": count.rejected,
            "unmatched": count.unmatched,
            "blocked": self.blocked,
        }

    def _until_stored(self, call: Callable[[], T]) -> T:
        """Try for ever with growing pauses: a store that is busy or full is no reason to lose a post."""
        pause = FIRST_WAIT
        while True:
            try:
                result = call()
            except StoreBusy as error:
                pause = error.seconds
            except StoreBlocked as error:
                if self.blocked is None:
                    log.error("store blocked, taking no more posts until it is free", reason=str(error))
                self.blocked = str(error)
                pause = min(LONGEST_WAIT, pause * 2)
            else:
                self.blocked = None
                return result
            self._watch.store_failed(self._clock())
            if self._tell is not None:
                self._watch.warn(self._clock(), self._tell)
            if self._wait(pause):
                raise Stopped(self.blocked or "the store was busy")

    def _count(self, read: int, written: Written, done: Processed) -> None:
        count = self.counters
        count.read += read
        count.stored += written.stored + written.updated
        count.repeated += written.repeated
        count.rejected += len(done.rejected)
        count.unmatched += done.unmatched
        count.clamped += done.clamped
        refuse_if_mostly_bad(count.rejected, count.read, self._context.limits)


def refuse_if_mostly_bad(rejected: int, read: int, limits: LimitSettings) -> None:
    """Raise TooManyRejected once more than the allowed share of the records is bad."""
    if read >= limits.rejected_min and rejected > limits.rejected_share * read:
        raise TooManyRejected(
            f"{rejected} of {read} records could not be processed; the source is broken or mapped wrongly. "
            "They are in the dead letters with their reasons; limits.rejected_share sets the limit"
        )
