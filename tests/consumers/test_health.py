"""Health says what the broker says of this worker, over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry, Counter

from consumers.health import HealthServer, Pulse


@dataclass
class At:
    """How far the group is in one partition."""

    partition: int
    committed: int
    end: int


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The time that the pulse sees."""
    return Clock()


def test_a_worker_without_lag_is_well(clock: Clock) -> None:
    """However long its offset has stood still."""
    pulse = Pulse(clock)
    for clock.now in (0.0, 100.0, 200.0):
        pulse.look([At(0, 7, 7)], {0})
    assert True is pulse.health("running")["ok"]


def test_a_worker_whose_offset_stands_still_under_lag_is_stalled(clock: Clock) -> None:
    """After a minute; a move makes it well again."""
    pulse = Pulse(clock, stall_seconds=60)
    found = []
    for clock.now, committed in ((0.0, 5), (30.0, 5), (59.0, 5), (61.0, 5), (62.0, 6)):
        pulse.look([At(0, committed, 99)], {0})
        found.append(pulse.health("running")["ok"])
    assert [True, True, True, False, True] == found


def test_a_worker_that_waits_for_its_store_is_well(clock: Clock) -> None:
    """Killing it would help nobody."""
    pulse = Pulse(clock, stall_seconds=60)
    for clock.now in (0.0, 100.0):
        pulse.look([At(0, 5, 99)], {0})
    assert [True, True, False] == [pulse.health(state)["ok"] for state in ("blocked", "waiting", "running")]


def test_partitions_of_other_workers_do_not_count(clock: Clock) -> None:
    """Nor does one that was taken away and came back start as stalled."""
    pulse = Pulse(clock, stall_seconds=60)
    pulse.look([At(0, 5, 99)], {0})
    clock.now = 100.0
    pulse.look([At(0, 5, 99)], set())
    assert True is pulse.health("running")["ok"]
    pulse.look([At(0, 5, 99)], {0})
    assert True is pulse.health("running")["ok"]


def test_health_and_metrics_are_served(clock: Clock) -> None:
    """200 and 503 by health, Prometheus' text, 404 for anything else."""
    registry = CollectorRegistry()
    Counter("tries", "tries", registry=registry).inc()
    health: dict[str, object] = {"ok": True}
    server = HealthServer("127.0.0.1", 0, lambda: health, registry)
    address = f"http://127.0.0.1:{server.port}"
    try:
        with urllib.request.urlopen(f"{address}/health") as answer:
            assert {"ok": True} == json.load(answer)
        with urllib.request.urlopen(f"{address}/metrics") as answer:
            assert b"tries_total 1.0" in answer.read()
        health["ok"] = False
        for path, status in (("/health", 503), ("/", 404)):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"{address}{path}")
            refused.value.close()
            assert status == refused.value.code
    finally:
        server.close()
