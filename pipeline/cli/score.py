"""`moodstream score`: posts as NDJSON on stdin, scored posts as NDJSON on stdout, in constant memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import orjson
import typer
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from pipeline import stages, wiring
from pipeline.cli.options import ConfigOption, err
from pipeline.language import language_of
from pipeline.ports import Classifier, Counting
from pipeline.records import Post, Rejected, ScoredPost, scored_to_json
from pipeline.settings import Settings, load

_AT_ONCE: Final = 1 << 20  # bytes: what a pipe holds is scored as soon as it is there, so `tail -f` works as well
_DEFAULT_LANGUAGE: Final = "en"  # of a text that doesn't tell: a filter knows no topic


def score(
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="auto, static, onnx, torch, cascade, vader, the folder of a checkpoint, or a Hugging Face id. [settings: auto]",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1, help="Texts per call of the model.", show_default=False)] = None,
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu or cuda. [settings: auto]", show_default=False)] = None,
    label_map: Annotated[
        Path | None, typer.Option("--label-map", help="JSON or TOML: what a Hugging Face checkpoint's labels mean.", show_default=False)
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Score posts: NDJSON on stdin, NDJSON on stdout. A bad line is named on stderr, the rest is scored, the exit code is 1."""
    given = {"model": model, "batch_size": batch_size, "device": device, "label_map": label_map}
    settings = load(Path(config) if config else None, given)
    scorer = Scorer(settings)
    bad = 0
    progress = Progress(
        TextColumn("{task.completed:,.0f} posts"), TimeElapsedColumn(), console=err, transient=True, disable=not err.is_terminal
    )
    with progress:
        task = progress.add_task("score")
        for number, lines in numbered(sys.stdin.buffer, settings.limits.record_bytes):
            good, rejected = scorer.score(number, lines)
            sys.stdout.buffer.write(b"".join(orjson.dumps(scored_to_json(item), option=orjson.OPT_APPEND_NEWLINE) for item in good))
            sys.stdout.buffer.flush()
            for item in rejected:
                err.print(f"{item.where}: {item.reason}", markup=False, highlight=False, soft_wrap=True)
            bad += len(rejected)
            progress.update(task, advance=len(good))
    scorer.tell()
    if bad:
        raise typer.Exit(1)


def numbered(stream: BinaryIO, limit: int) -> Iterator[tuple[int, list[bytes]]]:
    """Whole lines as they arrive: (number of the first, lines). Of a line over `limit` bytes little more than that is kept."""
    number, rest = 1, b""
    while part := stream.read1(_AT_ONCE) if hasattr(stream, "read1") else stream.read(_AT_ONCE):
        lines = (rest + part).split(b"\n")
        rest = lines.pop()[: limit + 1]
        if lines:
            yield number, lines
            number += len(lines)
    if rest:
        yield number, [rest]


class Scorer:
    """The stages without topics: every post is scored."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._classifier: Classifier = wiring.classifier(settings)

    def tell(self) -> None:
        """On stderr: how many texts the model was asked about, and how it came to its answers."""
        if isinstance(self._classifier, Counting):
            counts = self._classifier.counts
            parts = [f"{counts[how]:,} {how}" for how in ("repeated", "forwarded") if how in counts]
            err.print(f"{self._classifier.name}: {counts['asked']:,} texts, {', '.join(parts)}", highlight=False)

    @cached_property
    def _author_key(self) -> bytes:
        return wiring.author_key(self._settings)

    def score(self, number: int, lines: list[bytes]) -> tuple[list[ScoredPost], list[Rejected]]:
        """Lines from `number` on → scored posts and what could not be scored, each in the order of the lines; empty lines count as none."""
        now = wiring.wall_clock()
        arrived = [stages.Line(f"line {i}", line, now) for i, line in enumerate(lines, number) if not line.isspace() and line]
        read = stages.decode(arrived, self._settings.limits, live=False)
        # The key is made at the first post that has an author: a filter leaves no file behind without need.
        key = self._author_key if any(post.author for post in read.posts) else b""
        admitted, _ = stages.admit(zip(read.posts, read.arrived, strict=True), key)
        matched = [stages.Matched(_with_language(post), post.topics, at) for post, at in admitted]
        good, failed = stages.score(matched, self._classifier, now=now, limit=self._settings.limits.text_chars)
        return good, read.rejected + failed


def _with_language(post: Post) -> Post:
    return post if post.lang or post.event == "delete" else replace(post, lang=language_of(post.text, _DEFAULT_LANGUAGE))
