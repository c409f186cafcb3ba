"""Reading documents, bins and trends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from consumers.stores.elastic_client import PAGE, Elastic, Json
from consumers.stores.elastic_clock import Clock
from consumers.stores.elastic_docs import doc_id, document_of, words_of
from consumers.stores.elastic_figures import ALL, models_of, sums_of
from pipeline.confusion import Known
from pipeline.ports import Change
from pipeline.records import BIN, HOUR, Bin, ScoredPost, TopicSummary, TrendPoint
from pipeline.trends import bin_of, check_every, effective_n, estimate_of, floor_to, share_of, trend_point

WHOLE: tuple[Json, ...] = ({"term": {"platform": ALL}}, {"term": {"language": ALL}})
SUMS = ["start", "topic", "sums", "posts", "n_raw", "first", "last", "authors", "distinct_texts"]


class Reader:
    """The read side of one store, without recomputing anything."""

    def __init__(self, es: Elastic, clock: Clock) -> None:
        self._es = es
        self._clock = clock

    def trend(self, topic: str, every: int, since: int | None, until: int | None, known: Known) -> list[TrendPoint]:
        """Buckets of `every` ms; from the hours where they fit, else from the bins. `since` and `until` are widened to whole ones."""
        check_every(every)
        self._clock.check_topic(topic)
        unit, name = (HOUR, "1h") if every % HOUR == 0 else (BIN, "5m")
        first = None if since is None else floor_to(since, unit)
        query = _filter({"term": {"topic": topic}}, {"term": {"every": name}}, *WHOLE, *_between("start", first, until))
        rows = [hit.source for hit in self._es.scan("trends", query, [{"start": "asc"}], source=["start", "sums"])]
        grouped = groupby(rows, key=lambda row: floor_to(row["start"], every))
        return [trend_point(topic, start, sums_of(row["sums"] for row in group), known) for start, group in grouped]

    def bins(self, topics: Sequence[str], since: int, until: int) -> list[Bin]:
        """The bins of some topics with since <= start < until, by start then topic."""
        for topic in topics:
            self._clock.check_topic(topic)
        clauses: list[Json] = [{"terms": {"topic": sorted(set(topics))}}, {"term": {"every": "5m"}}, {"term": {"dated": True}}]
        query = _filter(*clauses, *WHOLE, *_between("start", since, until))
        rows = (hit.source for hit in self._es.scan("trends", query, [{"start": "asc"}, {"topic": "asc"}], source=SUMS))
        return [
            bin_of(
                row["topic"], row["start"], row["sums"]["volume"], row["sums"]["weight"], row["n_raw"], row["sums"]["negative"],
                row["authors"], row["distinct_texts"], row["sums"]["intensity"], models_of([row["sums"]]),
            )
            for row in rows
        ]  # fmt: skip

    def topics(self, known: Known) -> list[TopicSummary]:
        """All topics with the totals of what is stored, from the hours after the retention horizon."""
        rows: dict[str, list[Json]] = defaultdict(list)
        query = _filter({"term": {"every": "1h"}}, *WHOLE, *_between("start", self._clock.horizon(), None))
        for hit in self._es.scan("trends", query, [{"start": "asc"}], source=SUMS):
            rows[hit.source["topic"]].append(hit.source)
        answer = self._es.search(
            "incidents",
            {"size": 0, "query": {"term": {"open": True}}, "aggs": {"topics": {"terms": {"field": "topic", "size": 10_000}}}},
        )
        buckets = answer.get("aggregations", {}).get("topics", {}).get("buckets", ())
        open_incidents = {bucket["key"]: int(bucket["doc_count"]) for bucket in buckets}
        return [_summary(name, rows[name], open_incidents.get(name, 0), known) for name in self._clock.topics()]

    def posts(self, topic: str, since: int, until: int, limit: int, as_of: int | None, newest_first: bool) -> list[ScoredPost]:
        """Dated posts of a topic by event time; those of one millisecond by id."""
        self._clock.check_topic(topic)
        clauses: list[Json] = [{"term": {"topics": topic}}, {"term": {"dated": True}}, *_between("created_at", since, until)]
        if as_of is not None:
            clauses.append({"range": {"ingested_at": {"lte": as_of}}})
        sort: list[Json] = [{"created_at": "desc" if newest_first else "asc"}, {"id": "asc"}]
        return [document_of(hit.source).item for hit in self._es.scan("posts-*", _filter(*clauses), sort, limit)]

    def get(self, ids: Sequence[str]) -> dict[str, ScoredPost]:
        """Posts by identity, in the order asked for; those that are not there are left out."""
        found: dict[str, ScoredPost] = {}
        for start in range(0, len(ids), PAGE):
            wanted = [doc_id(post_id) for post_id in ids[start : start + PAGE] if post_id]
            for hit in self._es.scan("posts-*", {"ids": {"values": wanted}}, [{"revised_at": "asc"}]):
                item = document_of(hit.source).item
                found[item.id] = item
        return {post_id: found[post_id] for post_id in ids if post_id in found}

    def search(self, query: str, topic: str | None, since: int | None, until: int | None, limit: int) -> list[ScoredPost]:
        """Full text, newest first: all words must occur, "a phrase" as it stands."""
        if topic is not None:
            self._clock.check_topic(topic)
        pieces = pieces_of(query)
        if not pieces:
            return []
        clauses: list[Json] = [{"match_phrase": {"words": " ".join(words)}} for words in pieces]
        clauses += [{"term": {"topics": topic}}] if topic is not None else []
        sort: list[Json] = [{"created_at": "desc"}, {"id": "asc"}]
        hits = self._es.scan("posts-*", _filter(*clauses, *_between("created_at", since, until)), sort, limit)
        return [document_of(hit.source).item for hit in hits]

    def count(self, topic: str | None) -> int:
        """Stored posts, of one topic or of all."""
        if topic is None:
            return self._es.count("posts-*", {"match_all": {}})
        self._clock.check_topic(topic)
        return self._es.count("posts-*", {"term": {"topics": topic}})

    def newest(self) -> int | None:
        """Newest event time of dated posts."""
        body = {"size": 0, "query": {"term": {"dated": True}}, "aggs": {"newest": {"max": {"field": "created_at"}}}}
        value = self._es.search("posts-*", body).get("aggregations", {}).get("newest", {}).get("value")
        return None if value is None else int(value)

    def changes(self, topic: str, since: int, until: int, after: int) -> list[Change]:
        """What became of posts created in [since, until) after `after`, oldest first; expired posts are counted per hour."""
        self._clock.check_topic(topic)
        expired = _filter({"term": {"kind": "expired"}}, *_between("created_at", floor_to(since, HOUR), until))
        others = {"bool": {"filter": _between("created_at", since, until), "must_not": {"term": {"kind": "expired"}}}}
        query = _filter({"term": {"topic": topic}}, {"range": {"at": {"gt": after}}}, {"bool": {"should": [expired, others]}})
        sort: list[Json] = [{"at": "asc"}, {"created_at": "asc"}, {"kind": "asc"}]
        return [Change(**hit.source) for hit in self._es.scan("changes", query, sort)]


def pieces_of(query: str) -> list[list[str]]:
    """The words and phrases of a search, each as the index has its words; an odd quotation mark opens a phrase to the end."""
    out: list[list[str]] = []
    for number, part in enumerate(query.split('"')):
        out += [words_of(part)] if number % 2 else [words_of(word) for word in part.split()]
    return [words for words in out if words]


def _summary(name: str, rows: list[Json], open_incidents: int, known: Known) -> TopicSummary:
    sums = [row["sums"] for row in rows]
    weight, squared, negative = (sum(map(itemgetter(field), sums)) for field in ("weight", "weight_squared", "negative"))
    share, low, high = share_of(weight, squared, negative)
    estimated = estimate_of(share, effective_n(weight, squared), models_of(sums), known)
    first = min((row["first"] for row in rows), default=None)
    last = max((row["last"] for row in rows), default=None)
    return TopicSummary(name, sum(row["posts"] for row in rows), first, last, share, low, high, open_incidents, *estimated)


def _filter(*clauses: Json) -> Json:
    return {"bool": {"filter": list(clauses)}}


def _between(name: str, since: int | None, until: int | None) -> list[Json]:
    bounds = {key: value for key, value in (("gte", since), ("lt", until)) if value is not None}
    return [{"range": {name: bounds}}] if bounds else []
