"""Unique posts in, the set of stored posts out: what the live tests and `moodstream bench faults` measure faults with.

The history is recorded outside the system under test: the ids and texts that were published, and what Elasticsearch holds at the end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from consumers.stores.elastic import ElasticStore, connect
from pipeline.records import Post
from pipeline.settings import ElasticsearchSettings, KafkaSettings
from producers.kafka import Publisher
from producers.kafka_admin import GroupView, LetterTopic, prepare_topics
from tools.stack.nodes import free_port

TOPIC = "harness"
SHIFTED = (
    "import os, runpy; from pipeline import wiring; clock = wiring.wall_clock; shift = int(os.environ['SHIFT_MS']);"
    "wiring.wall_clock = lambda: clock() + shift; runpy.run_module('pipeline', run_name='__main__')"
)
WORDS = ("good", "bad", "awful", "lovely", "late", "broken", "great", "slow", "kind", "rude")


@dataclass(frozen=True)
class Verdict:
    """What a run came to."""

    published: int
    lost: int
    duplicates: int  # documents beyond one per identity
    wrong: int  # documents whose text is not what was published
    again: int  # posts that a worker processed and that were there already


class Rig:
    """Topics, a group, a store and a folder of one run."""

    def __init__(self, name: str, bootstrap: str, elastic_port: int, folder: Path) -> None:
        self.name = name
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.kafka = KafkaSettings(
            bootstrap=bootstrap, topic=f"{name}-posts", dead_letters=f"{name}-dead", group=f"{name}-group", partitions=4,
            spill_file=str(folder / "unsent.ndjson"),
        )  # fmt: skip
        self.store_url = f"elasticsearch://127.0.0.1:{elastic_port}/{name}"
        self.sent: dict[str, str] = {}  # id → text, of all that was published
        self.extra: dict[str, str] = {}  # further variables of worker processes
        self.recovered = 0.0  # seconds of the last wait for lag 0
        self._worker_store = self.store_url

    def shift_clock(self, ms: int) -> None:
        """Let workers have a clock that is so far ahead."""
        self.extra["SHIFT_MS"] = str(ms)

    def through(self, port: int) -> None:
        """Let workers reach the store through a proxy."""
        self._worker_store = f"elasticsearch://127.0.0.1:{port}/{self.name}"

    # ------------------------------------------------------------ producing

    @contextmanager
    def publisher(self, **options: object) -> Iterator[Publisher]:
        """A publisher on the run's topic."""
        publisher = Publisher(self.kafka, prepare_topics(self.kafka), **options)  # type: ignore[arg-type]
        try:
            yield publisher
        finally:
            publisher.close(60)

    def post(self, number: int, text: str = "") -> Post:
        """The post of a number; everything about it follows from that."""
        words = text or f"a {WORDS[number % 10]} thing, number {number}, {WORDS[number // 10 % 10]} too"
        return Post("net", f"n{number}", int(time.time() * 1000), words, lang="en", author=f"a{number % 97}", topics=(TOPIC,))

    def publish(self, publisher: Publisher, first: int, count: int, *, seconds: float = 0.0) -> None:
        """Publish `count` posts, spread over some seconds, and remember them."""
        begun = time.monotonic()
        for number in range(first, first + count):
            post = self.post(number)
            self.sent[post.id] = post.text
            publisher.publish(post)
            ahead = seconds * (number - first) / count - (time.monotonic() - begun)
            if ahead > 0.02:
                publisher.pump()
                time.sleep(ahead)
        publisher.pump()

    # ------------------------------------------------------------ working

    def worker(self, *, supervise: bool = True) -> WorkerProcess:
        """Start a worker."""
        return WorkerProcess(self, supervise)

    def environment(self) -> dict[str, str]:
        """The settings of a worker process."""
        return os.environ | {
            "MOODSTREAM_STORE": self._worker_store, "MOODSTREAM_MODEL": "vader", "MOODSTREAM_AUTHOR_KEY": "harness",
            "MOODSTREAM_LOG_LEVEL": "warning", "MOODSTREAM_KAFKA__BOOTSTRAP": self.kafka.bootstrap,
            "MOODSTREAM_KAFKA__TOPIC": self.kafka.topic, "MOODSTREAM_KAFKA__GROUP": self.kafka.group,
            "MOODSTREAM_KAFKA__DEAD_LETTERS": self.kafka.dead_letters, "MOODSTREAM_ELASTICSEARCH__REQUEST_SECONDS": "5",
        } | self.extra  # fmt: skip

    def lag(self) -> int:
        """Records that are not committed, over all partitions."""
        return self.progress()[1]

    def progress(self) -> tuple[int, int]:
        """(committed offsets, records that are not committed), over all partitions."""
        view = GroupView(self.kafka)
        try:
            places = view.progress()
        finally:
            view.close()
        return sum(place.committed for place in places), sum(place.lag for place in places)

    def wait_until_done(self, seconds: float = 120.0) -> float:
        """Wait for lag 0; how long it took. TimeoutError with the lag."""
        begun = time.monotonic()
        while (lag := self.lag()) > 0:
            if time.monotonic() - begun > seconds:
                raise TimeoutError(f"lag is still {lag} after {seconds:.0f} s")
            time.sleep(0.2)
        self.recovered = time.monotonic() - begun
        return self.recovered

    # ------------------------------------------------------------ judging

    def store(self) -> ElasticStore:
        """The run's store, not through a proxy."""
        settings = ElasticsearchSettings(fresh_seconds=0, request_seconds=120)
        return ElasticStore(connect(self.store_url, settings), now=lambda: int(time.time() * 1000))

    def verdict(self, again: int = 0) -> Verdict:
        """Compare what is stored with what was published."""
        es = connect(self.store_url, ElasticsearchSettings(request_seconds=120))
        try:
            es.show("posts-*", always=True)
            found: dict[str, list[str]] = {}
            for hit in es.scan("posts-*", {"match_all": {}}, [{"_doc": "asc"}], source=["id", "text"]):
                found.setdefault(hit.source["id"], []).append(hit.source["text"])
        finally:
            es.close()
        return Verdict(
            published=len(self.sent),
            lost=len(self.sent.keys() - found.keys()),
            duplicates=sum(len(texts) - 1 for texts in found.values()),
            wrong=sum(text != self.sent.get(post_id) for post_id, texts in found.items() for text in texts),
            again=again,
        )

    def letters(self) -> list[str]:
        """The reasons of all dead letters."""
        return [letter.reason for _, letter in LetterTopic(self.kafka).read()]


class WorkerProcess:
    """`moodstream worker` as a child process."""

    def __init__(self, rig: Rig, supervise: bool) -> None:
        self.port = free_port()
        self.folder = rig.folder
        program = ["-c", SHIFTED] if "SHIFT_MS" in rig.extra else ["-m", "pipeline"]
        command = [sys.executable, "-W", "ignore", *program, "worker", "--health-port", str(self.port)]
        command += ["--supervise"] if supervise else []
        with (rig.folder / "worker.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=rig.environment(), stdout=log, stderr=log, start_new_session=True)

    def metrics(self) -> dict[str, float]:
        """Name with labels → value; empty while it doesn't answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=2) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return {}
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}

    def health(self) -> dict[str, object]:
        """What /health says; empty while it doesn't answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2) as answer:
                return dict(json.load(answer))
        except OSError:
            return {}

    def processed(self) -> float:
        """Posts that went through the store so far, in this process's life."""
        found = self.metrics()
        return sum(found.get(f'moodstream_posts_total{{result="{result}"}}', 0.0) for result in ("stored", "repeated", "updated"))

    def wait_until_processing(self, seconds: float = 90.0) -> None:
        """Wait for the first stored posts. TimeoutError with the end of the log."""
        until = time.monotonic() + seconds
        while self.processed() == 0:
            if time.monotonic() > until or self._process.poll() is not None:
                raise TimeoutError("no post was processed:\n" + (self.folder / "worker.log").read_text(errors="replace")[-3000:])
            time.sleep(0.2)

    def working_pid(self) -> int:
        """The process that works, not its supervisor."""
        return child_of(self._process.pid) or self._process.pid

    def resident(self) -> int:
        """Bytes of memory that the working process has."""
        pages = Path(f"/proc/{self.working_pid()}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def kill_child(self) -> None:
        """SIGKILL to the process that works, not to its supervisor."""
        child = child_of(self._process.pid)
        if child:
            os.kill(child, signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Send a signal to the process that works."""
        os.kill(self.working_pid(), number)

    def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM; the exit code. The whole group is killed after some seconds."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return -9

    def kill(self) -> None:
        """SIGKILL to supervisor and worker."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self._process.wait()


def child_of(pid: int) -> int | None:
    """The first child of a process, or None."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = children.read_text(encoding="ascii").split() if children.exists() else []
    return int(found[0]) if found else None


class Feeding:
    """Publishes in a thread of its own while a test breaks things."""

    def __init__(self, rig: Rig, first: int, count: int, seconds: float) -> None:
        self._rig = rig
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._feed, args=(first, count, seconds))
        self._thread.start()

    def _feed(self, first: int, count: int, seconds: float) -> None:
        try:
            with self._rig.publisher() as publisher:
                self._rig.publish(publisher, first, count, seconds=seconds)
        except BaseException as error:
            self._failed.append(error)

    def wait(self) -> None:
        """Wait until all is published; raises what went wrong."""
        self._thread.join()
        if self._failed:
            raise self._failed[0]
