"""The Faust agent: takes records, lets the worker bring them home, acknowledges them in order.

`noack_take` and an acknowledgement in order after the write are the only combination that lost nothing when an agent raised
(docs/operations.md); `take` acknowledges a failed batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import faust

from consumers.worker import Taken, Work

RECORDS = 128  # taken at once: a producer with little to say puts few posts into each, and small bulk writes are slow
WITHIN = 0.2  # seconds to wait for that many
POSTS = 1_024  # brought home at once: what a slow model needs two seconds for, and what is done again if a worker dies


def register(app: faust.App, topic: Any, work: Work) -> None:
    """Let the app's only agent work on a topic."""

    @app.agent(topic, name="posts")  # type: ignore[untyped-decorator]
    async def posts(stream: Any) -> None:
        async for events in stream.noack_take(RECORDS, within=WITHIN):
            for part in portions(events):
                await work.bring(taken(part))
                for event in part:
                    event.ack()


def portions(events: Sequence[Any]) -> Iterator[list[Any]]:
    """Events in their order, in parts of about POSTS posts; a record is never split, so a part has one more record at most."""
    part: list[Any] = []
    posts = 0
    for event in events:
        part.append(event)
        posts += (event.message.value or b"").count(b"\n") + 1
        if posts >= POSTS:
            yield part
            part, posts = [], 0
    if part:
        yield part


def taken(events: Sequence[Any]) -> list[Taken]:
    """Faust's events as plain records."""
    messages = [event.message for event in events]
    return [Taken(f"kafka:{m.topic}[{m.partition}]@{m.offset}", m.value or b"", round(m.timestamp * 1000)) for m in messages]
