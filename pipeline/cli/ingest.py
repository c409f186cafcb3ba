"""The command `ingest`: files → stages → store. It may be stopped at any point and run again."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from pipeline import wiring
from pipeline.batching import Batcher
from pipeline.cli.options import ConfigOption, JsonOption, StoreOption, err, write_json
from pipeline.decode import EARLIEST, LATEST, Unfit, time_from
from pipeline.errors import InputError, StoreBlocked, StoreBusy, StoreError
from pipeline.records import Post, Rejected
from pipeline.settings import Settings, load
from pipeline.stages import Processed, process_posts
from pipeline.text import visible
from producers.files import FileSource, Layout

if TYPE_CHECKING:
    from pipeline.ports import Store, Written

BATCH_ROWS: Final = 2_000  # per transaction
BATCH_CHARS: Final = 8_000_000
BUSY_TRIES: Final = 20
REASONS_SHOWN: Final = 5
_NO_AGE: Final = 2**62

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Position:
    """How far into a file all rows are stored or rejected, and a hash of the file up to there."""

    rows: int = 0
    unreadable: int = 0  # rows that the file itself made dead letters
    rejected: int = 0  # those, and those on which the model failed
    unmatched: int = 0
    mark: str = ""


@dataclass(slots=True)
class Tally:
    """What became of the rows: stored + repeated + rejected + unmatched = rows, but for deletions."""

    rows: int = 0
    stored: int = 0  # new posts and edits
    repeated: int = 0  # the store had them
    rejected: int = 0
    unmatched: int = 0  # about no topic
    erased: int = 0
    refused: int = 0  # deleted before, and they stay so
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)  # reason → where it was met first

    def add(self, rows: int, written: Written, processed: Processed) -> None:
        """Count a batch that is stored."""
        self.rows += rows
        self.stored += written.stored + written.updated
        self.repeated += written.repeated
        self.erased += written.erased
        self.refused += written.refused
        self.unmatched += processed.unmatched
        self.rejected += len(processed.rejected)
        self._explain(processed.rejected)

    def skip(self, reached: Position, bad: Sequence[Rejected]) -> None:
        """Count the rows that an earlier run finished."""
        self.rows += reached.rows
        self.rejected += reached.rejected
        self.unmatched += reached.unmatched
        self.repeated += reached.rows - reached.rejected - reached.unmatched
        self._explain(bad)

    def _explain(self, items: Sequence[Rejected]) -> None:
        for item in items:
            self.reasons[item.reason] += 1
            self.examples.setdefault(item.reason, item.where)

    def summary(self, seconds: float) -> dict[str, Any]:
        """What --json writes."""
        out: dict[str, Any] = {name: getattr(self, name) for name in ("rows", "stored", "repeated", "rejected", "unmatched")}
        out |= {name: value for name in ("erased", "refused") if (value := getattr(self, name))}
        return out | {"seconds": round(seconds, 3)}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("ingest")(ingest)


def ingest(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="CSV or JSONL, also .gz.")],
    platform: Annotated[str, typer.Option("--platform", help="Where the posts are from, if no column says it.")] = "file",
    columns: Annotated[list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help='E.g. text="Review Text". Repeat it.')] = None,
    topic: Annotated[str | None, typer.Option("--topic", help="Every row belongs to this topic; it is made if there is none.")] = None,
    created_at: Annotated[str | None, typer.Option("--created-at", help="One time for all rows; they stay out of bins and alerts.")] = None,
    lang: Annotated[str | None, typer.Option("--lang", help="Language of rows without one, e.g. en. Default: found out.")] = None,
    rating_max: Annotated[float, typer.Option("--rating-max", min=1, help="Ratings go from 1 to this; 1: they go from 0 to 1.")] = 5,
    encoding: Annotated[str | None, typer.Option("--encoding", help="Of the files. Default: UTF-8.", show_default=False)] = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read posts or reviews from files; running it again changes nothing. Rows that can't be used are kept with the reason."""
    settings = load(Path(config) if config else None, {"store": store})
    layout = Layout(platform, _columns(columns or []), _moment(created_at), _topics(topic, settings), lang, rating_max, encoding)
    for file in files:
        if not file.is_file():
            raise InputError(f"{file}: no such file")
    opened = wiring.store(settings)
    try:
        work = Ingest(settings, opened, layout)
        began = time.monotonic()
        work.run(files)
        seconds = time.monotonic() - began
    finally:
        opened.close()
    if as_json:
        write_json(work.tally.summary(seconds))
    else:
        _tell(work.tally, seconds)


def _columns(given: Sequence[str]) -> dict[str, str]:
    columns = {}
    for text in given:
        name, mark, column = text.partition("=")
        if not mark or not name.strip() or not column.strip():
            raise InputError(f'--map {text!r} is not FIELD=COLUMN; e.g. --map text="Review Text"')
        columns[name.strip()] = column.strip()
    return columns


def _moment(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = time_from(text)
    except Unfit as reason:
        raise InputError(f"--created-at: {reason}") from None
    if not EARLIEST <= moment <= LATEST:
        raise InputError(f"--created-at {text} is not between 1990 and 2100")
    return moment


def _topics(topic: str | None, settings: Settings) -> tuple[str, ...]:
    if topic is None and not settings.topics:
        raise InputError("no topics: --topic NAME takes every row for one topic, or define topics in the settings (`moodstream init`)")
    if topic is not None and not 1 <= len(topic.strip()) <= 80:
        raise InputError("--topic needs a name of 1 to 80 characters")
    return () if topic is None else (topic.strip(),)


class Ingest:
    """One run over one store."""

    def __init__(self, settings: Settings, store: Store, layout: Layout) -> None:
        self.tally = Tally()
        self._settings = settings
        self._store = store
        self._layout = layout
        self._context = wiring.context(settings, store=store)

    def run(self, files: Sequence[Path]) -> None:
        """Store the files' rows, then recompute bins and look for incidents. Their messages are left to `run`: this never sends."""
        for file in files:
            with _bar(file) as progress:
                self._read(FileSource(file, self._layout, now=wiring.wall_clock, limits=self._settings.limits, progress=progress))
        if self.tally.stored or self.tally.erased:
            self._patiently(lambda: wiring.watch(self._settings, self._store, tell=False).tick(wiring.wall_clock(), flush=True))

    def _make_topics(self) -> None:
        """The topic of --topic, once a file has turned out to be readable."""
        for topic in self._layout.topics:
            known = {summary.topic for summary in self._store.topics()} | {item.name for item in self._settings.topics}
            if topic not in known:
                self._store.add_topic(topic)
                news = f"topic {visible(topic)!r} is new; it has no phrases, so it gets what is ingested for it and nothing else"
                err.print(escape(news), soft_wrap=True)

    def _read(self, source: FileSource) -> None:
        key = self._key(source)
        position, items = self._resumed(source, key)
        batch: Batcher[Post | Rejected] = Batcher(BATCH_ROWS, BATCH_CHARS, _NO_AGE)
        for item in items:
            batch.add(item, len(item.text if isinstance(item, Post) else item.raw), 0)
            if batch.ready(0):
                position = self._store_batch(batch.take(), position, source.mark, key)
        self._store_batch(batch.take(), position, source.mark, key)

    def _store_batch(self, items: list[Post | Rejected], position: Position, mark: str, key: str) -> Position:
        """Make the rows durable first, the position behind them second: a kill in between repeats rows, it never skips one."""
        if self.tally.rows == 0:
            self._make_topics()
        processed = process_posts(items, self._context, now=wiring.wall_clock())
        written = self._patiently(lambda: self._store.write(processed.scored))
        self._patiently(lambda: self._store.reject(processed.rejected))
        self.tally.add(len(items), written, processed)
        reached = Position(
            rows=position.rows + len(items),
            unreadable=position.unreadable + sum(isinstance(item, Rejected) for item in items),
            rejected=position.rejected + len(processed.rejected),
            unmatched=position.unmatched + processed.unmatched,
            mark=mark,
        )
        self._patiently(lambda: self._store.save_state(key, orjson.dumps(asdict(reached))))
        return reached

    def _patiently(self, call: Callable[[], T]) -> T:
        """Wait while another process writes; a store that is full ends the run, with everything so far in place."""
        for _ in range(BUSY_TRIES):
            try:
                return call()
            except StoreBusy as error:
                time.sleep(error.seconds)
            except StoreBlocked as error:
                raise StoreBlocked(f"{error}; {self.tally.rows:,} rows are done, run the same command again for the rest") from None
        raise StoreError("another process keeps the store busy; run the same command again later")

    def _key(self, source: FileSource) -> str:
        """Name of the saved position: the same file name, read in the same way for the same topics and model."""
        how = (source.name, asdict(self._layout), self._settings.model_dump(include={"topics", "limits"}), self._context.classifier.name)
        return "ingest:" + hashlib.blake2b(orjson.dumps(how, option=orjson.OPT_SORT_KEYS), digest_size=12).hexdigest()

    def _resumed(self, source: FileSource, key: str) -> tuple[Position, Iterator[Post | Rejected]]:
        """Where an earlier run stopped, and the rows behind it; all rows if the file is not the same up to there."""
        data = self._store.state(key)
        items = source.read()
        if data is None:
            return Position(), items
        reached = Position(**orjson.loads(data))
        bad = [item for item in islice(items, reached.rows) if isinstance(item, Rejected)]
        if source.mark != reached.mark or len(bad) != reached.unreadable:
            return Position(), source.read()
        self.tally.skip(reached, bad)
        return reached, items


@contextmanager
def _bar(file: Path) -> Iterator[Callable[[int], None]]:
    """A progress bar over the file's bytes, on a terminal only."""
    name = escape(visible(file.name))
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as progress:
        task = progress.add_task(name, total=file.stat().st_size)
        yield lambda position: progress.update(task, completed=position)


def _tell(tally: Tally, seconds: float) -> None:
    out = Console()
    rest = "".join(f", {value:,} {name}" for name in ("erased", "refused") if (value := getattr(tally, name)))
    out.print(
        f"{tally.rows:,} rows in {seconds:.1f} s: {tally.stored:,} stored, {tally.repeated:,} known before, {tally.rejected:,} rejected, "
        f"{tally.unmatched:,} about no topic{rest}",
        soft_wrap=True,
    )
    for reason, count in tally.reasons.most_common(REASONS_SHOWN):
        out.print(f"  {count:,} × {escape(visible(reason))} (first: {escape(visible(tally.examples[reason]))})", soft_wrap=True)
    if tally.rejected:
        out.print("  `moodstream rejected` lists them, each with its line and reason.")
