"""The Faust agent: takes records, lets the worker bring them home, acknowledges them in order.

`noack_take` and an acknowledgement in order after the write are the only combination that lost nothing when an agent raised
(docs/operations.md); `take` acknowledges a failed batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import faust

from consumers.worker import Taken, Work

RECORDS = 16  # of up to 64 posts at once
WITHIN = 0.2  # seconds to wait for that many


def register(app: faust.App, topic: Any, work: Work) -> None:
    """Let the app's only agent work on a topic."""

    @app.agent(topic, name="posts")  # type: ignore[untyped-decorator]
    async def posts(stream: Any) -> None:
        async for events in stream.noack_take(RECORDS, within=WITHIN):
            await work.bring(taken(events))
            for event in events:
                event.ack()


def taken(events: Sequence[Any]) -> list[Taken]:
    """Faust's events as plain records."""
    messages = [event.message for event in events]
    return [Taken(f"kafka:{m.topic}[{m.partition}]@{m.offset}", m.value or b"", round(m.timestamp * 1000)) for m in messages]
