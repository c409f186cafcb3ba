"""The demo's feed: three weeks of past, then posts at the pace of a simulated clock. Everything behind it is the real service."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Protocol

from consumers.local import Embedded
from pipeline.records import DAY, HOUR, MINUTE, Incident, Post

FACTOR = 60  # simulated seconds per real one
PAST_DAYS = 21
STEP = MINUTE  # the clock moves in whole steps, so the same seed gives the same incident however slow the machine
FILL_BATCH = 4_000


class Arrived(Protocol):
    """A post and when it came in, ms since 1970."""

    @property
    def post(self) -> Post: ...

    @property
    def arrived_at(self) -> int: ...


Arriving = Callable[[int, int], Iterable[Arrived]]


class SteppedClock:
    """A clock that stands where it was put. It is the only thing by which the service could know that time is simulated."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        """Milliseconds since 1970."""
        return self.now


class Demo:
    """Feeds an `Embedded` from `arriving(from, until)`, which gives the same posts for the same span for ever."""

    def __init__(self, service: Embedded, arriving: Arriving, clock: SteppedClock) -> None:
        self._service = service
        self._arriving = arriving
        self._clock = clock
        self.clock: Callable[[], int] = clock
        self.status = service.status
        self.start = clock.now

    def fill(self, progress: Callable[[int], None], days: int = PAST_DAYS) -> None:
        """Store the past up to the start. `progress` gets how many posts each batch had."""
        past = iter(self._arriving(self.start - days * DAY, self.start))
        while batch := list(islice(past, FILL_BATCH)):
            self._take(batch)
            progress(len(batch))
        self._service.tick()

    def step(self) -> list[Incident]:
        """Move on by one step: what arrived in it is stored, then looked at."""
        before = self._clock.now
        self._clock.now = before + STEP
        self._take(list(self._arriving(before, self._clock.now)))
        return self._service.tick()

    def until_incident(self) -> Incident | None:
        """Step as fast as the machine can until an incident opens that would be sent; None if none does in six hours."""
        while self._clock.now < self.start + 6 * HOUR:
            for incident in self.step():
                if incident.fired is not None and not incident.historical and incident.severity != "annotation":
                    return incident
        return None

    def follow(self, factor: float, wait: Callable[[float], bool], told: Callable[[Incident], None]) -> None:
        """Step at `factor` times real time until `wait` says stop. A machine that is too slow falls behind, it skips nothing."""
        began = time.monotonic()
        steps = 0
        while True:
            steps += 1
            ahead = steps * STEP / 1000 / factor - (time.monotonic() - began)
            if wait(max(0.0, ahead)):
                return
            for incident in self.step():
                told(incident)

    def _take(self, batch: list[Arrived]) -> None:
        if batch:
            self._service.take([item.post for item in batch], [item.arrived_at for item in batch])
