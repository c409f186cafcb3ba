"""What each page shows, read from the store: plain records in, plain records out, nothing of HTTP or HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dashboards.charts import Mark
from dashboards.windows import Window, window, within
from pipeline.drivers import OTHER
from pipeline.errors import NotFoundError
from pipeline.ports import IncidentStore, TrendReader
from pipeline.records import BIN, DAY, HOUR, MINUTE, Driver, Evidence, Incident, ScoredPost, TopicSummary, TrendPoint
from pipeline.shares import as_estimated, total
from pipeline.trends import floor_to

OPEN_STATES = frozenset({"open", "growing", "peak", "quiet"})
DRIVER_KINDS = {
    "term": "Words", "cluster": "Near-identical texts", "parent": "Replies to one post", "author": "Authors",
    "platform": "Platforms", "language": "Languages",
}  # fmt: skip
NAMED_BY_POST = frozenset({"cluster", "parent"})  # kinds whose parts are named by a post's id
LEAST_REST = 0.005  # a rest that would be shown as 0 % is left out
NEWEST_INCIDENTS = 6  # on the overview
MOST_DOTS = 200
MOST_TOPICS = 60  # on the overview; the others are in the search and the API


class Reader(TrendReader, IncidentStore, Protocol):
    """What the pages need of a store."""


@dataclass(frozen=True, slots=True)
class TopicView:
    """One topic over one window."""

    summary: TopicSummary
    window: Window
    points: Sequence[TrendPoint]
    now: TrendPoint  # the whole window
    hour: TrendPoint  # the last hour of the clock
    before: TrendPoint  # the equally long stretch before it
    incidents: Sequence[Incident]  # newest onset first
    corrected: bool  # all shares are estimates; else none is

    @property
    def open(self) -> list[Incident]:
        """Incidents that are going on."""
        return [incident for incident in self.incidents if is_open(incident)]

    @property
    def change(self) -> float | None:
        """Share now minus share before."""
        if self.now.negative is None or self.before.negative is None:
            return None
        return self.now.negative - self.before.negative

    @property
    def marks(self) -> list[Mark]:
        """Where incidents began."""
        return [Mark(incident.onset, incident.severity in ("incident", "tone")) for incident in self.incidents]

    @property
    def feelings(self) -> list[tuple[str, float, float | None]]:
        """(emotion, mean probability now, before), strongest first, without neutral."""
        ranked = sorted(self.now.emotions.items(), key=lambda pair: (-pair[1], pair[0]))
        return [(name, share, self.before.emotions.get(name)) for name, share in ranked if name != "neutral"]

    @property
    def most_felt(self) -> float:
        """The scale of the emotion bars."""
        return max((max(share, before or 0.0) for _, share, before in self.feelings), default=1.0)

    @property
    def chart(self) -> dict[str, Any]:
        """The trend chart's data: empty buckets are null, so that a line has a gap there."""
        at = {point.start: point for point in self.points}
        found = [at.get(start) for start in self.window.starts]
        columns = {
            name: [None if point is None else getattr(point, name) for point in found] for name in ("negative", "low", "high", "volume")
        }
        marks = [{"at": mark.at, "alert": mark.alert} for mark in self.marks if self.window.start <= mark.at < self.window.end]
        return {"start": [*self.window.starts], "every": self.window.every, "marks": marks, **columns}


@dataclass(frozen=True, slots=True)
class Overview:
    """All topics, and the newest incidents."""

    topics: Sequence[TopicView]
    hidden: int  # topics beyond MOST_TOPICS
    feed: Sequence[Incident]

    @property
    def corrected(self) -> bool:
        """Whether the shares of all topics are estimates."""
        return all(topic.corrected for topic in self.topics)

    @property
    def all_points(self) -> list[TrendPoint]:
        """Every topic's buckets, for one common scale."""
        return [point for topic in self.topics for point in topic.points]

    @property
    def turned(self) -> list[TopicView]:
        """Topics with an open incident."""
        return [topic for topic in self.topics if topic.open]


@dataclass(frozen=True, slots=True)
class IncidentView:
    """One incident with its surroundings and its evidence as the store has it now."""

    incident: Incident
    window: Window
    points: Sequence[TrendPoint]
    drivers: Mapping[str, Sequence[Driver]]  # by kind, largest share first, the rest last
    evidence: Sequence[tuple[Evidence, ScoredPost | None]]  # None: the post is no longer in the store
    quoted: Mapping[str, ScoredPost]  # the posts that drivers name

    @property
    def marks(self) -> list[Mark]:
        """Where it began."""
        return [Mark(self.incident.onset, alert=True)]

    @property
    def terms(self) -> str:
        """The words that carry the rise, to be marked in the quotes."""
        named = " ".join(driver.name for driver in self.drivers.get("term", ()) if driver.name != OTHER).split()
        topic = self.incident.topic.casefold().split()
        return " ".join(word for word in named if word not in topic)

    @property
    def most_felt(self) -> float:
        """The scale of the emotion bars."""
        return max((*self.incident.emotions.values(), *self.incident.emotions_before.values()), default=1.0)


@dataclass(frozen=True, slots=True)
class MoodMap:
    """Newest posts by valence and arousal, and the share of them in each quarter."""

    dots: Sequence[tuple[float, float, bool]]  # valence, arousal, negative
    quarters: Mapping[str, float]


def is_open(incident: Incident) -> bool:
    """Whether the story goes on. Volume-only annotations are never called open: nothing turned negative."""
    return incident.state in OPEN_STATES and incident.severity != "annotation" and not incident.historical


def overview(store: Reader, now: int) -> Overview:
    """The last 24 hours of every topic; those with an open incident first, then by number of posts."""
    summaries = store.topics()
    found = store.incidents(limit=200)
    shown = sorted(summaries, key=lambda topic: (-topic.open_incidents, -topic.posts, topic.topic))[:MOST_TOPICS]
    views = [_topic(store, summary, "24h", now, [one for one in found if one.topic == summary.topic]) for summary in shown]
    views.sort(key=lambda view: (not view.open, -view.now.volume, view.summary.topic))
    return Overview(views, len(summaries) - len(shown), found[:NEWEST_INCIDENTS])


def topic(store: Reader, name: str, range_name: str, now: int) -> TopicView:
    """One topic over a range. NotFoundError names the nearest topic."""
    return _topic(store, known_topic(store, name), range_name, now, store.incidents(topic=name, limit=100))


def known_topic(store: TrendReader, name: str) -> TopicSummary:
    """The summary of a topic. NotFoundError names the nearest one."""
    known = {summary.topic: summary for summary in store.topics()}
    if name not in known:
        raise NotFoundError.of("topic", name, known)
    return known[name]


def mood_map(store: Reader, view: TopicView) -> MoodMap:
    """The newest scored posts of the window, at most MOST_DOTS."""
    posts = store.posts(view.summary.topic, view.window.start, view.window.end, MOST_DOTS)
    dots = [(item.score.valence, item.score.arousal, item.score.sentiment == "negative") for item in posts if item.score]
    names = {(False, True): "upset", (True, True): "excited", (False, False): "low", (True, False): "content"}
    found = Counter(names[valence >= 0, arousal >= 0.5] for valence, arousal, _ in dots)
    return MoodMap(dots, {name: found[name] / len(dots) if dots else 0.0 for name in names.values()})


def incident(store: Reader, incident_id: str, now: int) -> IncidentView:
    """One incident. NotFoundError if there is none, or if the id fits several."""
    found = store.incident(incident_id)
    frame = _frame(found, now)
    points = [] if found.topic == "*" else store.trend(found.topic, frame.every, frame.start, frame.end)
    named = [driver.name for driver in found.drivers if driver.kind in NAMED_BY_POST]
    posts = store.get([*named, *(quote.id for quote in found.evidence)])
    evidence = [(quote, posts.get(quote.id)) for quote in found.evidence]
    return IncidentView(found, frame, points, _by_kind(found.drivers), evidence, posts)


def _topic(store: Reader, summary: TopicSummary, range_name: str, now: int, incidents: Sequence[Incident]) -> TopicView:
    frame = window(range_name, now, summary.last)
    points = store.trend(summary.topic, frame.every, frame.before, frame.end)
    shown = within(points, frame.start, frame.end)
    before = total(summary.topic, frame.before, within(points, frame.before, frame.start), store.confusion)
    recent = floor_to(now, BIN) + BIN - HOUR
    hour = total(summary.topic, recent, store.trend(summary.topic, BIN, recent, recent + HOUR), store.confusion)
    figures = [total(summary.topic, frame.start, shown, store.confusion), hour, before]
    estimated = as_estimated([*figures, *shown])
    whole, hour, before, *shown = estimated or [*figures, *shown]
    return TopicView(summary, frame, shown, whole, hour, before, incidents, corrected=estimated is not None)


def _by_kind(drivers: Sequence[Driver]) -> dict[str, Sequence[Driver]]:
    """Drivers in their order, kinds in the order of DRIVER_KINDS; a kind that names no part, or one language for all, says nothing."""
    kinds = [*DRIVER_KINDS, *sorted({driver.kind for driver in drivers} - set(DRIVER_KINDS))]
    told = [one for one in drivers if one.name != OTHER or one.share >= LEAST_REST]
    grouped = {kind: [one for one in told if one.kind == kind] for kind in kinds}
    return {kind: rows for kind, rows in grouped.items() if len(rows) > (kind == "language") and {row.name for row in rows} != {OTHER}}


def _frame(incident: Incident, now: int) -> Window:
    """From about six hours before the onset to two hours after the end of the figures, at most two days.

    Buckets are of 10 minutes; the length is a multiple of 40, so that the five labels of the axis fall on them.
    """
    every = 10 * MINUTE
    last = min(max(incident.end, incident.closed or 0) + 2 * HOUR, max(now, incident.end), incident.onset + 2 * DAY)
    end = floor_to(last, every) + every
    start = end + floor_to(incident.onset - 6 * HOUR - end, 4 * every)
    return Window("incident", start, end, every, live=is_open(incident))
