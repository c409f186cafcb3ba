"""Retention: documents go, by whole monthly indices where they can; the hourly rows of their hours stay as they are."""

from __future__ import annotations

from datetime import UTC, datetime

from consumers.stores.elastic_client import Elastic, Json, Op
from consumers.stores.elastic_clock import Clock
from consumers.stores.elastic_docs import doc_id
from consumers.stores.elastic_figures import Figures
from pipeline.records import HOUR
from pipeline.trends import floor_to


class Expiry:
    """The retention of one store."""

    def __init__(self, es: Elastic, clock: Clock, figures: Figures) -> None:
        self._es = es
        self._clock = clock
        self._figures = figures

    def expire(self, before: int, now: int) -> int:
        """Remove posts created before `before` (rounded down to the hour, never back); how many. Repeatable after a crash."""
        self._figures.recompute()
        horizon = self._clock.set_horizon(floor_to(before, HOUR))
        old: Json = {"range": {"created_at": {"lt": horizon}}}
        total = self._es.count("posts-*", old)
        if total:
            with self._clock.turn() as turn:
                self._es.settle(self._changes(old, turn.arrival(now)), conflicts=True)
                self._drop_months(horizon)
                self._delete("posts-*", old)
        self._delete("trends", {"bool": {"filter": [{"term": {"every": "5m"}}, {"range": {"start": {"lt": horizon}}}]}})
        return total

    def _changes(self, old: Json, at: int) -> list[Op]:
        """How many posts of each topic and hour go; written before they go, so that no figure changes without a word."""
        hour = {"hour": {"date_histogram": {"field": "created_at", "fixed_interval": "1h"}}}
        index = self._es.index("changes")
        return [
            Op(
                "create",
                index,
                doc_id("expired", bucket["key"]["topic"], bucket["key"]["hour"]),
                {
                    "kind": "expired",
                    "topic": bucket["key"]["topic"],
                    "created_at": int(bucket["key"]["hour"]),
                    "at": at,
                    "count": int(bucket["doc_count"]),
                },
            )
            for bucket in self._es.composite("posts-*", old, [{"topic": {"terms": {"field": "topics"}}}, hour], {})
        ]

    def _drop_months(self, horizon: int) -> None:
        for entry in self._es.call("GET", f"/_resolve/index/{self._es.index('posts-*')}")["indices"]:
            if _month_end(entry["name"].rsplit("-", 1)[1]) <= horizon:
                self._es.call("DELETE", f"/{entry['name']}", ok=(404,))

    def _delete(self, name: str, query: Json) -> None:
        """Page by page; a document that has changed meanwhile is looked at again by the next call."""
        hits = self._es.scan(name, query, [{"_doc": "asc"}], source=False)
        ops: list[Op] = []
        for hit in hits:
            ops.append(Op("delete", hit.index, hit.id))
            if len(ops) >= 2_000:
                self._es.settle(ops)
                ops.clear()
        self._es.settle(ops)


def _month_end(month: str) -> int:
    """`2026.11` → the first millisecond of December."""
    year, number = map(int, month.split("."))
    return int(datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC).timestamp()) * 1000
