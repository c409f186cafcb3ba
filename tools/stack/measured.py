"""`python -m tools.stack.measured KIND`: a worker whose progress is noted, for `moodstream bench stream`; ends at SIGTERM.

usual      the usual way: `take` of faust.Record, one post per record, Faust's own settings, a model that costs nothing
transport  our app and agent with all guarantees; a post is parsed and given to a model that costs nothing
stages     the same with all stages: decode, mask, hash authors, match topics
scored     and with the model of the settings
stored     and with the store of the settings: the whole worker
alone      no Kafka: stages with the model, then the store, over the posts of a file; what each costs

Marks (moment of the monotonic clock, posts so far, CPU seconds of the process so far) go to the file of MARKS as JSON; the number of
partitions that the worker has is in MARKS.partitions.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import faust
import orjson

from consumers import app as worker_app
from consumers.agents import POSTS
from consumers.worker import Taken, Work
from pipeline import wiring
from pipeline.metrics import WorkerMetrics
from pipeline.ports import Written
from pipeline.records import EMOTIONS, INTENSITIES, Score, ScoredPost
from pipeline.settings import Settings, load
from pipeline.stages import Line, process
from producers.kafka_admin import LetterTopic, prepare_topics
from producers.subjects import demo_topics

TAKE, WITHIN = 256, 0.2  # of the usual way
BETWEEN = 0.02  # seconds between two marks
SCORE = Score(
    (0.1,) * len(EMOTIONS), ("neutral",), 0.2, 0.5, 0.3, "neutral", 0.1, 0.2, 0.3, (0.1,) * len(INTENSITIES), "free@1"
)  # fmt: skip


class Free:
    """A model that costs nothing."""

    name = "free@1"
    languages = frozenset({"en"})

    def score(self, texts: Sequence[str]) -> list[Score]:
        """The same score for each."""
        return [SCORE] * len(texts)


class Marks:
    """How far the work was at which moment. It stands in for the store where none is measured."""

    failure: BaseException | None = None  # what `run` asks of a worker's work
    state = "running"

    def __init__(self) -> None:
        self.posts = 0
        self.marks: list[tuple[float, int, float]] = []

    def note(self, posts: int) -> None:
        """So many more are done."""
        now = time.monotonic()
        self.posts += posts
        if not self.marks or now - self.marks[-1][0] >= BETWEEN:
            self.marks.append((now, self.posts, time.process_time()))

    def write(self, posts: Sequence[ScoredPost]) -> Written:
        """Take posts and forget them."""
        self.note(len(posts))
        return Written(len(posts), 0, 0, 0)

    def close(self) -> None:
        """Write the marks."""
        self.marks.append((time.monotonic(), self.posts, time.process_time())) if not self.marks else None
        Path(os.environ["MARKS"]).write_text(json.dumps(self.marks), encoding="utf-8")


class Stored(Marks):
    """Marks around the store of the settings."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._store = wiring.store(settings)

    def write(self, posts: Sequence[ScoredPost]) -> Written:
        """Store posts."""
        written = self._store.write(posts)
        self.note(len(posts))
        return written


class Transport:
    """The least work: parse the posts of the records, ask the free model in a thread, note them."""

    failure: BaseException | None = None
    state = "running"

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._pool = ThreadPoolExecutor(1)
        self._model = Free()

    async def bring(self, records: Sequence[Taken]) -> None:
        """Bring records home."""
        await asyncio.get_running_loop().run_in_executor(self._pool, self._score, records)

    def _score(self, records: Sequence[Taken]) -> None:
        posts = [orjson.loads(line) for record in records for line in record.value.split(b"\n")]
        self._marks.note(len(self._model.score([post["text"] for post in posts])))

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown()


class Event(faust.Record, serializer="json"):  # type: ignore[misc, call-arg]
    """A post as the usual way has it."""

    platform: str
    post_id: str
    created_at: str
    text: str


def usual_app(settings: Settings, marks: Marks, partitions: int) -> faust.App:
    """An app as Faust's manual shows it."""
    kafka = settings.kafka
    app = faust.App(
        kafka.group, broker=f"kafka://{kafka.bootstrap}", store="memory://", topic_partitions=partitions, web_enabled=False,
        consumer_auto_offset_reset="earliest", worker_redirect_stdouts=False, datadir=str(Path(os.environ["MARKS"]).with_suffix(".faust")),
    )  # fmt: skip
    model = Free()

    @app.agent(app.topic(kafka.topic, value_type=Event, partitions=partitions), name="usual")  # type: ignore[untyped-decorator]
    async def usual(stream: Any) -> None:
        async for posts in stream.take(TAKE, within=WITHIN):
            marks.note(len(model.score([post.text for post in posts])))

    return app


def work_of(kind: str, settings: Settings, marks: Marks) -> Any:
    """What our agent does with records."""
    if kind == "transport":
        return Transport(marks)
    model = Free() if kind == "stages" else None
    context = wiring.context(settings, demo_topics(), model=model)
    return Work(context, marks, LetterTopic(settings.kafka), wiring.wall_clock, WorkerMetrics())  # type: ignore[arg-type]


def alone(settings: Settings) -> dict[str, float]:
    """CPU seconds per post of the stages with the model, and of the store, in batches as large as a worker's."""
    context = wiring.context(settings, demo_topics())
    with Path(os.environ["POSTS"]).open("rb") as file:
        lines = [Line(f"posts:{number}", line.rstrip(b"\n"), wiring.wall_clock()) for number, line in enumerate(file)]
    rows, store = iter(lines), wiring.store(settings)
    batches = list(iter(lambda: list(islice(rows, POSTS)), []))
    process(batches[0], context, now=wiring.wall_clock(), live=True)
    begun = time.process_time()
    scored = [process(batch, context, now=wiring.wall_clock(), live=True).scored for batch in batches]
    between = time.process_time()
    for batch in scored:
        store.write(batch)
    ended = time.process_time()
    store.close()
    return {"stages": (between - begun) / len(lines), "store": (ended - between) / len(lines)}


def tell_partitions(app: faust.App) -> None:
    """Write how many partitions this worker has, ten times a second."""
    file = Path(os.environ["MARKS"] + ".partitions")
    while True:
        file.write_text(str(len(worker_app.assigned(app))), encoding="ascii")
        time.sleep(0.1)


def main(kind: str) -> None:
    """Work until SIGTERM."""
    settings = load()
    if kind == "alone":
        Path(os.environ["MARKS"]).write_text(json.dumps(alone(settings)), encoding="utf-8")
        return
    marks = Stored(settings) if kind == "stored" else Marks()
    partitions = prepare_topics(settings.kafka)
    work = marks if kind == "usual" else work_of(kind, settings, marks)
    app = usual_app(settings, marks, partitions) if kind == "usual" else worker_app.build(settings.kafka, work, partitions)
    threading.Thread(target=tell_partitions, args=(app,), daemon=True).start()
    try:
        worker_app.run(app, work, "error")
    finally:
        marks.close()


if __name__ == "__main__":
    main(sys.argv[1])
