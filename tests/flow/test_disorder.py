"""From records to incidents while something goes wrong: the store is away, posts come late and out of order, a clock is an hour off."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from streams import EMOTIONS, START, Bench, stream

from consumers.detect import Detection
from consumers.stores.sqlite import SqliteStore
from consumers.worker import Taken, Work
from pipeline.errors import StoreBusy, Unavailable
from pipeline.metrics import WorkerMetrics
from pipeline.notify import Outbox, Subscription, message_id
from pipeline.records import BIN, HOUR, INTENSITIES, MINUTE, Incident, Notification, Rejected, Score, ScoredPost, from_ms, post_to_json
from pipeline.settings import LimitSettings
from pipeline.stages import Context
from pipeline.topics import Matcher
from pipeline.verify import verify_all
from pipeline.watch import Watch

TOPICS = ["tea", "coffee", "cocoa"]
TICK = 10_000  # ms between two looks of the detector


class Kettles:
    """A classifier that takes every mention of a kettle for anger."""

    name = "kettles@1"
    languages = frozenset({"en"})

    def score(self, texts: Sequence[str]) -> list[Score]:
        """Very negative or hardly, by the one word."""
        return [self._one(0.9 if "kettle" in text else 0.02) for text in texts]

    def _one(self, p: float) -> Score:
        zeros, none = (0.0,) * len(EMOTIONS), (0.0,) * len(INTENSITIES)
        return Score(zeros, (), p, round(1 - p, 4), 0.0, "negative" if p > 0.5 else "neutral", 0.0, 0.1, p, none, self.name)


class Letters:
    """Dead letters in a list."""

    def __init__(self) -> None:
        self.kept: list[Rejected] = []

    def put(self, letters: Sequence[Rejected]) -> None:
        """Keep letters."""
        self.kept += letters

    def read(self) -> Any:
        """All letters."""
        yield from enumerate(self.kept)

    def purge(self) -> int:
        """Forget all."""
        self.kept.clear()
        return 0


class Memory:
    """A receiver that remembers."""

    name = "ops"

    def __init__(self) -> None:
        self.sent: list[Notification] = []
        self.deaf_until, self.clock = 0, lambda: 0

    def send(self, message: Notification, incident: object) -> None:
        """Note the message, or be out of reach."""
        if self.clock() < self.deaf_until:
            raise Unavailable("nobody there")
        self.sent.append(message)


class Always:
    """A lease that nobody else wants."""

    def lease(self, name: str, holder: str, until: int) -> bool:
        """It is yours."""
        return True


class Absent:
    """A store that is out of reach in a stretch of the test's clock."""

    def __init__(self, store: SqliteStore, clock: Callable[[], int], since: int, until: int) -> None:
        self._store, self._clock, self._since, self._until = store, clock, since, until

    def __getattr__(self, name: str) -> Any:
        if self._since <= self._clock() < self._until:
            raise StoreBusy("no answer", 1.0)
        return getattr(self._store, name)


class Stream:
    """Records in Kafka, a worker, a detector, a receiver: one process, one clock that moves as the worker reads and waits."""

    def __init__(self, folder: Path, away: tuple[int, int] = (0, 0), skew: int = 0) -> None:
        self.now = START
        self.ticked = START
        self.file = SqliteStore.open(folder / "store.db", now=lambda: self.now)
        store: Any = Absent(self.file, lambda: self.now, *away)
        self.letters, self.memory, self.metrics = Letters(), Memory(), WorkerMetrics()
        context = Context(Matcher(()), Kettles(), b"key", LimitSettings())
        self.work = Work(
            context, store, self.letters, lambda: self.now + skew, self.metrics, wait=self._wait, jitter=random.Random(7).random
        )
        watch = lambda: Watch(store, [Subscription("ops")])  # noqa: E731
        self.detection = Detection(store, Always(), watch, Outbox(store, [self.memory]), "a", keep_days=400)  # type: ignore[arg-type]

    def run(self, records: Sequence[Taken], until: int) -> None:
        """Read records when they are published, 64 at once at most, 20 ms each; go on to `until`."""
        asyncio.run(self._run(list(records), until))
        self.work.close()

    async def _run(self, waiting: list[Taken], until: int) -> None:
        while self.now < until:
            due = [one for one in waiting[:64] if one.at <= self.now]
            waiting = waiting[len(due) :]
            await self.work.bring(due)
            self._move(20 * len(due) if due else MINUTE)

    def _wait(self, seconds: float) -> None:
        self._move(round(seconds * 1000))

    def _move(self, ms: int) -> None:
        """The detector looks every ten seconds, whatever the worker waits for."""
        until = self.now + ms
        while self.ticked + TICK <= until:
            self.now = self.ticked = self.ticked + TICK
            with suppress(StoreBusy):
                self.detection.tick(self.now)
        self.now = until

    def incidents(self) -> list[Incident]:
        return [item for item in self.file.incidents(limit=1000) if item.rule != "volume"]


def records(posts: Sequence[ScoredPost], **changes: Callable[[int], str]) -> list[Taken]:
    """Posts as the records of a producer, by the time they were published."""
    out = []
    for number, item in enumerate(posts):
        line = post_to_json(item.post) | {"topics": list(item.topics)} | {name: change(number) for name, change in changes.items()}
        out.append(Taken(f"kafka:posts[0]@{number}", orjson.dumps(line), item.ingested_at))
    return sorted(out, key=lambda one: one.at)


@pytest.mark.parametrize("minutes", [1, 10])
def test_a_store_that_is_down_is_one_incident_of_the_pipeline(tmp_path: Path, minutes: int) -> None:
    """The worker waits, then every post is stored once and none is a dead letter; one message, about the pipeline (row 10)."""
    down = START + 30 * BIN
    flow = Stream(tmp_path, (down, down + minutes * MINUTE))
    posts = stream(TOPICS, 44)
    with closing(flow.file):
        flow.run(records(posts), START + 46 * BIN)
        assert (len(posts), []) == (flow.file.count(), flow.letters.kept)
        assert sum(item.volume for item in flow.file.bins(TOPICS, 0, 2**50)) == len(posts)
        (incident,) = flow.incidents()
        assert ("*", "pipeline", "outage", "closed") == (incident.topic, incident.severity, incident.rule, incident.state)
        assert [(incident.id, "opened")] == [(message.incident, message.transition) for message in flow.memory.sent]
        assert 30_000 <= flow.memory.sent[0].created_at - down <= 30_000 + TICK
        assert {0} == {result.exit_code for result in verify_all(flow.file, flow.file.incidents())}


def test_who_was_not_reached_in_the_outage_is_told_after_it(tmp_path: Path) -> None:
    """A receiver that is down with the store has the message when both are back, once, under the same id."""
    down = START + 30 * BIN
    flow = Stream(tmp_path, (down, down + 5 * MINUTE))
    flow.memory.deaf_until, flow.memory.clock = down + 7 * MINUTE, lambda: flow.now
    with closing(flow.file):
        flow.run(records(stream(TOPICS, 40)), START + 42 * BIN)
        (incident,) = flow.incidents()
        assert [message_id(incident.id, "opened", "ops")] == [message.id for message in flow.memory.sent]
        assert [] == flow.file.pending(2**60)


def late(posts: Sequence[ScoredPost], seed: int) -> list[ScoredPost]:
    """One in ten is late by ten minutes on average, one in a hundred by three to five hours, and some come twice."""
    draw = random.Random(seed)
    out = []
    for item in posts:
        chance = draw.random()
        delay = draw.randrange(3 * HOUR, 5 * HOUR) if chance < 0.01 else int(draw.expovariate(1 / (10 * MINUTE))) if chance < 0.11 else 0
        out.append(replace(item, ingested_at=item.ingested_at + delay))
        if chance > 0.95:
            out.append(replace(item, ingested_at=item.ingested_at + 2 * MINUTE))
    draw.shuffle(out)
    return sorted(out, key=lambda item: item.ingested_at // MINUTE)  # and shuffled within a minute


@pytest.mark.parametrize("seed", range(3))
def test_late_and_shuffled_posts_give_the_same_incidents(tmp_path: Path, seed: int) -> None:
    """In the end bins and the detector's state are those of posts in order, and so are the stories; nobody is told twice (row 15)."""
    posts = stream(TOPICS, 100, {"tea": (40, 52), "cocoa": (70, 80)}, seed)
    results, told = [], []
    for name, arriving in (("order", posts), ("late", late(posts, seed))):
        bench = Bench(tmp_path / name)
        bench.play(arriving, START + 170 * BIN, 2 * BIN, START + 38 * BIN)
        assert bench.watch._walk is not None
        bins = bench.store.bins(TOPICS, 0, 2**50)
        stories = [(item.topic, item.rule) for item in bench.store.incidents() if item.severity in {"tone", "incident"}]
        results.append((bins, bench.watch._walk.to_bytes(), stories))
        told.append(len(bench.messages()))
        assert {0} == {result.exit_code for result in verify_all(bench.store, bench.store.incidents())}
        bench.store.close()
    assert results[0] == results[1]
    assert 2 == told[0]
    assert told[1] <= 2


@pytest.mark.parametrize("skew", [-HOUR, HOUR])
def test_a_worker_whose_clock_is_an_hour_off_writes_the_same(tmp_path: Path, skew: int) -> None:
    """Documents (but for the moment of scoring), bins and incidents are those of a worker with the right clock (row 16)."""
    posts = records(stream(TOPICS, 44, {"tea": (30, 40)}))
    seen = []
    for number, off in enumerate((0, skew)):
        flow = Stream(tmp_path / str(number), skew=off)
        with closing(flow.file):
            flow.run(posts, START + 46 * BIN)
            ids = [f"net:{orjson.loads(one.value)['post_id']}" for one in posts]
            documents = {key: replace(item, scored_at=0) for key, item in flow.file.get(ids).items()}
            shown = [(item.id, item.onset, item.fired, item.share, item.as_of) for item in flow.file.incidents()]
            seen.append((documents, flow.file.bins(TOPICS, 0, 2**50), shown, [message.id for message in flow.memory.sent]))
    assert seen[0] == seen[1]
    assert 1 == len(seen[0][3])


def test_events_of_tomorrow_and_of_1970_move_no_window(tmp_path: Path) -> None:
    """They get the time of their arrival and are counted; the spike among them is told in time, once (row 16)."""
    posts = stream(TOPICS, 44, {"tea": (30, 40)})
    wrong = {7: "1970-01-01T00:00:00Z", 13: from_ms(START + 30 * HOUR)}
    flow = Stream(tmp_path)
    with closing(flow.file):
        flow.run(records(posts, created_at=lambda n: wrong.get(n % 50, from_ms(posts[n].post.created_at))), START + 46 * BIN)
        number = sum(n % 50 in wrong for n in range(len(posts)))
        assert float(number) == flow.metrics.clamped._value.get()
        found = flow.file.get([item.id for item in posts]).values()
        assert number == sum(item.post.created_at == item.ingested_at for item in found)
        (incident,) = flow.incidents()
        assert ("tea", False) == (incident.topic, incident.late)
        assert incident.fired is not None
        assert incident.fired <= START + 35 * BIN
        assert 1 == len(flow.memory.sent)
