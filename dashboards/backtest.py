"""The page and the API of a backtest: what an alert would have told on stored history, at every sensitivity of a slider."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query

from dashboards import shapes
from dashboards.api import PROBLEMS, Service, TopicName
from dashboards.charts import Mark
from dashboards.views import known_topic
from dashboards.windows import Window
from pipeline.backtest import DETECTOR as DETECTOR
from pipeline.backtested import Backtest, Level
from pipeline.durations import moment
from pipeline.errors import InputError
from pipeline.peer_rules import SHORT
from pipeline.records import BIN, DAY, HOUR, TrendPoint
from pipeline.trends import floor_to

Run = Callable[[str, int, str], Backtest]  # topic, since (ms), rule
STRETCHES = {"7d": "7 days", "14d": "14 days", "30d": "30 days", "90d": "90 days"}
DEFAULT_STRETCH = "14d"
RULES = {DETECTOR: "moodstream's detector", **SHORT}
LONGEST = 120 * DAY
KEPT = 16  # results
PATIENCE = 60.0  # seconds that a request waits for the one before it
BUCKETS = 90  # of the chart, about
SHOWN_MESSAGES = 50  # per sensitivity

Stretch = Annotated[str, Query(max_length=40, description="from then on: `14d` (that long ago), a date, or RFC 3339")]
RuleName = Annotated[str, Query(max_length=40, description=f"`{DETECTOR}`, a rule of the settings, or {', '.join(SHORT)}")]


class Tester:
    """Runs one backtest at a time, each takes seconds, and keeps the last results while no new posts came."""

    def __init__(self, service: Service, run: Run, rules: Sequence[str] = ()) -> None:
        """`rules`: the names of those of the settings."""
        self.rules = {DETECTOR: RULES[DETECTOR], **{name: f"my rule “{name}”" for name in rules}, **SHORT}
        self._service, self._run = service, run
        self._busy = threading.Lock()
        self._kept: OrderedDict[tuple[str, str, str, int], Backtest] = OrderedDict()

    def result(self, topic: str, since: str, rule: str) -> Backtest:
        """The backtest of a topic. InputError for a time that can't be used, NotFoundError for an unknown topic or rule."""
        known_topic(self._service.store, topic)
        now = self._service.clock()
        start = moment(since, now)
        if now - start > LONGEST:
            raise InputError(f"since {since!r} is more than {LONGEST // DAY} days ago; use `moodstream backtest` for a longer time")
        newest = self._service.store.latest()[0] or 0
        key = (topic, since, rule, newest // HOUR)
        if not self._busy.acquire(timeout=PATIENCE):
            raise HTTPException(503, "another backtest is running", {"retry-after": "10"})
        try:
            if key not in self._kept:
                self._kept[key] = self._run(topic, start, rule)
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]
        finally:
            self._busy.release()


@dataclass(frozen=True, slots=True)
class View:
    """A result as the page shows it."""

    found: Backtest
    chosen: Level
    window: Window
    points: Sequence[TrendPoint]

    def marks(self, level: Level) -> list[Mark]:
        """Where its messages began."""
        return [Mark(message.onset, alert=True) for message in level.messages]

    def shown(self, level: Level) -> Sequence[Any]:
        """The newest messages first."""
        return level.messages[::-1][:SHOWN_MESSAGES]


def view(service: Service, found: Backtest, sensitivity: float | None) -> View:
    """The result with the chart behind it."""
    length = found.until - found.since
    every = max(BIN, -(-length // BUCKETS // HOUR) * HOUR if length > BUCKETS * BIN else BIN)
    start = floor_to(found.since, every)
    window = Window("backtest", start, floor_to(found.until - 1, every) + every, every, live=False)
    points = service.store.trend(found.topic, every, window.start, window.end)
    return View(found, found.level(found.sensitivity if sensitivity is None else sensitivity), window, points)


def router(tester: Tester) -> APIRouter:
    """The route of the API."""
    routes = APIRouter(prefix="/api/v1", responses=PROBLEMS)

    @routes.get("/backtest", response_model=shapes.Backtest, tags=["figures"])
    def backtest(topic: TopicName, since: Stretch = DEFAULT_STRETCH, rule: RuleName = DETECTOR) -> dict[str, Any]:
        """What an alert would have told on stored history, and the false alarms to expect; takes seconds, one at a time."""
        return tester.result(topic, since, rule).to_json()

    return routes
