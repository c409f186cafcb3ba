"""SQLite and Elasticsearch give the same answers for the same posts: post by post, bin by bin, to the last digit."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from contracts.store_samples import FOREVER, T0, score, scored

from consumers.stores.elastic import ElasticStore, connect
from consumers.stores.sqlite import SqliteStore
from pipeline.ports import Store
from pipeline.records import BIN, DAY, HOUR, ScoredPost
from pipeline.settings import ElasticsearchSettings
from tools.stack.nodes import ElasticNode

POSTS = 3_000
WORDS = ("good", "tea", "Bad", "té", "thé", "don't", "late", "茶", "cup-holder", "№7", "x_y")


def history() -> list[list[ScoredPost]]:
    """Seeded batches over ten days that cross a month: several topics, platforms, languages, weights, edits, deletes, repetitions."""
    rng = random.Random(7)
    events = [one(rng, number) for number in range(POSTS)]
    again = [changed(rng, rng.choice(events)) for _ in range(POSTS // 5)]
    return [part[start : start + 250] for part in (events, again) for start in range(0, len(part), 250)]


def one(rng: random.Random, number: int) -> ScoredPost:
    """A post with everything drawn."""
    return scored(
        number,
        at=T0 - 5 * DAY + rng.randrange(10 * DAY),
        ingested_at=T0 + number,
        platform=rng.choice(("net", "shop")),
        lang=rng.choice(("en", "de", None)),
        author=rng.choice((None, f"{rng.randrange(300):016x}")),
        text=" ".join(rng.choices(WORDS, k=4)),
        topics=tuple(rng.sample(("tea", "cups", "spoons"), rng.randrange(4))),
        dated=rng.random() < 0.9,
        score=None if rng.random() < 0.1 else score(rng.randrange(10**6)),
        weight=rng.choice((1.0, 1.0, 1.0, 2.5, 0.3333)),
    )


def changed(rng: random.Random, item: ScoredPost) -> ScoredPost:
    """The same post again, edited, or deleted."""
    event = rng.choice(("post", "edit", "delete"))
    number = int(item.post.post_id)
    later = {"ingested_at": T0 + POSTS + number, "platform": item.post.platform, "topics": item.topics}
    return scored(number, at=item.post.created_at, event=event, text=f"changed {number}", score=score(number + 1), **later)


@pytest.fixture(scope="module")
def pair(elastic_node: ElasticNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Store]]:
    """Both stores with the same history."""
    settings = ElasticsearchSettings(fresh_seconds=0, request_seconds=120)
    sqlite = SqliteStore(tmp_path_factory.mktemp("same") / "store.db", now=lambda: T0)
    es = connect(f"elasticsearch://127.0.0.1:{elastic_node.port}/same", settings)
    if es.call("GET", "/_resolve/index/same-*")["indices"]:
        es.call("DELETE", "/same-*")
    with closing(sqlite), closing(ElasticStore(es, now=lambda: T0)) as elastic:
        for batch in history():
            assert sqlite.write(batch) == elastic.write(batch)
        yield sqlite, elastic


QUERIES = ("tea", "te", "bad good", '"good tea"', "茶", "don't", "cup")
READS: dict[str, Any] = {
    "documents": lambda store: store.get(sorted({item.id for batch in history() for item in batch})),
    "bins": lambda store: store.bins(["tea", "cups", "spoons"], 0, FOREVER),
    "bins as of half of the arrivals": lambda store: store.bins(["tea", "cups"], 0, FOREVER, as_of=T0 + POSTS // 2),
    "five minutes": lambda store: store.trend("tea", BIN),
    "hours": lambda store: store.trend("cups", HOUR),
    "days, cut": lambda store: store.trend("spoons", DAY, since=T0 - 3 * DAY, until=T0 + 2 * DAY),
    "topics": lambda store: store.topics(),
    "newest posts": lambda store: store.posts("tea", 0, FOREVER, 100),
    "oldest posts as of a moment": lambda store: store.posts("tea", 0, FOREVER, 100, as_of=T0 + 900, newest_first=False),
    "counts": lambda store: (store.count(), store.count("tea"), store.latest()),
    "changes": lambda store: sorted(map(str, store.changes("tea", 0, FOREVER, T0 + POSTS))),
    **{f"search {query}": lambda store, query=query: store.search(query, limit=5_000) for query in QUERIES},
}


@pytest.mark.parametrize("name", READS)
def test_the_same_posts_give_the_same_answers(pair: tuple[Store, Store], name: str) -> None:
    """Equal, not nearly equal."""
    sqlite, elastic = (READS[name](store) for store in pair)
    if name.startswith("search"):
        sqlite, elastic = ({item.id for item in found} for found in (sqlite, elastic))
    assert sqlite == elastic
    assert sqlite


def test_refresh_names_the_same_bins(pair: tuple[Store, Store]) -> None:
    """What the detector is told to look at."""
    assert set(pair[0].refresh()) >= set(pair[1].refresh()) != set()


def test_figures_stay_the_same_after_expiry(pair: tuple[Store, Store]) -> None:
    """Retention over a month's end: whole indices and a part of one; hours stay, the rest goes, in both alike."""
    assert pair[0].expire(T0 + DAY) == pair[1].expire(T0 + DAY) > 0
    for name in ("bins", "hours", "topics", "counts", "documents"):
        assert READS[name](pair[0]) == READS[name](pair[1]), name
