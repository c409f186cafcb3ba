"""The order of writes: a watermark for `as_of` that holds with any number of writers, the retention horizon, the known topics.

A writer takes a turn before it writes and gives it back after. In its turn it stores nothing with an `ingested_at` at or below the
turn's `floor`, the newest arrival when it began. So all that will ever be stored lies above the lowest floor among the turns
that are under way, and that is the watermark; when nobody writes it is the newest arrival. It never goes back: a new floor is the peak.
A turn whose writer died holds the watermark back for TURN_MS. Only a writer that was stopped for longer than that and then goes on
can store something below a watermark.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from consumers.stores.elastic_client import Elastic, Json
from pipeline.errors import NotFoundError, StoreError

TURN_MS = 120_000
CLOCK, TOPICS = "clock", "topics"


@dataclass
class Turn:
    """One write under way."""

    floor: int
    horizon: int
    peak: int = 0  # newest arrival that this turn stored

    def arrival(self, wanted: int) -> int:
        """The time under which something is stored: `wanted`, or just above the floor."""
        moment = max(wanted, self.floor + 1)
        self.peak = max(self.peak, moment)
        return moment


class Clock:
    """The watermark, the horizon and the topics of one store."""

    def __init__(self, es: Elastic, now: Callable[[], int]) -> None:
        self._es = es
        self._now = now
        self._writer = uuid.uuid4().hex[:12]
        self._topics: set[str] = set()

    @contextlib.contextmanager
    def turn(self) -> Iterator[Turn]:
        """A write; when it fails, its floor holds until the next one succeeds, for nobody knows what of it was stored."""
        value = self._es.revise("state", CLOCK, self._begin) or {}
        turn = Turn(_of(value)["peak"], _of(value)["horizon"])
        try:
            yield turn
        except StoreError:
            raise
        except ValueError:
            self._es.revise("state", CLOCK, lambda old: self._end(old, turn))
            raise
        self._es.revise("state", CLOCK, lambda old: self._end(old, turn))

    def _begin(self, old: Json | None) -> Json:
        clock = _of(old)
        writing = {name: turn for name, turn in clock["writing"].items() if turn["since"] > self._now() - TURN_MS}
        floor = min(clock["peak"], writing.get(self._writer, {}).get("floor", clock["peak"]))
        writing[self._writer] = {"floor": floor, "since": self._now()}
        return {"value": clock | {"writing": writing}}

    def _end(self, old: Json | None, turn: Turn) -> Json:
        clock = _of(old)
        writing = {name: other for name, other in clock["writing"].items() if name != self._writer}
        return {"value": clock | {"writing": writing, "peak": max(clock["peak"], turn.peak)}}

    def watermark(self) -> int | None:
        """Whatever is stored from now on arrives above it; None before the first write."""
        found = self._es.get("state", CLOCK)
        clock = _of(found.source if found else None)
        floors = [turn["floor"] for turn in clock["writing"].values() if turn["since"] > self._now() - TURN_MS]
        return min([clock["peak"], *floors]) or None

    def horizon(self) -> int:
        """Posts created before it are refused."""
        found = self._es.get("state", CLOCK)
        return int(_of(found.source if found else None)["horizon"])

    def set_horizon(self, horizon: int) -> int:
        """Move the horizon, never back; where it is now."""
        value = self._es.revise("state", CLOCK, lambda old: {"value": _of(old) | {"horizon": max(_of(old)["horizon"], horizon)}})
        return int(_of(value)["horizon"])

    def add_topics(self, names: Iterable[str]) -> None:
        """Make topics known."""
        new = set(names) - self._topics
        if not new:
            return

        def change(old: Json | None) -> Json | None:
            known = set(old["value"]["names"]) if old else set()
            return {"value": {"names": sorted(known | new)}} if new - known else None

        value = self._es.revise("state", TOPICS, change)
        self._topics = set(value["value"]["names"]) if value else set()

    def topics(self) -> list[str]:
        """All topics by name."""
        found = self._es.get("state", TOPICS)
        return sorted(found.source["value"]["names"]) if found else []

    def check_topic(self, name: str) -> None:
        """NotFoundError with the nearest name unless the topic is known."""
        known = self.topics()
        if name not in known:
            raise NotFoundError.of("topic", name, known)


def _of(source: Json | None) -> Json:
    value: Json = {"peak": 0, "horizon": 0, "writing": {}} | (source["value"] if source else {})
    return value
