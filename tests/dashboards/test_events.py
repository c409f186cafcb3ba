"""Server-sent events: what is told, to how many, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
import pytest

from dashboards import events
from dashboards.events import MOST_WAITING, Hub, Snapshot, differences, event
from pipeline.errors import StoreError

Told = tuple[str, dict[str, Any]]


def read_event(raw: bytes) -> Told:
    """(name, data) of one event on the wire."""
    name, data = raw.removesuffix(b"\n\n").split(b"\n")
    return name.removeprefix(b"event: ").decode(), orjson.loads(data.removeprefix(b"data: "))


def snapshot(mark: int, state: str = "open") -> Snapshot:
    """A snapshot with one incident."""
    return Snapshot(mark, {"posts": mark}, {"i1": {"id": "i1", "state": state}})


def within(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test in an event loop, at most ten seconds."""
    asyncio.run(asyncio.wait_for(test(), 10))


def test_the_first_look_tells_counters_only() -> None:
    """Who opens a page isn't told of incidents that are on it already."""
    assert [("counters", {"posts": 1})] == [read_event(raw) for raw in differences(None, snapshot(1))]


def test_a_change_is_told_once() -> None:
    """New posts give `changed`, a new state gives `incident`, and the same snapshot again gives neither."""
    told = [read_event(raw) for raw in differences(snapshot(1), snapshot(2, "quiet"))]
    assert [("counters", {"posts": 2}), ("changed", {}), ("incident", {"id": "i1", "state": "quiet"})] == told
    assert [("counters", {"posts": 2})] == [read_event(raw) for raw in differences(snapshot(2), snapshot(2))]


def test_line_breaks_of_a_text_stay_inside_an_event() -> None:
    """A sentence can't end an event early or begin another."""
    raw = event("incident", {"sentence": "a\n\nevent: incident\r\ndata: {}\u2028"})
    assert 2 == raw.removesuffix(b"\n\n").count(b"\n") + 1
    assert ("incident", {"sentence": "a\n\nevent: incident\r\ndata: {}\u2028"}) == read_event(raw)


def test_all_listeners_hear_of_a_change() -> None:
    """One look at the store serves every open page."""

    async def test() -> None:
        mark = [1]
        looks = []

        def read() -> Snapshot:
            looks.append(mark[0])
            return snapshot(mark[0])

        hub = Hub(read, pause=0.01)
        streams = [hub.stream() for _ in range(3)]
        for stream in streams:
            assert (await anext(stream)).startswith(b"retry:")
        for stream in streams:
            await until(stream, "counters")
        mark[0] = 2
        for stream in streams:
            await until(stream, "changed")
        hub.close()
        assert [[], [], []] == [[name async for name in names(stream) if name == "changed"] for stream in streams]
        assert len(looks) < 1_000

    within(test)


def test_a_silent_store_gives_heartbeats() -> None:
    """A comment keeps the connection alive while the store takes its time."""

    async def test() -> None:
        hub = Hub(lambda: snapshot(1), pause=60, heartbeat=0.01)
        stream = hub.stream()
        for _ in range(50):
            if (await anext(stream)).startswith(b":"):
                break
        else:
            pytest.fail("no heartbeat")
        hub.close()

    within(test)


def test_closing_ends_every_stream() -> None:
    """After `close` the streams end by themselves and no new one begins."""

    async def test() -> None:
        hub = Hub(lambda: snapshot(1), pause=0.01, heartbeat=60)
        streams = [hub.stream() for _ in range(5)]
        for stream in streams:
            await until(stream, "counters")
        hub.close()
        for stream in streams:
            assert "changed" not in [name async for name in names(stream)]
        assert hub.full
        while len(asyncio.all_tasks()) > 2:  # this test and its time limit; the task that looks at the store must go
            await asyncio.sleep(0.001)

    within(test)


def test_without_listeners_nothing_is_read() -> None:
    """The store is left alone when no page is open."""

    async def test() -> None:
        looks = []
        hub = Hub(lambda: looks.append(1) or snapshot(1), pause=0.001)  # type: ignore[func-returns-value]
        stream = hub.stream()
        await until(stream, "counters")
        await stream.aclose()
        seen = len(looks)
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert len(looks) <= seen + 1

    within(test)


def test_listeners_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub says when one more page would be too many, and has room again when one leaves."""

    async def test() -> None:
        monkeypatch.setattr(events, "MOST_LISTENERS", 2)
        hub = Hub(lambda: snapshot(1), pause=0.01)
        streams = [hub.stream(), hub.stream()]
        for stream in streams:
            assert not hub.full
            await anext(stream)
        assert hub.full
        await streams[0].aclose()
        assert not hub.full
        hub.close()

    within(test)


def test_a_slow_page_misses_the_oldest_events_only() -> None:
    """What waits for a page is bounded, and the newest figures are among it."""

    async def test() -> None:
        mark = [0]

        def read() -> Snapshot:
            mark[0] += 1
            return snapshot(mark[0])

        hub = Hub(read, pause=0.0)
        stream = hub.stream()
        await anext(stream)
        while mark[0] < 5 * MOST_WAITING:
            await asyncio.sleep(0.001)
        at = mark[0]
        told = [read_event(await anext(stream)) for _ in range(MOST_WAITING)]
        posts = [data["posts"] for name, data in told if name == "counters"]
        assert posts[0] >= at - MOST_WAITING
        assert sorted(posts) == posts
        hub.close()

    within(test)


def test_a_store_that_is_away_is_told_and_comes_back() -> None:
    """`trouble` says that the store can't be read; the next good look goes on as usual."""

    async def test() -> None:
        broken = [True]

        def read() -> Snapshot:
            if broken[0]:
                raise StoreError("gone")
            return snapshot(1)

        hub = Hub(read, pause=0.01)
        stream = hub.stream()
        await until(stream, "trouble")
        broken[0] = False
        await until(stream, "counters")
        hub.close()

    within(test)


async def until(stream: Any, wanted: str) -> Told:
    """The next event of that name."""
    async for raw in stream:
        if raw.startswith(b"event: " + wanted.encode()):
            return read_event(raw)
    raise AssertionError(f"the stream ended without {wanted}")


async def names(stream: Any) -> Any:
    """The names of the events that are left."""
    async for raw in stream:
        if raw.startswith(b"event:"):
            yield read_event(raw)[0]
