"""The threads of a live embedded service: one per source, one that works, one that delivers. Bounded queue, clean stop."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence

import structlog

from consumers.local import Embedded, Stopped
from pipeline.batching import Batcher
from pipeline.errors import MoodstreamError
from pipeline.notify import Outbox
from pipeline.ports import Source
from pipeline.records import Post, Rejected

log = structlog.get_logger()

TICK_SECONDS = 1.0
BATCH_AGE_MS = 200
JOIN_SECONDS = 10.0


class Runner:
    """Runs an `Embedded` until `stop` or until its sources have ended and `once` is set. The first error of a thread ends it all."""

    def __init__(
        self, service: Embedded, sources: Sequence[Source], outbox: Outbox, clock: Callable[[], int],
        *, keep_days: int, batch_size: int, queue_posts: int, stopping: threading.Event,
    ) -> None:  # fmt: skip
        self._service = service
        self._outbox = outbox
        self._clock = clock
        self._keep_days = keep_days
        self._batcher: Batcher[Post | Rejected] = Batcher(count=batch_size, size=8_000_000, age_ms=BATCH_AGE_MS)
        self._queue: queue.Queue[Post | Rejected] = queue.Queue(queue_posts)
        self._stopping = stopping
        self._failed: list[Exception] = []
        self._readers = [threading.Thread(target=self._read, args=(source,), daemon=True) for source in sources]
        self._deliverer = threading.Thread(target=self._deliver, daemon=True)

    def run(self, once: bool = False) -> None:
        """Work until stopped; with `once` until every source has ended and all is stored. Raises the first error of a thread."""
        for thread in (*self._readers, self._deliverer):
            thread.start()
        try:
            self._work(once)
        except Stopped as reason:
            log.warning("stopped while the store was blocked", reason=str(reason))
        finally:
            self._stopping.set()
            self._deliverer.join(JOIN_SECONDS)
        if self._failed:
            raise self._failed[0]

    def _work(self, once: bool) -> None:
        due = time.monotonic()
        while not self._stopping.is_set():
            self._fill()
            if self._batcher.ready(self._clock()):
                self._service.take(self._batcher.take())
            if time.monotonic() >= due:
                due = time.monotonic() + TICK_SECONDS
                self._tick()
            if once and not any(reader.is_alive() for reader in self._readers) and self._queue.empty():
                break
        while rest := self._rest():
            self._service.take(rest)
        self._tick()

    def _tick(self) -> None:
        self._service.tick()
        self._service.expire(self._keep_days)

    def _fill(self) -> None:
        """Move what is waiting into the batch; wait up to the batch's age for the first."""
        try:
            item = self._queue.get(timeout=BATCH_AGE_MS / 1000)
            while True:
                self._batcher.add(item, len(item.text) if isinstance(item, Post) else len(item.raw), self._clock())
                if self._batcher.ready(self._clock()):
                    return
                item = self._queue.get_nowait()
        except queue.Empty:
            return

    def _rest(self) -> list[Post | Rejected]:
        """What is left at the end: the open batch, then the queue."""
        rest = self._batcher.take()
        while not self._queue.empty() and len(rest) < 10_000:
            rest.append(self._queue.get_nowait())
        return rest

    def _read(self, source: Source) -> None:
        try:
            for item in source.read():
                while not self._stopping.is_set():
                    try:
                        self._queue.put(item, timeout=0.5)
                        break
                    except queue.Full:
                        continue
                if self._stopping.is_set():
                    return
        except Exception as error:  # the edge of a thread: `run` raises it
            self._failed.append(error)
            self._stopping.set()

    def _deliver(self) -> None:
        try:
            while not self._stopping.wait(TICK_SECONDS):
                self._send()
            self._send()
        except Exception as error:  # the edge of a thread: `run` raises it
            self._failed.append(error)
            self._stopping.set()

    def _send(self) -> None:
        try:
            self._outbox.deliver_due(self._clock())
        except MoodstreamError as error:
            log.error("messages could not be delivered; tried again in a second", reason=str(error))
