"""A worker's way with records: nothing is acknowledged before it is durable, nothing good is lost to something bad."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import orjson
import pytest

from consumers.stores.sqlite import SqliteStore
from consumers.worker import Taken, Work, lines_of
from pipeline.errors import StoreBlocked, StoreBusy, TooManyRejected, Unavailable
from pipeline.metrics import WorkerMetrics
from pipeline.ports import Written
from pipeline.records import EMOTIONS, INTENSITIES, Rejected, Score, ScoredPost
from pipeline.settings import LimitSettings
from pipeline.stages import Context
from pipeline.topics import Matcher

T0 = 1_793_491_200_000


class Flat:
    """A classifier that says the same of every text."""

    name = "flat@1"
    languages = frozenset({"en"})

    def score(self, texts: Sequence[str]) -> list[Score]:
        """One neutral score per text."""
        zeros, none = (0.0,) * len(EMOTIONS), (0.0,) * len(INTENSITIES)
        return [Score(zeros, (), 0.2, 0.5, 0.3, "neutral", 0.0, 0.1, 0.1, none, self.name) for _ in texts]


class Letters:
    """Dead letters in a list; fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.kept: list[Rejected] = []
        self.failures = failures

    def put(self, letters: Sequence[Rejected]) -> None:
        """Keep letters."""
        if self.failures:
            self.failures -= 1
            raise Unavailable("no broker")
        self.kept += letters

    def read(self) -> Iterator[tuple[int, Rejected]]:
        """All letters."""
        yield from enumerate(self.kept)

    def purge(self) -> int:
        """Forget all."""
        number = len(self.kept)
        self.kept.clear()
        return number


class Moody(SqliteStore):
    """A store that raises what it is told to, then works; and that takes no post with the id in `hates`."""

    moods: list[Exception]
    hates: str = ""

    def write(self, posts: Sequence[ScoredPost]) -> Written:
        """Raise the next mood, or write."""
        if self.moods:
            raise self.moods.pop(0)
        if any(item.post.post_id == self.hates for item in posts):
            raise ValueError(f"net:{self.hates}: no")
        return super().write(posts)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Moody]:
    """A store in a file."""
    opened = Moody(tmp_path / "store.db", now=lambda: T0)
    opened.moods = []
    yield opened
    opened.close()


def work_on(store: SqliteStore, letters: Letters, pauses: list[float] | None = None, limits: LimitSettings | None = None) -> Work:
    """A worker whose pauses take no time and are noted."""
    context = Context(Matcher(()), Flat(), b"key", limits or LimitSettings())
    return Work(context, store, letters, lambda: T0, WorkerMetrics(), wait=(pauses if pauses is not None else []).append)


def record(*numbers: int, offset: int = 0) -> Taken:
    """One Kafka record with some posts."""
    posts = [
        {"platform": "net", "post_id": str(n), "created_at": T0, "text": f"a cup of tea {n}", "lang": "en", "topics": ["tea"]}
        for n in numbers
    ]
    return Taken(f"kafka:posts[0]@{offset}", b"\n".join(map(orjson.dumps, posts)), T0)


def bring(work: Work, *records: Taken) -> None:
    asyncio.run(work.bring(records))
    work.close()


def test_packed_and_plain_records_are_stored(store: Moody) -> None:
    """Many posts in a record or one: each is a document."""
    bring(work_on(store, Letters()), record(1, 2, 3), record(4))
    assert 4 == store.count("tea")


def test_bad_lines_are_kept_and_good_ones_stored(store: Moody) -> None:
    """Each dead letter has its bytes, a reason and its place in the record; an empty record leaves a trace too."""
    letters = Letters()
    mixed = replace_value(record(1, 2), lambda value: value + b"\n{broken")
    bring(work_on(store, letters), mixed, Taken("kafka:posts[0]@9", b"", T0))
    assert (2, [b"{broken", b""]) == (store.count(), [letter.raw for letter in letters.kept])
    assert ["kafka:posts[0]@0#2", "kafka:posts[0]@9"] == [letter.where for letter in letters.kept]
    assert all(letter.reason for letter in letters.kept)


def replace_value(taken: Taken, change: Callable[[bytes], bytes]) -> Taken:
    return taken._replace(value=change(taken.value))


def test_a_busy_or_blocked_store_is_waited_for(store: Moody) -> None:
    """With growing, bounded pauses; no dead letter comes of it, and the state says what is going on."""
    store.moods = [StoreBusy("busy", 1.0)] * 3 + [StoreBlocked("full")] * 9
    letters, pauses = Letters(), []
    states: list[str] = []
    work = work_on(store, letters, pauses)
    work._sleep = lambda seconds: (pauses.append(seconds), states.append(work.state))[0]
    bring(work, record(1))
    assert (1, []) == (store.count(), letters.kept)
    assert ["waiting"] * 3 + ["blocked"] * 9 == states
    assert (12, True, "running") == (len(pauses), max(pauses) <= 10.0, work.state)


def test_a_post_that_the_store_refuses_is_found_and_kept(store: Moody) -> None:
    """Halving isolates the culprit; all others are stored."""
    store.hates = "5"
    letters = Letters()
    bring(work_on(store, letters), record(*range(8)))
    assert (7, ["store_refused"]) == (store.count(), [letter.reason.split(":")[0] for letter in letters.kept])
    assert b'"post_id":"5"' in letters.kept[0].raw


def test_dead_letters_are_durable_before_the_batch_is_done(store: Moody) -> None:
    """A broker that is away is waited for."""
    letters = Letters(failures=2)
    bring(work_on(store, letters), replace_value(record(1), lambda _: b"{"))
    assert 1 == len(letters.kept)


def test_too_many_bad_records_stop_the_worker(store: Moody) -> None:
    """They are all kept first; the error says where to look, and is remembered for the exit code."""
    letters = Letters()
    work = work_on(store, letters, limits=LimitSettings(rejected_min=10, rejected_share=0.5))
    bad = [Taken(f"kafka:posts[0]@{n}", b"{", T0) for n in range(10)]
    with pytest.raises(TooManyRejected, match="dlq list"):
        bring(work, *bad)
    work.close()
    assert (10, TooManyRejected) == (len(letters.kept), type(work.failure))


def test_the_metrics_count_what_became_of_the_posts(store: Moody) -> None:
    """Stored, repeated, rejected, and the records."""
    letters = Letters()
    work = work_on(store, letters)
    asyncio.run(work.bring([record(1, 2), record(1)]))
    asyncio.run(work.bring([replace_value(record(3), lambda _: b"x")]))
    work.close()
    counted = {
        result: work._metrics.registry.get_sample_value("moodstream_posts_total", {"result": result})
        for result in ("stored", "repeated", "rejected")
    }
    assert {"stored": 2.0, "repeated": 1.0, "rejected": 1.0} == counted
    assert 3.0 == work._metrics.registry.get_sample_value("moodstream_records_total")


def test_the_lines_of_a_record_know_where_they_were() -> None:
    """A single object has the record's place, packed ones a number besides."""
    assert ["kafka:posts[0]@7"] == [line.where for line in lines_of(record(1, offset=7))]
    assert ["kafka:posts[0]@7#0", "kafka:posts[0]@7#1"] == [line.where for line in lines_of(record(1, 2, offset=7))]
