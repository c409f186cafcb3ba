"""The speed of the stream on private servers: our way beside the usual one, the whole beside its parts, two workers beside one, ages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count, cycle, islice
from pathlib import Path
from statistics import median, quantiles

import orjson
from kafka import KafkaProducer

from consumers.stores.elastic import connect
from pipeline.errors import StoreBusy
from pipeline.records import post_to_json
from pipeline.settings import ElasticsearchSettings, KafkaSettings
from producers.kafka import PACK, PRODUCER, Publisher, identity_of
from producers.kafka_admin import GroupView, client_options, prepare_topics
from producers.synthetic import distinct_posts
from tools.stack.nodes import ElasticNode, KafkaNode

ROOT = Path(__file__).resolve().parents[2]
DISTINCT = 20_000  # texts; the identities are all different
PARTITIONS = 4
GIVE_UP = 900.0  # seconds for one measurement
PROBE_SECONDS = 0.1  # between two posts whose age is measured
LOOK_SECONDS = 0.02
FIRST_SECONDS = 120.0  # until a worker has started and stored its first post
AGE_RUN = 30.0  # seconds at half load
Mark = tuple[float, int, float]  # monotonic seconds, posts so far, CPU seconds so far


@dataclass(frozen=True)
class Speed:
    """One measurement: posts between the first and the last mark, and what they took."""

    name: str
    posts: int
    wall: float
    cpu: float

    def row(self) -> dict[str, object]:
        """As a line of the table."""
        return {
            "what": self.name,
            "posts/s": round(self.posts / self.wall),
            "CPU µs/post": round(self.cpu / self.posts * 1e6, 1),
            "posts": self.posts,
        }


def between(name: str, workers: Sequence[Sequence[Mark]], since: float = 0.0) -> Speed:
    """What some workers did together while all of them were at work, from a moment of the monotonic clock on."""
    begun, ended = max(since, *(marks[0][0] for marks in workers)), min(marks[-1][0] for marks in workers)
    posts, cpu = 0, 0.0
    for marks in workers:
        inside = [mark for mark in marks if begun <= mark[0] <= ended]
        if len(inside) < 3:
            raise RuntimeError(f"{name}: too few posts for a measurement; give --posts a larger number")
        posts += inside[-1][1] - inside[0][1]
        cpu += inside[-1][2] - inside[0][2]
    return Speed(name, posts, ended - begun, cpu)


class Bench:
    """Private servers, filled topics and measured workers."""

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self._folder = folder
        self._numbers = count()
        self._stack = ExitStack()
        self._broker, self.elastic = KafkaNode(folder / "kafka"), ElasticNode(folder / "elastic")
        start = int(time.time() * 1000) - 3_600_000
        self._texts = [post_to_json(post) for post in distinct_posts(seed, DISTINCT, start)]

    def __enter__(self) -> Bench:
        for node in (self._broker, self.elastic):
            self._stack.callback(node.stop)
            node.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # ------------------------------------------------------------ input

    def lines(self, posts: int) -> Iterator[bytes]:
        """So many different posts as JSON lines."""
        kept = ({key: value for key, value in text.items() if value not in (None, [])} for text in self._texts)
        for number, text in zip(range(posts), cycle(list(kept)), strict=False):
            yield orjson.dumps(text | {"post_id": f"b{number}"})

    def topic(self) -> KafkaSettings:
        """A topic and a group of their own."""
        name = f"bench{next(self._numbers)}"
        settings = KafkaSettings(
            bootstrap=self._broker.bootstrap, topic=name, group=name, dead_letters=f"{name}-dead", partitions=PARTITIONS,
            spill_file=str(self._folder / f"{name}.unsent"),
        )  # fmt: skip
        prepare_topics(settings)
        return settings

    def filled(self, posts: int, pack: int) -> KafkaSettings:
        """A topic that holds so many posts, packed by `pack`."""
        settings = self.topic()
        self.fill(settings, posts, pack)
        return settings

    def fill(self, settings: KafkaSettings, posts: int, pack: int) -> None:
        """Put so many posts into a topic as quickly as it goes."""
        producer = KafkaProducer(**(client_options(settings) | PRODUCER))
        lines = self.lines(posts)
        for number, value in enumerate(iter(lambda: b"\n".join(islice(lines, pack)), b"")):
            producer.send(settings.topic, value=value, partition=number % PARTITIONS)
            if number % 5_000 == 0:
                producer.flush(60)
        producer.flush(60)
        producer.close()

    # ------------------------------------------------------------ workers

    def start(self, kind: str, settings: KafkaSettings, core: int | None = None) -> tuple[subprocess.Popen[bytes], Path]:
        """A worker of tools/stack/measured.py, on one core if that is asked for, and the file of its marks."""
        marks = self._folder / f"{kind}{next(self._numbers)}.json"
        with (self._folder / "workers.log").open("ab") as log:
            command = [sys.executable, "-W", "ignore", "-m", "tools.stack.measured", kind]
            process = subprocess.Popen(command, env=self._environment(settings, marks), stdout=log, stderr=log, cwd=ROOT)
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        self._stack.callback(process.kill)
        return process, marks

    def store_url(self, name: str) -> str:
        """A store of the private server."""
        return f"elasticsearch://127.0.0.1:{self.elastic.port}/{name}"

    def _environment(self, settings: KafkaSettings, marks: Path) -> Mapping[str, str]:
        return os.environ | {
            "MARKS": str(marks), "POSTS": str(self._folder / "posts.ndjson"), "OMP_NUM_THREADS": "1",
            "MOODSTREAM_STORE": self.store_url(settings.topic), "MOODSTREAM_MODEL": "static", "MOODSTREAM_AUTHOR_KEY": "bench",
            "MOODSTREAM_KAFKA__BOOTSTRAP": settings.bootstrap, "MOODSTREAM_KAFKA__TOPIC": settings.topic,
            "MOODSTREAM_KAFKA__GROUP": settings.group, "MOODSTREAM_KAFKA__DEAD_LETTERS": settings.dead_letters,
        }  # fmt: skip

    def measure(self, name: str, kind: str, settings: KafkaSettings) -> Speed:
        """Let a worker process a filled topic until all of it is committed."""
        process, marks = self.start(kind, settings)
        self.wait_until_done(settings, [process])
        return between(name, [self.end(process, marks)])

    def share(self, name: str, posts: int, cores: Sequence[int]) -> Speed:
        """Let workers on a core each share a topic that is filled when each has its partitions; measured from when it is full."""
        settings = self.topic()
        workers = [self.start("scored", settings, core) for core in cores]
        until = time.monotonic() + GIVE_UP
        while any(_partitions(marks) != PARTITIONS // len(cores) for _, marks in workers):
            if time.monotonic() > until:
                raise TimeoutError(f"{name}: the workers did not share the partitions")
            time.sleep(0.1)
        self.fill(settings, posts, PACK)
        full = time.monotonic()
        self.wait_until_done(settings, [process for process, _ in workers])
        return between(name, [self.end(process, marks) for process, marks in workers], full)

    def end(self, process: subprocess.Popen[bytes], marks: Path) -> list[Mark]:
        """SIGTERM; the marks."""
        process.terminate()
        process.wait(60)
        return [tuple(mark) for mark in json.loads(marks.read_text(encoding="utf-8"))]

    def wait_until_done(self, settings: KafkaSettings, workers: Sequence[subprocess.Popen[bytes]]) -> None:
        """Wait for lag 0. RuntimeError with the log when a worker ends before, TimeoutError."""
        view, until = GroupView(settings), time.monotonic() + GIVE_UP
        try:
            while sum(place.lag for place in view.progress()):
                if any(process.poll() is not None for process in workers):
                    raise RuntimeError("a worker ended:\n" + (self._folder / "workers.log").read_text(errors="replace")[-3000:])
                if time.monotonic() > until:
                    raise TimeoutError(f"not done after {GIVE_UP:.0f} s")
                time.sleep(0.25)
        finally:
            view.close()

    def alone(self, posts: int) -> dict[str, float]:
        """CPU seconds per post of the stages with the model, and of the store, without Kafka."""
        with (self._folder / "posts.ndjson").open("wb") as file:
            file.writelines(line + b"\n" for line in self.lines(posts))
        process, marks = self.start("alone", self.topic())
        if process.wait(GIVE_UP):
            raise RuntimeError("the parts could not be measured:\n" + (self._folder / "workers.log").read_text(errors="replace")[-3000:])
        found: dict[str, float] = json.loads(marks.read_text(encoding="utf-8"))
        return found

    # ------------------------------------------------------------ ages

    def ages(self, rate: float, seconds: float) -> list[float]:
        """Seconds from the moment a post is published until a search finds it, at so many posts a second."""
        settings = self.topic()
        process, marks = self.start("stored", settings)
        publisher = Publisher(settings, PARTITIONS)
        es = connect(self.store_url(settings.topic), ElasticsearchSettings(request_seconds=60))
        waiting: dict[str, float] = {}
        found: list[float] = []
        lock, ended = threading.Lock(), threading.Event()

        def look() -> None:
            while not ended.wait(LOOK_SECONDS):
                with lock:
                    asked = list(waiting)
                query = {"terms": {"id": asked}}
                try:
                    hits = list(es.scan("posts-*", query, [{"_doc": "asc"}], 1_000, source=["id"])) if asked else []
                except StoreBusy:
                    continue  # the first index is being made
                with lock:
                    found.extend(time.monotonic() - waiting.pop(hit.source["id"]) for hit in hits)

        looking = threading.Thread(target=look, daemon=True)
        looking.start()
        try:
            self._publish(publisher, rate, seconds, waiting, lock, found)
            self.wait_until_done(settings, [process])
            until = time.monotonic() + 30
            while waiting and time.monotonic() < until:
                time.sleep(0.1)
        finally:
            ended.set()
            looking.join()
            publisher.close()
            es.close()
        self.end(process, marks)
        if waiting:
            raise RuntimeError(f"{len(waiting)} posts could not be found")
        return found

    def _publish(
        self, publisher: Publisher, rate: float, seconds: float, waiting: dict[str, float], lock: threading.Lock, found: list[float]
    ) -> None:
        """Publish at a steady rate; every PROBE_SECONDS one post is remembered. The first seconds, until the worker works, don't count."""
        lines = self.lines(10**9)
        first = next(lines)
        with lock:
            waiting[identity_of(first)] = time.monotonic()
        publisher.publish_line(identity_of(first), first)
        until = time.monotonic() + FIRST_SECONDS
        while waiting:
            if time.monotonic() > until:
                raise TimeoutError(f"the first post could not be found within {FIRST_SECONDS:.0f} s")
            publisher.pump()
            time.sleep(0.05)
        found.clear()
        begun, sent, probed = time.monotonic(), 0, 0.0
        while (now := time.monotonic() - begun) < seconds:
            if now - probed >= PROBE_SECONDS:
                line, probed = next(lines), now
                with lock:
                    waiting[identity_of(line)] = time.monotonic()
                publisher.publish_line(identity_of(line), line)
            for line in islice(lines, max(0, int(rate * now) - sent)):
                publisher.publish_line(identity_of(line), line)
                sent += 1
            publisher.pump()
            time.sleep(0.01)


def run(folder: Path, posts: int) -> dict[str, object]:
    """All measurements, one after the other, in one run."""
    with Bench(folder) as bench:
        few, many = bench.filled(posts // 4, 1), bench.filled(posts * 5, PACK)
        usual = bench.measure("the usual way: take of faust.Record, one post per record", "usual", few)
        single = bench.measure("ours, one post per record", "transport", _again(few))
        packed = bench.measure(f"ours, {PACK} posts per record", "transport", many)
        full = bench.filled(posts, PACK)
        stages = bench.measure("the same with all stages", "stages", full)
        one = bench.share("with the static model, one worker on one core", posts, (0,))
        pair = bench.share("the same, two workers on a core each", posts, (0, 1)) if _cores() > 1 else None
        whole = bench.measure("end to end: Kafka, static model, Elasticsearch", "stored", _again(full))
        parts = bench.alone(min(posts, 50_000))
        ages = bench.ages(whole.posts / whole.wall / 2, AGE_RUN)
    together = packed.cpu / packed.posts + parts["stages"] + parts["store"]
    speeds = [usual, single, packed, stages, one, *([pair] if pair else []), whole]
    return {
        "rows": [speed.row() for speed in speeds],
        "packed_to_usual": round(_rate(packed) / _rate(usual), 1),
        "with_stages_to_usual": round(_rate(stages) / _rate(usual), 1),
        "two_workers_to_one": round(_rate(pair) / _rate(one), 2) if pair else None,
        "parts_us": {"transport": _us(packed.cpu / packed.posts), "stages and model": _us(parts["stages"]), "store": _us(parts["store"])},
        "cpu_to_parts": round(whole.cpu / whole.posts / together, 3),
        "half_load_posts_s": round(_rate(whole) / 2),
        "age_p50_s": round(median(ages), 2),
        "age_p95_s": round(quantiles(ages, n=20)[-1], 2),
    }


def _again(settings: KafkaSettings) -> KafkaSettings:
    """The same topic for another group."""
    return settings.model_copy(update={"group": f"{settings.group}-again"})


def _partitions(marks: Path) -> int:
    """How many partitions a worker says it has."""
    file = Path(f"{marks}.partitions")
    return int(file.read_text(encoding="ascii") or 0) if file.exists() else 0


def _cores() -> int:
    return len(os.sched_getaffinity(0) & {0, 1})


def _rate(speed: Speed) -> float:
    return speed.posts / speed.wall


def _us(seconds: float) -> float:
    return round(seconds * 1e6, 1)
