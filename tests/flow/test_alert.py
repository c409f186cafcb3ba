"""From the source to the receiver in one process: a planted story is told once, with its cause, and every figure can be recomputed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from seeded import scored

from consumers.receivers import receiver
from consumers.stores.sqlite import SqliteStore
from pipeline.notify import Outbox, Subscription
from pipeline.records import BIN, DAY, HOUR, MINUTE, Incident, to_ms
from pipeline.verify import verify_all
from pipeline.watch import Watch
from producers.stories import Story
from producers.synthetic import Synthetic

START = to_ms("2026-11-02T00:00:00Z")
TOPIC = "Orbit 5"


class Flow:
    """Generator → store → watch → outbox → file, on a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.now = START
        self.out = folder / "alerts.jsonl"
        story = Story("spike", TOPIC, START + 6 * MINUTE, 90, volume=3.5, odds=7.0)
        self.source = Synthetic(11, rate=3.0, stories=[story])
        self.store = SqliteStore.open(folder / "store.db", now=lambda: self.now)
        self.watch = Watch(self.store, [Subscription("log")])
        self.outbox = Outbox(self.store, [receiver("log", f"file:{self.out}")])

    def fill(self, days: int) -> None:
        self.store.write([scored(item) for item in self.source.arriving(START - days * DAY, START)])
        self.watch.tick(self.now)
        self.outbox.deliver_due(self.now)

    def live(self, length: int, step: int = 2 * MINUTE) -> list[Incident]:
        touched = []
        for _ in range(length // step):
            before, self.now = self.now, self.now + step
            self.store.write([scored(item) for item in self.source.arriving(before, self.now)])
            touched += self.watch.tick(self.now)
            self.outbox.deliver_due(self.now)
        return touched

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.read_text("utf-8").splitlines()] if self.out.exists() else []


@pytest.fixture
def flow(tmp_path: Path) -> Iterator[Flow]:
    made = Flow(tmp_path)
    made.fill(days=1)
    yield made
    made.store.close()


def test_a_planted_story_is_told_once_with_its_cause(flow: Flow) -> None:
    """While the story goes on one message reaches the file; it names the platform where the story is and has five quotes."""
    assert [] == flow.lines()
    flow.live(70 * MINUTE)
    (line,) = flow.lines()
    incident = flow.store.incident(line["incident"]["id"])
    assert (TOPIC, False, False) == (incident.topic, incident.late, incident.historical)
    assert START - BIN <= incident.onset <= START + 20 * MINUTE
    assert incident.fired is not None
    assert incident.fired + BIN <= START + 46 * MINUTE
    assert incident.share > incident.expected_high
    assert 5 == len(incident.evidence) == len({item.text_hash for item in incident.evidence})
    platform = next(driver for driver in incident.drivers if driver.kind == "platform")
    assert "x" == platform.name
    assert platform.share > 0.5
    flow.live(30 * MINUTE)
    assert 1 == len(flow.lines())


def test_what_was_told_can_be_recomputed_hours_later(flow: Flow) -> None:
    """After the story, with late posts and a restart behind it, every figure of every incident is equal."""
    flow.live(50 * MINUTE)
    flow.watch = Watch(flow.store, [Subscription("log")])
    flow.live(2 * HOUR, 10 * MINUTE)
    incidents = flow.store.incidents()
    assert TOPIC in {item.topic for item in incidents if item.severity in {"tone", "incident"}}
    assert {0} == {result.exit_code for result in verify_all(flow.store, incidents)}
