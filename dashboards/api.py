"""The JSON API under /api/v1: what the commands print, for programs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query
from fastapi.responses import StreamingResponse

from dashboards import shapes
from dashboards.events import Hub, Snapshot
from dashboards.views import Reader, is_open, known_topic
from pipeline.durations import bucket, moment
from pipeline.errors import InputError, NotFoundError
from pipeline.evidence import quotes
from pipeline.records import Explanation, Incident, ScoredPost, from_ms, scored_to_json, to_json
from pipeline.shares import compare

EVERY_TOPIC = "*"  # of an incident of the pipeline itself
PACE_SECONDS = 15.0
MOST_BUCKETS = 10_000  # per answer: 35 days of five minutes
PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": shapes.Problem, "description": text}
    for code, text in {
        400: "unknown Host header",
        401: "a token is required",
        403: "the request came from another site",
        404: "no such topic or incident; the nearest name is in the answer",
        422: "a parameter that can't be used",
        503: "the store can't be read at the moment",
    }.items()
}

TopicName = Annotated[str, Query(min_length=1, max_length=200, description="a topic's name")]
AnyTopic = Annotated[str | None, Query(min_length=1, max_length=200, description="a topic's name; all topics if absent")]
When = Annotated[str | None, Query(max_length=40, description="`7d` (that long ago), a date, or RFC 3339")]
Every = Annotated[str, Query(max_length=20, description="width of a bucket, a multiple of 5 minutes: `5m`, `1h`, `1d`")]
Limit = Annotated[int, Query(ge=1, le=1_000, description="at most this many")]
IncidentId = Annotated[str, Path(min_length=1, max_length=100, description="an incident's id, or a unique beginning of it")]
Verify = Callable[[str], shapes.Verification]
Explain = Callable[[str, str | None], Explanation]  # a text, and the figure: an emotion or a sentiment
PostId = Annotated[str, Query(alias="id", min_length=3, max_length=2_000, description="a post as `platform:post_id`")]
Figure = Annotated[str | None, Query(max_length=40, description="an emotion or a sentiment; default: the post's sentiment")]


class Pace:
    """Posts stored per second, measured over the last ten seconds or so in which somebody looked."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque(maxlen=12)

    def measure(self, posts: int) -> float | None:
        """Take note of the number of stored posts. None until it was noted at two moments half a second apart."""
        now = self._clock()
        while self._seen and now - self._seen[0][0] > PACE_SECONDS:
            self._seen.popleft()
        if not self._seen or now - self._seen[-1][0] >= 0.5:
            self._seen.append((now, posts))
        began, first = self._seen[0]
        return max(0.0, (posts - first) / (now - began)) if now - began >= 0.5 else None


@dataclass(frozen=True, slots=True)
class Service:
    """What the routes work with."""

    store: Reader
    clock: Callable[[], int]
    status: Callable[[], Mapping[str, object]]
    verify: Verify | None
    version: str
    pace: Pace
    explain: Explain | None = None

    def why(self, post_id: str, what: str | None) -> tuple[ScoredPost, Explanation]:
        """A stored post and which words carry its score. NotFoundError, InputError; HTTPException if this process has no model."""
        post = self.store.get([post_id]).get(post_id)
        if post is None:
            raise NotFoundError(f"no post {post_id!r}: it was never stored, or it was erased")
        if post.score is None:
            raise InputError("this post has no score: the model doesn't cover its language")
        if self.explain is None:
            raise HTTPException(503, "this process has no model; use `moodstream explain`")
        return post, self.explain(post.post.text, what)

    def stretch(self, since: str | None, until: str | None) -> tuple[int | None, int | None]:
        """Two times as a caller wrote them. InputError if one can't be read, or if they are the wrong way round."""
        now = self.clock()
        start, end = (None if text is None else moment(text, now) for text in (since, until))
        if start is not None and end is not None and start >= end:
            raise InputError(f"since ({since}) must be before until ({until})")
        return start, end

    def counters(self) -> dict[str, object]:
        """The status line: what the store holds and what the process says of itself."""
        topics, newest, posts, said = self.store.topics(), self.store.latest()[0], self.store.count(), dict(self.status())
        return {
            "version": self.version,
            "now": from_ms(self.clock()),
            "posts": posts,
            "posts_per_second": said.get("posts_per_second", self.pace.measure(posts)),
            "newest": None if newest is None else from_ms(newest),
            "topics": len(topics),
            "open_incidents": sum(topic.open_incidents for topic in topics),
            "service": said,
        }

    def snapshot(self) -> Snapshot:
        """What the open pages may want to hear of."""
        found = self.store.incidents(limit=50)
        counters = self.counters()
        mark = (self.store.latest(), counters["posts"], counters["topics"], [(one.id, one.state, one.as_of) for one in found])
        told: dict[str, Mapping[str, object]] = {
            one.id: {
                "id": one.id,
                "topic": one.topic,
                "severity": one.severity,
                "state": one.state,
                "open": is_open(one),
                "sentence": one.sentence,
            }
            for one in found
        }
        return Snapshot(mark, counters, told)


def router(service: Service, hub: Hub) -> APIRouter:
    """All routes of the API."""
    routes = APIRouter(prefix="/api/v1", responses=PROBLEMS)
    _add_figures(routes, service)
    _add_posts(routes, service)
    _add_incidents(routes, service)
    _add_service(routes, service, hub)
    return routes


def _add_figures(routes: APIRouter, service: Service) -> None:
    store = service.store

    @routes.get("/topics", response_model=list[shapes.Topic], tags=["figures"])
    def topics() -> list[dict[str, Any]]:
        """All topics with the totals of everything stored."""
        return [to_json(summary) for summary in store.topics()]

    @routes.get("/trends", response_model=list[shapes.TrendPoint], tags=["figures"])
    def trends(topic: TopicName, every: Every = "1h", since: When = None, until: When = None) -> list[dict[str, Any]]:
        """Buckets with posts in them, oldest first."""
        start, end = service.stretch(since, until)
        width = bucket(every)
        check_buckets(store, topic, width, start, end)
        return [to_json(point) for point in store.trend(topic, width, start, end)]

    @routes.get("/compare", response_model=shapes.Comparison, tags=["figures"])
    def compare_topics(
        topics: Annotated[str, Query(min_length=1, max_length=2_000, description="names, separated by commas")],
        since: When = None,
        until: When = None,
    ) -> dict[str, Any]:
        """Topics side by side, and every pair's difference with its 95 % interval."""
        return to_json(compare(store, topic_list(topics), *service.stretch(since, until)))


def _add_posts(routes: APIRouter, service: Service) -> None:
    store = service.store

    @routes.get("/posts", response_model=list[shapes.Post], tags=["posts"])
    def posts(topic: TopicName, since: When = None, until: When = None, limit: Limit = 50) -> list[dict[str, Any]]:
        """The newest posts of a topic; posts without a time of their own are in the search only."""
        start, end = service.stretch(since, until)
        last = service.clock() if end is None else end
        return [scored_to_json(item) for item in store.posts(topic, start or 0, last, limit)]

    @routes.get("/search", response_model=list[shapes.Post], tags=["posts"])
    def search(
        q: Annotated[str, Query(min_length=1, max_length=500, description='words that must all occur; "a phrase" as it stands')],
        topic: AnyTopic = None,
        since: When = None,
        until: When = None,
        limit: Limit = 20,
    ) -> list[dict[str, Any]]:
        """Full text, newest first."""
        return [scored_to_json(item) for item in store.search(q, topic, *service.stretch(since, until), limit)]

    @routes.get("/explain", response_model=shapes.Explanation, tags=["posts"])
    def explain(post_id: PostId, of: Figure = None) -> dict[str, Any]:
        """Which words of a stored post carry its score."""
        return asdict(service.why(post_id, of)[1])


def _add_incidents(routes: APIRouter, service: Service) -> None:
    store = service.store

    @routes.get("/incidents", response_model=list[shapes.Incident], tags=["incidents"])
    def incidents(
        topic: AnyTopic = None,
        open_only: Annotated[bool, Query(alias="open", description="only those that are going on")] = False,
        limit: Limit = 100,
    ) -> list[dict[str, Any]]:
        """Newest onset first."""
        if topic is not None and topic != EVERY_TOPIC:
            known_topic(store, topic)
        return [_quoted(store, one) for one in store.incidents(topic, open_only, limit)]

    @routes.get("/incidents/{incident_id}", response_model=shapes.Incident, tags=["incidents"])
    def incident(incident_id: IncidentId) -> dict[str, Any]:
        """One incident with its drivers and evidence."""
        return _quoted(store, store.incident(incident_id))

    @routes.post("/incidents/{incident_id}/verify", response_model=shapes.Verification, tags=["incidents"])
    def verify(incident_id: IncidentId) -> shapes.Verification:
        """Recompute every figure of an incident from the documents. Changes nothing."""
        if service.verify is None:
            raise HTTPException(503, "this process can't verify; use `moodstream verify`")
        return service.verify(store.incident(incident_id).id)


def _add_service(routes: APIRouter, service: Service, hub: Hub) -> None:
    @routes.get("/status", response_model=shapes.Status, tags=["service"])
    def status() -> dict[str, Any]:
        """What the service is doing."""
        return service.counters()

    @routes.get("/events", tags=["service"], response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
    async def events() -> StreamingResponse:
        """Server-sent events: `counters`, `changed`, `incident`, `trouble`."""
        if hub.full:
            raise HTTPException(503, "too many open pages, or the page is stopping", {"retry-after": "30"})
        return StreamingResponse(
            hub.stream(), media_type="text/event-stream", headers={"cache-control": "no-store", "x-accel-buffering": "no"}
        )


def _quoted(store: Reader, incident: Incident) -> dict[str, Any]:
    return {**to_json(incident), "evidence": quotes(store, incident.evidence)}


def topic_list(text: str) -> list[str]:
    """Names between commas, each once. InputError for fewer than one or more than ten."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not 1 <= len(names) <= 10:
        raise InputError("name between one and ten topics, separated by commas")
    return names


def check_buckets(store: Reader, topic: str, width: int, since: int | None, until: int | None) -> None:
    """InputError when an answer could have more than MOST_BUCKETS buckets; NotFoundError for an unknown topic."""
    summary = known_topic(store, topic)
    first, last = summary.first, summary.last
    if first is None or last is None:
        return
    span = min(last, last if until is None else until) - max(first, since or first)
    if span // width > MOST_BUCKETS:
        raise InputError(f"that is more than {MOST_BUCKETS:,} buckets: give a wider `every` or a later `since`")
