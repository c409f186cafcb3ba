"""The embedded service: what comes in is stored or kept with its reason, whatever the store does meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from stand_ins import FreeClassifier

from consumers.local import Embedded, Stopped
from consumers.stores.sqlite import SqliteStore
from pipeline.errors import StoreBlocked, StoreBusy, StoreError, TooManyRejected
from pipeline.notify import Subscription
from pipeline.ports import Written
from pipeline.records import MINUTE, Notification, Post, Rejected, ScoredPost, to_ms
from pipeline.settings import LimitSettings, TopicSettings
from pipeline.stages import Context
from pipeline.topics import Matcher
from pipeline.watch import Watch

NOW = to_ms("2026-11-02T12:00:00Z")
TEA = TopicSettings(name="tea", phrases=("tea",))


class Troubled(SqliteStore):
    """A real store that raises what it is told to before it works."""

    troubles: list[StoreError]

    def write(self, posts: Sequence[ScoredPost]) -> Written:
        if self.troubles:
            raise self.troubles.pop(0)
        return super().write(posts)


def context(limits: LimitSettings | None = None) -> Context:
    return Context(Matcher([TEA]), FreeClassifier(), b"key", limits or LimitSettings())


def service(store: SqliteStore, waited: list[float], limits: LimitSettings | None = None, stop_after: int = 100) -> Embedded:
    def wait(seconds: float) -> bool:
        waited.append(seconds)
        return len(waited) >= stop_after

    return Embedded(store, context(limits), Watch(store), lambda: NOW, wait)


@pytest.fixture
def store(tmp_path: Path) -> Troubled:
    opened = Troubled(tmp_path / "posts.db", now=lambda: NOW)
    opened.troubles = []
    return opened


def posts(n: int, text: str = "I like tea") -> list[Post]:
    return [Post("x", str(i), NOW - MINUTE, f"{text} {i}", lang="en", author="ann") for i in range(n)]


def test_each_record_is_stored_or_kept_with_its_reason(store: Troubled) -> None:
    """Of what comes in, matching posts are stored, others counted as unmatched, bad records are dead letters."""
    embedded = service(store, [])
    embedded.take([*posts(3), Post("x", "9", NOW, "coffee", lang="en"), Rejected("bad_json: no", b"{", "f:1", NOW)])
    count = embedded.counters
    assert (5, 3, 1, 1) == (count.read, count.stored, count.rejected, count.unmatched)
    assert 3 == store.count("tea")
    assert ["f:1"] == [letter.where for letter in store.dead_letters()]


def test_a_busy_or_blocked_store_loses_nothing(store: Troubled) -> None:
    """A store that is busy, then full, then free again has every post, and the service says while it is blocked."""
    waited: list[float] = []
    embedded = service(store, waited)
    store.troubles = [StoreBusy("locked", 0.25), StoreBlocked("disk full"), StoreBlocked("disk full")]
    embedded.take(posts(4))
    assert 4 == store.count()
    assert 3 == len(waited)
    assert 0.25 == waited[0]
    assert embedded.status()["blocked"] is None


def test_a_stop_ends_the_wait_for_a_blocked_store(store: Troubled) -> None:
    """Asked to stop while the store is full, the service stops instead of trying for ever."""
    embedded = service(store, [], stop_after=2)
    store.troubles = [StoreBlocked("disk full")] * 5
    with pytest.raises(Stopped, match="disk full"):
        embedded.take(posts(1))
    assert "disk full" == embedded.status()["blocked"]


def test_mostly_bad_records_stop_the_work(store: Troubled) -> None:
    """Once more than the allowed share is bad the service stops and says which limit it was; the records are kept."""
    embedded = service(store, [], LimitSettings(rejected_min=4, rejected_share=0.5))
    bad = [Rejected("bad_json: no", b"{", f"f:{i}", NOW) for i in range(5)]
    with pytest.raises(TooManyRejected, match="rejected_share"):
        embedded.take([*posts(2), *bad])
    assert 5 == len(store.dead_letters())


def test_no_handle_reaches_the_store(store: Troubled) -> None:
    """The author of a stored post is a keyed hash."""
    service(store, []).take(posts(1))
    author = store.get(["x:0"])["x:0"].post.author
    assert author is not None
    assert ("h", 17, False) == (author[0], len(author), "ann" in author)


def test_retention_runs_once_a_day(store: Troubled) -> None:
    """Posts older than the retention are removed, by the clock of the service, at most once a day."""
    embedded = service(store, [])
    embedded.take([Post("x", "old", NOW - 10 * 24 * 60 * MINUTE, "old tea", lang="en"), *posts(1)])
    assert 1 == embedded.expire(5)
    assert 0 == embedded.expire(0)
    assert 1 == store.count()


def test_a_store_that_was_blocked_for_a_minute_is_told_of_afterwards(store: Troubled) -> None:
    """Writes fail for a minute of the service's clock: all posts are stored then, and there is one incident of the pipeline."""
    now = [NOW]

    def wait(seconds: float) -> bool:
        now[0] += round(seconds * 1000)
        return False

    warned: list[str] = []

    def tell(messages: Sequence[Notification], _: int) -> set[str]:
        warned.extend(message.incident for message in messages)
        return set()

    watch = Watch(store, [Subscription("ops"), Subscription("tone only", severities=frozenset({"tone"}))])
    embedded = Embedded(store, context(), watch, lambda: now[0], wait, tell)
    embedded.take(posts(3))
    assert [] == embedded.tick()
    now[0] += MINUTE
    store.troubles = [StoreBlocked("disk full")] * 6
    embedded.take(posts(6))
    embedded.tick()
    assert 6 == store.count()
    (incident,) = store.incidents()
    assert ("outage", "pipeline", True) == (incident.rule, incident.severity, now[0] - NOW > 90_000)
    assert [incident.id] == warned == [message.incident for message in store.pending(2**60)]
