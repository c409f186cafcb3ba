"""`moodstream bench ticks`: how long a look at very many topics takes, with the hourly and daily steps of a day and more."""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import track

from pipeline import wiring
from pipeline.cli.bench_local import START, machine
from pipeline.cli.options import JsonOption, err, write_json, write_rows
from pipeline.notify import Subscription
from pipeline.records import BIN, EMOTIONS, SCALE, Post, Score, ScoredPost
from pipeline.watch import Watch

LATE = 500  # ms from writing a post to its arrival


def register(bench: typer.Typer) -> None:
    """Add the command of this file."""
    bench.command("ticks")(ticks)


def ticks(
    topics: Annotated[int, typer.Option("--topics", min=10, help="Topics, each with its own rate.")] = 10_000,
    bins: Annotated[int, typer.Option("--bins", min=12, help="Five-minute bins, each looked at once when it is over.")] = 320,
    rate: Annotated[float, typer.Option("--rate", min=0.01, help="Posts per topic and bin, on average; few topics have most.")] = 0.3,
    seed: Annotated[int, typer.Option("--seed")] = 1,
    as_json: JsonOption = False,
) -> None:
    """A store whose topics all get posts: milliseconds of each look, which makes bins anew, walks them and saves what it knows."""
    draw = np.random.default_rng(seed)
    weights = draw.pareto(1.2, topics) + 0.2
    rates = rate * topics * weights / weights.sum()
    taken: list[float] = []
    posts = 0
    with tempfile.TemporaryDirectory(prefix="moodstream-bench-") as folder:
        now = [START]
        with closing(wiring.open_store(f"sqlite:///{Path(folder) / 'store.db'}")) as store:
            watch = Watch(store, [Subscription("ops")])
            for index in track(range(bins), "bins", console=err):
                batch = _posts(draw, rates, START + index * BIN, posts)
                posts += len(batch)
                store.write(batch)
                now[0] = START + (index + 1) * BIN
                begun = time.perf_counter()
                watch.tick(now[0])
                taken.append(time.perf_counter() - begun)
            incidents = len(store.incidents(limit=100_000))
    report = {"machine": machine(), "topics": topics, "bins": bins, "posts": posts, "incidents": incidents, **_figures(taken)}
    if as_json:
        write_json(report)
    else:
        write_rows([report], [name for name in report if name != "machine"], as_csv=False, title=report["machine"])


def _figures(taken: list[float]) -> dict[str, Any]:
    return {
        "p50_s": round(float(np.median(taken)), 3),
        "p95_s": round(float(np.quantile(taken, 0.95)), 3),
        "longest_s": round(max(taken), 3),
        "longest_at_bin": int(np.argmax(taken)),
    }


def _posts(draw: np.random.Generator, rates: np.ndarray[Any, Any], start: int, first: int) -> list[ScoredPost]:
    """The scored posts of one bin, over all topics."""
    which = np.repeat(np.arange(rates.size), draw.poisson(rates))
    times = np.sort(draw.integers(start, start + BIN - LATE, which.size))
    negative = draw.integers(0, SCALE, which.size) * (draw.random(which.size) < 0.4)
    none = (0.0,) * len(EMOTIONS)
    return [
        ScoredPost(
            Post("bench", str(first + number), int(at), f"post {first + number}", lang="en", author=f"h{(first + number) % 5_000}"),
            (f"topic {topic}",),
            Score(none, (), p / SCALE, 1 - p / SCALE, 0.0, "neutral", 0.0, 0.5, 0.5, (0.0,) * 6, "drawn@1"),
            int(at) + LATE,
            int(at) + LATE,
        )
        for number, (topic, at, p) in enumerate(zip(which.tolist(), times.tolist(), negative.tolist(), strict=True))
    ]
