"""Health says what the broker says of this worker, over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry, Counter
from structlog.testing import capture_logs

from consumers.health import IDLE_LOOKS, HealthServer, Pulse, watch
from pipeline.metrics import WorkerMetrics


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


class Rounds:
    """Stands in for the event that ends the watch: set after some looks, without waiting."""

    def __init__(self, looks: int) -> None:
        self._left = looks

    def wait(self, seconds: float) -> bool:
        """Whether to stop."""
        self._left -= 1
        return self._left < 0


def test_the_lag_of_a_workers_own_partitions_is_reported(clock: Clock) -> None:
    """A partition that went to another worker is no longer in the metric."""
    metrics, owned = WorkerMetrics(), [{0, 1}, {1}]
    watch(Pulse(clock), lambda: [At(0, 5, 9), At(1, 5, 7)], lambda: owned.pop(0), Rounds(2), metrics.report_lag)  # type: ignore[arg-type]
    found = {sample.labels["partition"]: sample.value for metric in metrics.lag.collect() for sample in metric.samples}
    assert {"1": 2.0} == found


def test_a_worker_beyond_the_partitions_says_so_once(clock: Clock) -> None:
    """Not in the first seconds, for a rebalance takes some; and not at every look."""
    for looks, warnings in ((IDLE_LOOKS - 1, 0), (IDLE_LOOKS * 3, 1)):
        with capture_logs() as logs:
            watch(Pulse(clock), lambda: [At(0, 5, 9)], set, Rounds(looks), lambda lag: None)  # type: ignore[arg-type]
        assert warnings == sum("nothing to do" in line["event"] for line in logs)


def test_a_broker_that_does_not_answer_ends_no_watch(clock: Clock) -> None:
    """The next look counts again."""
    answers = iter([OSError("away"), [At(0, 5, 9)]])
    seen: list[object] = []

    def places() -> list[At]:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    watch(Pulse(clock), places, lambda: {0}, Rounds(2), seen.append)  # type: ignore[arg-type]
    assert [{0: 4}] == seen


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
