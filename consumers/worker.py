"""What a worker does with some records: decode, score in a thread of its own, write, keep what is bad; done when all of it is durable.

Nothing here knows of Faust. `bring` returns when the records may be acknowledged, and raises only for what a restart or a person must
settle: a model that fails on everything, too many bad records.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import orjson
import structlog

from consumers.deadletter import DeadLetters, Limit
from pipeline.errors import StoreBlocked, StoreBusy, StoreError, Unavailable
from pipeline.metrics import WorkerMetrics
from pipeline.ports import Counting, PostStore, Written
from pipeline.records import Rejected, ScoredPost, post_to_json
from pipeline.stages import Context, Line, process

log = structlog.get_logger()

FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0  # seconds between two tries; a store that is free again is noticed within 10 s
IDLE = "running"
T = TypeVar("T")


class Taken(NamedTuple):
    """One Kafka record: where it was, its bytes (one JSON object per line), when it arrived (ms)."""

    where: str
    value: bytes
    at: int


class Work:
    """The stages and the store of one worker. `bring` is called by one task; the state may be read from any thread."""

    def __init__(
        self, context: Context, store: PostStore, letters: DeadLetters, clock: Callable[[], int], metrics: WorkerMetrics,
        wait: Callable[[float], object] | None = None, jitter: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        """`clock` in ms; `wait` is an awaitable pause in seconds, asyncio.sleep by default; `jitter` in [0, 1), drawn per pause."""
        self._context = context
        self._store = store
        self._letters = letters
        self._clock = clock
        self._metrics = metrics
        self._sleep = wait or asyncio.sleep
        self._jitter = jitter
        self._limit = Limit(context.limits)
        self._scoring = ThreadPoolExecutor(1, "score")
        self._writing = ThreadPoolExecutor(1, "write")
        self.state = IDLE  # or why it waits
        self.failure: BaseException | None = None  # what `bring` raised

    async def bring(self, records: Sequence[Taken]) -> None:
        """Bring records through the stages; all of it is durable on return."""
        try:
            await self._bring(records)
        except Exception as error:  # the agent's edge: the process is about to end with this error
            self.failure = error
            raise

    async def _bring(self, records: Sequence[Taken]) -> None:
        lines = [line for record in records for line in lines_of(record)]
        with self._metrics.seconds.labels("score").time():
            done = await self._in(self._scoring, lambda: process(lines, self._context, now=self._clock(), live=True))
        if isinstance(self._context.classifier, Counting):
            for how, texts in self._context.classifier.counts.items():
                self._metrics.texts.labels(how).set(texts)
        with self._metrics.seconds.labels("write").time():
            refused = await self._write(done.scored)
            letters = done.rejected + refused
            if letters:
                await self._until_done(lambda: self._letters.put(letters))
        self._metrics.records.inc(len(records))
        self._metrics.posts.labels("rejected").inc(len(letters))
        self._metrics.posts.labels("unmatched").inc(done.unmatched)
        self._metrics.clamped.inc(done.clamped)
        if records:
            self._metrics.age.observe(max(0, self._clock() - min(record.at for record in records)) / 1000)
        self._limit.count(len(letters), len(lines))

    async def _write(self, posts: Sequence[ScoredPost]) -> list[Rejected]:
        """Store posts; what the store will never take is found by halving and handed back."""
        if not posts:
            return []
        try:
            self._count(await self._until_done(lambda: self._store.write(posts)))
            return []
        except (ValueError, StoreError) as error:
            if len(posts) == 1:
                reason = f"store_refused: {str(error)[:300]}"
                return [Rejected(reason, orjson.dumps(post_to_json(posts[0].post)), posts[0].id, self._clock())]
        middle = len(posts) // 2
        return await self._write(posts[:middle]) + await self._write(posts[middle:])

    async def _until_done(self, call: Callable[[], T]) -> T:
        """Try until it is done, with growing and jittered pauses: a store or broker that is away is no reason to lose a post."""
        pause = FIRST_WAIT
        while True:
            try:
                result = await self._in(self._writing, call)
            except (StoreBusy, StoreBlocked, Unavailable) as error:
                self._waiting(error)
            else:
                self._waiting(None)
                return result
            await self._pause(pause * (1 + self._jitter()) / 2)
            pause = min(LONGEST_WAIT, pause * 2)

    async def _pause(self, seconds: float) -> None:
        pause = self._sleep(seconds)
        if asyncio.iscoroutine(pause):
            await pause

    def _waiting(self, error: Exception | None) -> None:
        """Note why nothing is taken; said once in the log, not at every try."""
        blocked = isinstance(error, StoreBlocked)
        state = IDLE if error is None else "blocked" if blocked else "waiting"
        if error is not None:
            self._metrics.retries.labels(state).inc()
        if state != self.state:
            log.warning("the worker goes on" if error is None else "the worker waits", state=state, reason=str(error or ""))
        self.state = state
        self._metrics.blocked.set(blocked)

    async def _in(self, pool: ThreadPoolExecutor, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, call)

    def _count(self, written: Written) -> None:
        for name in ("stored", "updated", "repeated", "erased", "refused"):
            self._metrics.posts.labels(name).inc(getattr(written, name))

    def close(self) -> None:
        """End the threads; what they do now is finished first."""
        self._scoring.shutdown()
        self._writing.shutdown()


def lines_of(record: Taken) -> list[Line]:
    """The posts of a record; an empty record is one bad line, for it too must leave a trace."""
    values = [value for value in record.value.split(b"\n") if value.strip()]
    if len(values) == 1:
        return [Line(record.where, values[0], record.at)]
    empty = Line(record.where, b"", record.at)
    return [Line(f"{record.where}#{number}", value, record.at) for number, value in enumerate(values)] or [empty]
