"""Server-sent events: one task looks at the store and tells every open page what is new.

Events: `counters` (figures of the status line), `changed` (posts or bins are new: fetch again), `incident` (opened, or changed its
state), `trouble` (the store can't be read). A comment every few seconds keeps the connection known to be alive.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

import orjson
from starlette.concurrency import run_in_threadpool

from pipeline.errors import StoreError

MOST_LISTENERS = 64  # open pages at once; the next one is told to come back later
MOST_WAITING = 32  # events waiting for a slow page; the oldest go first
LIFETIME = 1_800.0  # seconds; then the browser connects anew, so that nothing leaks for ever


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the pages may want to hear of. `mark` changes whenever a figure on a page may have changed."""

    mark: object
    counters: Mapping[str, object]
    incidents: Mapping[str, Mapping[str, object]] = field(default_factory=dict)  # id → what to tell


class Hub:
    """Fans the changes between two snapshots out to every listener. Runs in one event loop."""

    def __init__(self, read: Callable[[], Snapshot], *, pause: float = 1.0, heartbeat: float = 10.0) -> None:
        self._read, self._pause, self._heartbeat = read, pause, heartbeat
        self._listeners: set[asyncio.Queue[bytes | None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._last: Snapshot | None = None
        self._closed = False

    @property
    def full(self) -> bool:
        """Whether one more listener would be too many, or the page is stopping."""
        return self._closed or len(self._listeners) >= MOST_LISTENERS

    async def stream(self) -> AsyncIterator[bytes]:
        """The events for one page, until it leaves, the hub closes, or its time is over."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(MOST_WAITING)
        self._listeners.add(queue)
        self._start()
        known = self._last
        until = asyncio.get_running_loop().time() + LIFETIME
        try:
            yield b"retry: 2000\n\n"
            if known is not None:
                yield event("counters", known.counters)
            while not self._closed and asyncio.get_running_loop().time() < until:
                item = await self._next(queue)
                if item is None:
                    return
                yield item
        finally:
            self._listeners.discard(queue)
            self._stop_if_alone()

    def close(self) -> None:
        """End all streams; new ones are refused. Call it in the event loop before the server waits for its connections."""
        self._closed = True
        for queue in self._listeners:
            _put(queue, None)
        self._stop_if_alone(force=True)

    async def _next(self, queue: asyncio.Queue[bytes | None]) -> bytes | None:
        try:
            return await asyncio.wait_for(queue.get(), self._heartbeat)
        except TimeoutError:
            return b": still here\n\n"

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())

    def _stop_if_alone(self, force: bool = False) -> None:
        if self._task is not None and (force or not self._listeners):
            self._task.cancel()
            self._task = None
            self._last = None

    async def _watch(self) -> None:
        while True:
            for item in await self._look():
                for queue in self._listeners:
                    _put(queue, item)
            await asyncio.sleep(self._pause)

    async def _look(self) -> list[bytes]:
        try:
            fresh = await run_in_threadpool(self._read)
        except StoreError:
            return [event("trouble", {"detail": "the store can't be read at the moment"})]
        last, self._last = self._last, fresh
        return differences(last, fresh)


def differences(last: Snapshot | None, fresh: Snapshot) -> list[bytes]:
    """The events between two snapshots; the first one only gives its counters."""
    out = [event("counters", fresh.counters)]
    if last is None:
        return out
    if last.mark != fresh.mark:
        out.append(event("changed", {}))
    out += [event("incident", told) for key, told in fresh.incidents.items() if last.incidents.get(key) != told]
    return out


def event(name: str, data: Mapping[str, object]) -> bytes:
    """One event on the wire; JSON has no line breaks, so one data line is enough."""
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(dict(data)) + b"\n\n"


def _put(queue: asyncio.Queue[bytes | None], item: bytes | None) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(item)
