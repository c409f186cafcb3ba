"""Commands of the service: demo, run, serve, init, doctor."""

from __future__ import annotations

import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline import wiring
from pipeline.cli.options import ConfigOption, JsonOption, StoreOption, err, write_json
from pipeline.cli.waiting import waiting_for
from pipeline.doctor import examine
from pipeline.errors import InputError, SettingsError
from pipeline.logs import configure
from pipeline.records import DAY, MINUTE, Incident, to_ms
from pipeline.settings import DEFAULT_FILE, Settings, TopicSettings, load
from pipeline.starter import starter
from pipeline.text import visible

if TYPE_CHECKING:
    from consumers.demo import Demo
    from pipeline.confusion import Confusion
    from pipeline.ports import Classifier, Store

SEEDED_START = "2026-11-02T00:00:00Z"
RATE = 4.0  # posts per topic and five minutes
_LABELLED, _LABELLED_SEED = 2_000, 2**31  # posts that the demo measures its model on; no demo draws this seed
DAY_POSTS = 7_000  # about what a day holds, for the progress bar

PortOption = Annotated[
    int | None, typer.Option("--port", min=0, max=65535, help="Port of the page; 0 takes any free one. [settings: 8420]")
]
HostOption = Annotated[str | None, typer.Option("--host", help="Address of the page. [settings: 127.0.0.1]")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("demo")(demo)
    app.command("run")(run)
    app.command("serve")(serve)
    app.command("init")(init)
    app.command("doctor")(doctor)


def demo(
    seed: Annotated[int | None, typer.Option("--seed", help="The same seed gives the same posts and the same incident.")] = None,
    store: StoreOption = None,
    port: PortOption = None,
    host: HostOption = None,
    days: Annotated[int, typer.Option("--days", min=2, max=90, help="Days of past to fill.")] = 21,
    until_incident: Annotated[bool, typer.Option("--until-incident", help="No page: as fast as possible until an incident opens.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Watch seeded posts on six topics, one second per minute: a story breaks, an alert says why."""
    configure("warning")
    with tempfile.TemporaryDirectory(prefix="moodstream-") as folder:
        overrides = {"store": store or f"sqlite:///{folder}/demo.db", "web.port": port, "web.host": host, "model": None}
        settings = _demo_settings(load(overrides=overrides), quiet=as_json)
        began = time.monotonic()
        opened = wiring.store(settings)
        try:
            if until_incident:
                _demo_until_incident(settings, opened, seed, days, began, as_json)
            else:
                _demo_live(settings, opened, seed, days)
        finally:
            opened.close()


def run(
    store: StoreOption = None,
    config: ConfigOption = None,
    topic: Annotated[list[str] | None, typer.Option("--topic", help='A topic: NAME="phrase, #tag, @handle". Repeat for more.')] = None,
    port: PortOption = None,
    host: HostOption = None,
    once: Annotated[bool, typer.Option("--once", help="No page; end when every source has ended.")] = False,
) -> None:
    """Run the embedded service: the sources of the settings, the store, alerts and the page, in one process."""
    settings = load(Path(config) if config else None, {"store": store, "web.port": port, "web.host": host})
    if topic:
        given = tuple(_topic(text) for text in topic)
        kept = tuple(known for known in settings.topics if known.name not in {new.name for new in given})
        settings = settings.model_copy(update={"topics": kept + given})
    if not settings.topics:
        raise SettingsError('no topics: `moodstream init` writes a settings file, or give one: run --topic coffee="espresso, #coffee"')
    configure(settings.log_level)
    opened = wiring.store(settings)
    try:
        with stop_on_signal() as stopping:
            _run(settings, opened, stopping, once)
    finally:
        opened.close()


def serve(store: StoreOption = None, config: ConfigOption = None, port: PortOption = None, host: HostOption = None) -> None:
    """Show the page and the API over a store that another process fills."""
    settings = load(Path(config) if config else None, {"store": store, "web.port": port, "web.host": host})
    configure(settings.log_level)
    with stop_on_signal() as stopping:
        opened = waiting_for(lambda: wiring.store(settings, must_exist=True), "the store", settings.kafka.wait_seconds, stopping)
        try:
            with _page(settings, opened, wiring.wall_clock, lambda: {"mode": "serve"}):
                stopping.wait()
        finally:
            opened.close()


def init(
    path: Annotated[Path, typer.Argument(help="Where to write the file.")] = Path(DEFAULT_FILE),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented settings file to start from."""
    try:
        with path.open("w" if force else "x", encoding="utf-8") as out:
            out.write(starter())
    except FileExistsError:
        raise InputError(f"{path} is there already; --force replaces it") from None
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror}") from None
    typer.echo(f"wrote {path}: set your topics in it, then `moodstream run`")


def doctor(store: StoreOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check settings, model, store, receivers and page, and say what to do about what is wrong."""
    settings = load(Path(config) if config else None, {"store": store})
    report = examine(settings)
    if as_json:
        write_json(report)
    else:
        for item in report["settings"]:
            typer.echo(f"  {item['key']:28} {visible(item['value']):44} {item['origin']}")
        for check in report["checks"]:
            mark = "ok  " if check["ok"] else "FAIL"
            typer.echo(f"{mark} {check['name']:10} {visible(check['found'])}" + (f"\n     → {check['advice']}" if not check["ok"] else ""))
    if not all(check["ok"] for check in report["checks"]):
        raise typer.Exit(1)


def _topic(text: str) -> TopicSettings:
    """`NAME=phrase, #tag, @handle` as a topic; SettingsError if it isn't one."""
    name, equals, words = text.partition("=")
    parts = [part.strip() for part in words.strip().strip('"').split(",") if part.strip()]
    if not equals or not name.strip() or not parts:
        raise SettingsError(f'--topic {text!r} can\'t be read: write NAME="phrase, #tag, @handle"')
    return TopicSettings(
        name=name.strip(),
        phrases=tuple(part for part in parts if part[0] not in "#@"),
        hashtags=tuple(part for part in parts if part[0] == "#"),
        handles=tuple(part for part in parts if part[0] == "@"),
    )


def _demo_settings(settings: Settings, *, quiet: bool) -> Settings:
    """The generator's topics, the terminal as receiver, and the fast model unless another one is named: three weeks of past are scored."""
    from pipeline.settings import ReceiverSettings
    from producers.subjects import demo_topics

    terminal = ReceiverSettings.model_validate({"name": "terminal", "url": "terminal:"})
    model = "static" if settings.model == "auto" else settings.model
    return settings.model_copy(update={"topics": demo_topics(), "receivers": () if quiet else (terminal,), "model": model})


def _demo(settings: Settings, store: Store, seed: int | None, wait: Any = None) -> Demo:
    from consumers.demo import Demo, SteppedClock
    from consumers.local import Embedded
    from producers.stories import default_stories
    from producers.synthetic import Synthetic

    start = to_ms(SEEDED_START) if seed is not None else wiring.wall_clock() // MINUTE * MINUTE
    clock = SteppedClock(start)
    feed = Synthetic(random.SystemRandom().randrange(2**31) if seed is None else seed, rate=RATE, stories=default_stories(start))
    context = wiring.context(settings)
    wiring.tell_confusion(store, context.classifier, _confused(context.classifier, start))
    service = Embedded(store, context, wiring.watch(settings, store), clock, wait)
    return Demo(service, feed.arriving, clock)


def _confused(model: Classifier, start: int) -> Confusion | None:
    """What the model confuses on the generator's posts of another seed, which are plainer than the texts of its checkpoint's constants."""
    import numpy as np

    from models.calibrate import confusion
    from producers.composer import tone_of
    from producers.synthetic import Synthetic

    other = Synthetic(_LABELLED_SEED, rate=RATE)
    posts = [found for found in other.between(start - DAY, start) if found.post.lang == "en"][:_LABELLED]
    p = np.array([score.p_negative for score in model.score([found.post.text for found in posts])])
    return confusion(p, np.array([float(tone_of(found.emotion) == "negative") for found in posts]))


def _demo_until_incident(settings: Settings, store: Store, seed: int | None, days: int, began: float, as_json: bool) -> None:
    from pipeline.incidents import full_json

    feed = _demo(settings, store, seed)
    with _filling(days) as progress:
        feed.fill(progress, days)
    incident = feed.until_incident()
    seconds = round(time.monotonic() - began, 2)
    if as_json:
        write_json({"incident": full_json(store, incident) if incident else None, "posts": store.count(), "seconds": seconds})
    elif incident:
        _tell(incident)
    if incident is None:
        raise typer.Exit(1)


def _demo_live(settings: Settings, store: Store, seed: int | None, days: int) -> None:
    from consumers.demo import FACTOR
    from pipeline.notify import Outbox

    with stop_on_signal() as stopping:
        feed = _demo(settings, store, seed, stopping.wait)
        outbox = Outbox(store, wiring.receivers(settings))

        def status() -> Mapping[str, object]:
            return {**feed.status(), "mode": "demo", "factor": FACTOR}

        def told(_: Incident) -> None:
            outbox.deliver_due(feed.clock())

        listener = _bound(settings)
        err.print(f"storing {days} days of past ...")
        with _filling(days) as progress:
            feed.fill(progress, days)
        with _page(settings, store, feed.clock, status, listener):
            feed.follow(FACTOR, stopping.wait, told)
    err.print("stopped")


def _run(settings: Settings, store: Store, stopping: threading.Event, once: bool) -> None:
    from consumers.local import Embedded
    from consumers.runner import Runner
    from pipeline.notify import Outbox

    outbox = Outbox(store, wiring.receivers(settings), settings.detector.daily_cap, hours=wiring.told_hours(settings))
    context, watch = wiring.context(settings, store=store), wiring.watch(settings, store)
    service = Embedded(store, context, watch, wiring.wall_clock, stopping.wait, outbox.send_at_once)
    runner = Runner(
        service,
        wiring.sources(settings, wiring.wall_clock, stopping.wait),
        outbox,
        wiring.wall_clock,
        keep_days=settings.retention.posts_days,
        batch_size=settings.batch_size,
        queue_posts=settings.limits.queue_posts,
        stopping=stopping,
    )
    if once:
        runner.run(once=True)
        return
    with _page(settings, store, wiring.wall_clock, lambda: {**service.status(), "mode": "run"}):
        runner.run()


def _bound(settings: Settings) -> Any:
    from dashboards.server import bind

    return bind(settings.web)


@contextmanager
def _page(settings: Settings, store: Store, clock: wiring.Clock, status: Any, listener: Any = None) -> Iterator[None]:
    """The page, for as long as the block runs; its address on stderr."""
    from dashboards.server import url_of

    listener = listener or _bound(settings)
    with wiring.serving(wiring.page(settings, store, clock, status), listener):
        err.print(f"page: [bold]{escape(url_of(listener, settings.web))}[/bold]   (Ctrl-C ends)")
        yield


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; the handlers before are put back."""
    stopping = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopping.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _filling(days: int) -> Iterator[Any]:
    """A progress bar for the past; gives the function that moves it."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,} posts"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("past", total=DAY_POSTS * days)
        yield lambda n: progress.advance(task, n)


def _tell(incident: Incident) -> None:
    typer.echo(f"{incident.id}  {visible(incident.topic)}  {incident.severity}\n{visible(incident.sentence)}")
