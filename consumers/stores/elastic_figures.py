"""Bins and hours: made anew from the documents of the hours that changed, and bins as of an earlier moment.

The server adds up integers, a bucket of equal weights at a time, and the multiplication by the weight happens here: every sum is exact
(up to 2^53, some 90 million posts an hour), so the figures equal those of any other store with the same posts.

A row is written under an external version: the sequence number of the newest mark that was read before the documents were. Whoever read
later wins, so any number of processes may recompute at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from consumers.stores.elastic_client import Elastic, Hit, Json, Op
from consumers.stores.elastic_clock import Clock
from consumers.stores.elastic_docs import doc_id
from pipeline.records import BIN, EMOTIONS, HOUR, SCALE, Bin
from pipeline.trends import Sums, bin_of, floor_to, trend_point

ALL = "*"  # the row of all platforms or all languages
NO_LANGUAGE = "und"
HOURS_AT_ONCE = 100
EXACT_POSTS = 100_000  # in a bin with more posts, distinct authors and texts are estimated (HyperLogLog++, error about 1 %)
MEANS = ("negative", "intensity", "valence", "arousal")
FIELDS = {"negative": "p_negative", "intensity": "intensity", "valence": "valence", "arousal": "arousal"}
Place = tuple[int, bool]  # (bin start, dated)
Cell = tuple[int, bool, str, str]  # and platform, language


@dataclass
class Total:
    """Exact sums over some documents; all but `posts`, `volume`, `nameless` are over scored ones. See pipeline.trends.Sums."""

    posts: int = 0
    volume: int = 0
    n_raw: int = 0
    weight: int = 0
    weight_squared: int = 0
    nameless: int = 0  # posts without an author
    first: int | None = None
    last: int | None = None
    means: list[int] = field(default_factory=lambda: [0] * len(MEANS))
    emotions: list[int] = field(default_factory=lambda: [0] * len(EMOTIONS))
    models: set[str] = field(default_factory=set)  # that scored them; an empty name where the index has none

    def add(self, other: Total) -> None:
        """The sums of both."""
        for name in ("posts", "volume", "n_raw", "weight", "weight_squared", "nameless"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.first = min((at for at in (self.first, other.first) if at is not None), default=None)
        self.last = max((at for at in (self.last, other.last) if at is not None), default=None)
        self.means = [a + b for a, b in zip(self.means, other.means, strict=True)]
        self.emotions = [a + b for a, b in zip(self.emotions, other.emotions, strict=True)]
        self.models |= other.models

    @classmethod
    def of(cls, bucket: Json) -> Total:
        """From a bucket of posts that all have the weight in its key."""
        weight, posts, scored = int(bucket["key"]["weight"]), int(bucket["doc_count"]), int(bucket["scored"]["value"])

        def total(name: str) -> int:
            return weight * round(bucket[name]["value"]) if name in bucket else 0

        return cls(
            posts=posts,
            volume=weight * posts,
            n_raw=scored,
            weight=weight * scored,
            weight_squared=weight * weight // SCALE * scored,
            nameless=posts - int(bucket["named"]["value"]),
            first=int(bucket["first"]["value"]) if "first" in bucket else None,
            last=int(bucket["last"]["value"]) if "last" in bucket else None,
            means=[total(name) for name in MEANS],
            emotions=[total(f"e_{name}") for name in EMOTIONS],
            models={bucket["key"].get("model") or ""} if scored else set(),
        )

    def sums(self) -> Json:
        """As JSON, to be read by `sums_of`."""
        return {
            "volume": self.volume, "weight": self.weight, "weight_squared": self.weight_squared,
            **dict(zip(MEANS, self.means, strict=True)), "emotions": self.emotions,
            "models": sorted(self.models),
        }  # fmt: skip


def sums_of(parts: Iterable[Json]) -> Sums:
    """The sums of several rows as one."""
    rows = list(parts)
    plain = {name: sum(row[name] for row in rows) for name in ("volume", "weight", "weight_squared", *MEANS)}
    return Sums(**plain, emotions=tuple(map(sum, zip(*(row["emotions"] for row in rows), strict=True))), models=models_of(rows))


def models_of(rows: Iterable[Json]) -> tuple[str, ...]:
    """The names of the models that scored the posts of some sums; none if one of them isn't known, as in rows of older versions."""
    names = {name for row in rows for name in row.get("models", [""] if row["weight"] else [])}
    return () if "" in names else tuple(sorted(names))


class Figures:
    """The roll-up of one store."""

    def __init__(self, es: Elastic, clock: Clock) -> None:
        self._es = es
        self._clock = clock

    def recompute(self) -> None:
        """Make the bins and hours that have marks anew. Bins that came out otherwise are marked as changed."""
        marks = list(self._es.scan("marks", {"term": {"kind": "dirty"}}, [{"start": "asc"}, {"topic": "asc"}, {"dated": "asc"}]))
        if not marks:
            return
        self._es.show("posts-*", always=True)
        self._es.show("trends", always=True)
        horizon = self._clock.horizon()
        by_topic: dict[str, dict[int, int]] = defaultdict(dict)
        for mark in marks:
            hour = floor_to(mark.source["start"], HOUR)
            versions = by_topic[mark.source["topic"]]
            if hour >= horizon:  # before it, the hours are all that is left
                versions[hour] = max(versions.get(hour, 0), mark.if_seq[0] + 1)
        for topic, versions in sorted(by_topic.items()):
            hours = sorted(versions)
            for start in range(0, len(hours), HOURS_AT_ONCE):
                self._recompute_hours(topic, {hour: versions[hour] for hour in hours[start : start + HOURS_AT_ONCE]})
        index = self._es.index("marks")
        self._es.settle([Op("delete", index, mark.id, if_seq=mark.if_seq) for mark in marks], conflicts=True)

    def take_changed(self) -> list[tuple[str, int]]:
        """(topic, bin start) of the bins that changed since the last call, by start then topic."""
        hits = list(self._es.scan("marks", {"term": {"kind": "changed"}}, [{"start": "asc"}, {"topic": "asc"}]))
        if hits:
            self._es.settle([Op("delete", hit.index, hit.id, if_seq=hit.if_seq) for hit in hits], conflicts=True)
        return [(hit.source["topic"], hit.source["start"]) for hit in hits]

    def bins_as_of(self, topic: str, since: int, until: int, as_of: int) -> list[Bin]:
        """Dated bins straight from the documents that had arrived by `as_of`."""
        first, last = -(-since // BIN) * BIN, -(-until // BIN) * BIN
        query = _filter(
            {"term": {"topics": topic}},
            {"term": {"dated": True}},
            {"range": {"created_at": {"gte": first, "lt": last}}},
            {"range": {"ingested_at": {"lte": as_of}}},
        )
        totals: dict[Place, Total] = defaultdict(Total)
        sums = {name: {"sum": {"field": FIELDS[name]}} for name in ("negative", "intensity")}
        for bucket in self._es.composite("posts-*", query, [*_PLACE, *_WEIGHT, *_MODEL], {**_COUNTS, **sums}):
            totals[_place(bucket)].add(Total.of(bucket))
        return [_bin(topic, start, total, *distinct) for (start, _), total, distinct in self._with_distinct(query, totals)]

    def mentions(self, topic: str, phrase: str, since: int, until: int, as_of: int) -> dict[int, float]:
        """Bin start → Σ weight of a topic's dated posts with a phrase in the words of the index, of those that had arrived by `as_of`."""
        first, last = -(-since // BIN) * BIN, -(-until // BIN) * BIN
        query = _filter(
            {"match_phrase": {"words": phrase}},
            {"term": {"topics": topic}},
            {"term": {"dated": True}},
            {"range": {"created_at": {"gte": first, "lt": last}}},
            {"range": {"ingested_at": {"lte": as_of}}},
        )
        found: dict[int, int] = defaultdict(int)
        for bucket in self._es.composite("posts-*", query, [*_PLACE, *_WEIGHT], {}):
            found[_place(bucket)[0]] += int(bucket["key"]["weight"]) * int(bucket["doc_count"])
        return {start: weight / SCALE for start, weight in sorted(found.items())}

    # ------------------------------------------------------------ hours

    def _recompute_hours(self, topic: str, versions: Mapping[int, int]) -> None:
        fresh = self._rows(topic, _runs(versions))
        stale = {hit.id: hit for hit in self._stored(topic, versions)}
        index = self._es.index("trends")
        ops = [
            Op("index", index, row_id, row, version=versions[floor_to(row["start"], HOUR)])
            for row_id, row in fresh.items()
            if row_id not in stale or stale[row_id].source != row
        ]
        gone = [hit for row_id, hit in stale.items() if row_id not in fresh]
        ops += [Op("delete", index, hit.id, version=versions[floor_to(hit.source["start"], HOUR)]) for hit in gone]
        touched = [fresh[op.id] if op.id in fresh else stale[op.id].source for op in ops]
        self._es.settle(self._changed(topic, {row["start"] for row in touched if row["every"] == "5m" and row["dated"]}))
        self._es.settle(ops, conflicts=True)

    def _changed(self, topic: str, starts: Iterable[int]) -> list[Op]:
        index = self._es.index("marks")
        return [
            Op("index", index, doc_id("changed", topic, start), {"kind": "changed", "topic": topic, "start": start})
            for start in sorted(starts)
        ]

    def _stored(self, topic: str, versions: Mapping[int, int]) -> Iterator[Hit]:
        ranges = [{"range": {"start": {"gte": start, "lt": end}}} for start, end in _runs(versions)]
        return self._es.scan("trends", _filter({"term": {"topic": topic}}, {"bool": {"should": ranges}}), [{"start": "asc"}])

    def _rows(self, topic: str, runs: Sequence[tuple[int, int]]) -> dict[str, Json]:
        """All rows of some stretches of whole hours, by document id."""
        ranges = [{"range": {"created_at": {"gte": start, "lt": end}}} for start, end in runs]
        query = _filter({"term": {"topics": topic}}, {"bool": {"should": ranges}})
        cells: dict[Cell, Total] = defaultdict(Total)
        for bucket in self._es.composite("posts-*", query, [*_PLACE, *_PARTS, *_WEIGHT, *_MODEL], _SUMS):
            total, key = Total.of(bucket), bucket["key"]
            for platform in (key["platform"], ALL):
                for language in (key["lang"] or NO_LANGUAGE, ALL):
                    cells[*_place(bucket), platform, language].add(total)
        whole = {(start, dated): total for (start, dated, *parts), total in cells.items() if parts == [ALL, ALL]}
        distinct = {place: found for place, _, found in self._with_distinct(query, whole)}
        hours: dict[tuple[int, str, str], Total] = defaultdict(Total)
        rows: list[Json] = []
        for (start, dated, platform, language), total in cells.items():
            hours[floor_to(start, HOUR), platform, language].add(total)
            found = distinct[start, dated] if (platform, language) == (ALL, ALL) else (None, None)
            rows.append(_row(topic, platform, language, "5m", dated, start, total) | {"authors": found[0], "distinct_texts": found[1]})
        rows += [_row(topic, platform, language, "1h", None, start, total) for (start, platform, language), total in hours.items()]
        return {doc_id(topic, row["platform"], row["language"], row["every"], row["dated"], row["start"]): row for row in rows}

    def _with_distinct(self, query: Json, totals: Mapping[Place, Total]) -> Iterator[tuple[Place, Total, tuple[int, int]]]:
        """Each bin with its distinct authors (a post without one counts as its own) and distinct texts."""
        large = sorted({start for (start, _), total in totals.items() if total.posts > EXACT_POSTS})
        authors, texts = (self._distinct(query, name, large) for name in ("author", "text_key"))
        for place, total in sorted(totals.items()):
            yield place, total, (authors.get(place, 0) + total.nameless, texts.get(place, 0))

    def _distinct(self, query: Json, name: str, large: Sequence[int]) -> dict[Place, int]:
        out: dict[Place, int] = defaultdict(int)
        bins = [{"range": {"created_at": {"gte": start, "lt": start + BIN}}} for start in large]
        small = {"bool": {"filter": [query], "must_not": bins}}
        for bucket in self._es.composite("posts-*", small, [*_PLACE, {"value": {"terms": {"field": name}}}], {}):
            out[_place(bucket)] += 1
        estimate = {"values": {"cardinality": {"field": name, "precision_threshold": 40_000}}}
        for one in bins:
            for bucket in self._es.composite("posts-*", _filter(query, one), _PLACE, estimate):
                out[_place(bucket)] = int(bucket["values"]["value"])
        return out


_PLACE: tuple[Json, ...] = (
    {"start": {"date_histogram": {"field": "created_at", "fixed_interval": "5m"}}},
    {"dated": {"terms": {"field": "dated"}}},
)
_PARTS: tuple[Json, ...] = (
    {"platform": {"terms": {"field": "platform"}}},
    {"lang": {"terms": {"field": "lang", "missing_bucket": True}}},
)
_WEIGHT: tuple[Json, ...] = ({"weight": {"terms": {"field": "weight"}}},)
_MODEL: tuple[Json, ...] = ({"model": {"terms": {"field": "model", "missing_bucket": True}}},)
_COUNTS: Json = {"scored": {"value_count": {"field": "p_negative"}}, "named": {"value_count": {"field": "author"}}}
_SUMS: Json = {
    **_COUNTS,
    "first": {"min": {"field": "created_at"}},
    "last": {"max": {"field": "created_at"}},
    **{name: {"sum": {"field": path}} for name, path in FIELDS.items()},
    **{f"e_{name}": {"sum": {"field": f"emotions.{name}"}} for name in EMOTIONS},
}


def _filter(*clauses: Json) -> Json:
    return {"bool": {"filter": list(clauses)}}


def _place(bucket: Json) -> Place:
    return int(bucket["key"]["start"]), bool(bucket["key"]["dated"])


def _runs(hours: Iterable[int]) -> list[tuple[int, int]]:
    """Hours that follow each other as one stretch."""
    out: list[tuple[int, int]] = []
    for hour in sorted(hours):
        if out and out[-1][1] == hour:
            out[-1] = (out[-1][0], hour + HOUR)
        else:
            out.append((hour, hour + HOUR))
    return out


def _row(topic: str, platform: str, language: str, every: str, dated: bool | None, start: int, total: Total) -> Json:
    """One document of the roll-up: the sums, and for charts what they mean."""
    point = trend_point(topic, start, sums_of([total.sums()]))
    return {
        "topic": topic, "platform": platform, "language": language, "every": every, "dated": dated, "start": start,
        "posts": total.posts, "n_raw": total.n_raw, "volume": point.volume, "n": point.n, "negative": point.negative, "low": point.low,
        "high": point.high, "intensity": point.intensity, "valence": point.valence, "arousal": point.arousal,
        "emotions": point.emotions, "first": total.first, "last": total.last, "sums": total.sums(),
    }  # fmt: skip


def _bin(topic: str, start: int, total: Total, authors: int, distinct_texts: int) -> Bin:
    sums = (total.volume, total.weight, total.n_raw, total.means[0], authors, distinct_texts, total.means[1])
    return bin_of(topic, start, *sums, models=() if "" in total.models else tuple(sorted(total.models)))
