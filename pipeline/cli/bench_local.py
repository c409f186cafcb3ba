"""`moodstream bench local` and `bench store`: the embedded service end to end beside its parts, and queries on a large store."""

from __future__ import annotations

import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import Progress

from pipeline import wiring
from pipeline.cli.options import JsonOption, err, write_json, write_rows
from pipeline.errors import InputError
from pipeline.ports import Store
from pipeline.records import DAY, EMOTIONS, HOUR, SCALE, Post, Score, ScoredPost, to_ms
from pipeline.settings import Settings
from pipeline.stages import Context, Line, Matched, admit, decode, match_topics, process, score
from pipeline.text import clean

START = to_ms("2026-11-02T00:00:00Z")
ARRIVED = START + 365 * DAY  # after every post
BATCH = 2_000  # posts in a transaction, as `ingest` has it


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of the wall and of all cores for one part of the work."""

    part: str
    posts: int
    wall: float
    cpu: float

    def row(self) -> dict[str, Any]:
        """As a line of the table."""
        return {
            "part": self.part,
            "posts/s": round(self.posts / self.wall),
            "CPU µs/post": round(self.cpu / self.posts * 1e6, 1),
            "seconds": round(self.wall, 2),
        }


def register(bench: typer.Typer) -> None:
    """Add the commands of this file."""
    bench.command("local")(local)
    bench.command("store")(store)


def local(
    posts: Annotated[int, typer.Option("--posts", min=1_000, help="Distinct posts.")] = 100_000,
    model: Annotated[str, typer.Option("--model", help="The engine to measure.")] = "static",
    seed: Annotated[int, typer.Option("--seed", help="Of the generator.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """NDJSON file → stages → scored → stored, beside the stages, the model and the store alone, in one run."""
    from producers.subjects import demo_topics
    from producers.synthetic import distinct_posts, write_ndjson

    with tempfile.TemporaryDirectory(prefix="moodstream-bench-") as folder:
        settings = Settings(store=f"sqlite:///{folder}/whole.db", topics=demo_topics(), model=model)
        context = wiring.context(settings)
        file = Path(folder) / "posts.ndjson"
        write_ndjson(file, distinct_posts(seed, posts, START))
        warm(context, file)
        parts, scored = _parts(context, file, posts, folder)
        whole = _whole(context, file, posts, settings.store)
        report = _report(parts, whole, scored, context)
    _show(report, as_json)


def store(
    posts: Annotated[int, typer.Option("--posts", min=10_000, help="Posts in the store.")] = 2_000_000,
    queries: Annotated[int, typer.Option("--queries", min=10, help="Queries of each kind.")] = 100,
    path: Annotated[Path | None, typer.Option("--path", help="Keep the store here, and use it if it is there.")] = None,
    as_json: JsonOption = False,
) -> None:
    """90-day trends and full-text search over a large store: p50 and p95 in milliseconds."""
    with tempfile.TemporaryDirectory(prefix="moodstream-bench-") as folder:
        opened = wiring.open_store(f"sqlite:///{path or Path(folder) / 'large.db'}")
        try:
            missing = posts - opened.count()
            if missing > 0:
                _fill(opened, missing)
            rows = _queries(opened, queries)
        finally:
            opened.close()
    report = {"machine": machine(), "posts": posts, "queries": rows}
    if as_json:
        write_json(report)
    else:
        write_rows(rows, ["query", "p50 ms", "p95 ms"], as_csv=False, title=f"{posts:,} posts · {machine()}")


def machine() -> str:
    """What it was measured on: processor, cores, Python."""
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def warm(context: Context, file: Path) -> None:
    """Load the model and whatever is loaded at first use, with posts that are not measured again."""
    process(list(islice(_lines(file), 200)), context, now=ARRIVED, live=False)


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _timed(part: str, posts: int, work: Callable[[], None]) -> Measured:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Measured(part, posts, time.perf_counter() - wall, time.process_time() - cpu)


def _lines(file: Path) -> Iterator[Line]:
    with file.open("rb") as lines:
        yield from (Line(f"{file.name}:{number}", line, ARRIVED) for number, line in enumerate(lines, 1))


def _batches(file: Path) -> Iterator[list[Line]]:
    lines = _lines(file)
    while batch := list(islice(lines, BATCH)):
        yield batch


def _parts(context: Context, file: Path, posts: int, folder: str) -> tuple[list[Measured], list[ScoredPost]]:
    """The stages around the model, the model on cleaned texts, the store on scored posts: each alone."""
    now = ARRIVED
    ready = [_ready(batch, context) for batch in _batches(file)]
    texts = [[clean(item.post.text, context.limits.text_chars) for item in batch] for batch in ready]
    scored = [item for batch in ready for item in score(batch, context.classifier, now=now)[0]]
    alone = wiring.open_store(f"sqlite:///{folder}/alone.db")

    def stages() -> None:
        for batch in _batches(file):
            for item in _ready(batch, context):
                clean(item.post.text, context.limits.text_chars)

    def model() -> None:
        for batch in texts:
            context.classifier.score(batch)

    def keep() -> None:
        for start in range(0, len(scored), BATCH):
            alone.write(scored[start : start + BATCH])
        alone.refresh()

    parts = [_timed("stages alone", posts, stages), _timed("score alone", posts, model), _timed("store alone", posts, keep)]
    alone.close()
    return parts, scored


def _ready(batch: list[Line], context: Context) -> list[Matched]:
    """Decoded, admitted and matched: what the model is asked about."""
    read = decode(batch, context.limits, live=False)
    posts = [(post, ARRIVED) for post in read.posts if isinstance(post, Post)]
    return match_topics(admit(posts, context.author_key)[0], context.matcher)


def _whole(context: Context, file: Path, posts: int, url: str) -> Measured:
    """File to store, batch by batch, as `ingest` and `run` do it."""
    opened = wiring.open_store(url)

    def work() -> None:
        for batch in _batches(file):
            opened.write(process(batch, context, now=ARRIVED, live=False).scored)
        opened.refresh()

    measured = _timed("end to end", posts, work)
    if opened.count() != posts:
        raise InputError(f"{opened.count()} of {posts} posts were stored: the measurement is void")
    opened.close()
    return measured


def _report(parts: list[Measured], whole: Measured, scored: list[ScoredPost], context: Context) -> dict[str, Any]:
    together = sum(part.cpu for part in parts)
    words = sum(len(item.post.text.split()) for item in scored) / len(scored)
    return {
        "machine": machine(),
        "model": context.classifier.name,
        "distinct_texts": len({item.post.text for item in scored}),
        "words_mean": round(words, 1),
        "tokens_mean": _tokens(context, scored),
        "rows": [measured.row() for measured in (*parts, whole)],
        "cpu_ratio": round(whole.cpu / together, 3),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _tokens(context: Context, scored: list[ScoredPost]) -> float | None:
    """Mean tokens per text, where the engine has a tokeniser."""
    count = getattr(context.classifier, "token_counts", None)
    return None if count is None else round(float(np.mean(count([item.post.text for item in scored[:20_000]]))), 1)


def _show(report: dict[str, Any], as_json: bool) -> None:
    if as_json:
        write_json(report)
        return
    write_rows(report["rows"], ["part", "posts/s", "CPU µs/post", "seconds"], as_csv=False, title=report["machine"])
    typer.echo(
        f"{report['model']}; {report['distinct_texts']:,} distinct texts, {report['tokens_mean']} tokens on average, no cache of texts\n"
        f"CPU end to end / sum of the parts: {report['cpu_ratio']}; peak memory {report['peak_rss_mb']} MB"
    )


def _fill(opened: Store, missing: int) -> None:
    """Posts of 90 days on 20 topics, with the texts of the generator and drawn scores; a progress bar on stderr."""
    from producers.synthetic import distinct_posts

    start = START - 90 * DAY
    posts = distinct_posts(opened.count() + 1, missing, start)
    draw = np.random.default_rng(1)
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("filling", total=missing)
        while batch := list(islice(posts, 5_000)):
            times = draw.integers(start, START, len(batch))
            topics = draw.integers(0, 20, len(batch))
            negative = draw.integers(0, 5_000, len(batch))
            opened.write([
                _drawn(replace(post, created_at=int(at), platform=f"bench{missing}"), f"topic {topic}", int(share))
                for post, at, topic, share in zip(batch, times, topics, negative, strict=True)
            ])  # fmt: skip
            progress.advance(task, len(batch))
        opened.refresh()


def _drawn(post: Post, topic: str, negative: int) -> ScoredPost:
    emotions = (negative / SCALE,) * len(EMOTIONS)
    score = Score(emotions, (), negative / SCALE, 0.5, 0.5 - negative / SCALE, "neutral", 0.0, 0.5, 0.5, (0.0,) * 6, "drawn@1")
    return ScoredPost(post, (topic,), score, post.created_at, post.created_at)


def _queries(opened: Store, times: int) -> list[dict[str, Any]]:
    now = START
    names = [row.topic for row in opened.topics()]
    words = ["love", "the", "update", "refund", '"customer service"', "never again", "photos", "terrible"]

    def trend(i: int) -> object:
        return opened.trend(names[i % len(names)], HOUR, now - 90 * DAY, now)

    def search(i: int) -> object:
        return opened.search(words[i % len(words)], limit=20)

    def search_topic(i: int) -> object:
        return opened.search(words[i % len(words)], topic=names[i % len(names)], limit=20)

    kinds: dict[str, Callable[[int], object]] = {
        "trend of 90 days by the hour": trend,
        "search": search,
        "search in a topic": search_topic,
        "topics": lambda _: opened.topics(),
    }
    return [_latency(name, query, times) for name, query in kinds.items()]


def _latency(name: str, query: Callable[[int], object], times: int) -> dict[str, Any]:
    taken = []
    for i in range(times):
        began = time.perf_counter()
        query(i)
        taken.append((time.perf_counter() - began) * 1000)
    return {"query": name, "p50 ms": round(float(np.percentile(taken, 50)), 1), "p95 ms": round(float(np.percentile(taken, 95)), 1)}
