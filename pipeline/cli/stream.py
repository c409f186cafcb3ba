"""Commands of the stream: produce, worker, detect, dlq."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline import wiring
from pipeline.cli.alerts import detect_bins
from pipeline.cli.options import ConfigOption, CsvOption, JsonOption, LimitOption, err, write_json, write_rows
from pipeline.cli.service import stop_on_signal
from pipeline.cli.waiting import waiting_for
from pipeline.errors import InputError, NotFoundError, SettingsError, StoreBlocked, StoreBusy, Unavailable
from pipeline.logs import configure
from pipeline.records import to_json
from pipeline.settings import Settings, load

if TYPE_CHECKING:
    from consumers.detect import Detection
    from pipeline.records import Rejected
    from producers.kafka import Publisher

DEFAULT_STORE = "elasticsearch://127.0.0.1:9200"
RATE = 4.0  # synthetic posts per topic and five minutes
POSTS_A_DAY = 6_000  # of all synthetic topics at that rate, rounded down
TICK_SECONDS = 1.0
PUMP_SECONDS = 0.1
STUCK_SECONDS = 60.0  # without a sign of life: /health says so

StreamStoreOption = Annotated[
    str | None, typer.Option("--store", help=f"Store to use. Default: the settings, else {DEFAULT_STORE}.", show_default=False)
]
HealthPortOption = Annotated[int, typer.Option("--health-port", min=0, max=65535, help="Port of /health and /metrics; 0: any free one.")]
AliveOption = Annotated[
    int | None, typer.Option("--health-port", min=1, max=65535, help="Answer /health on this port.", show_default=False)
]
HealthHostOption = Annotated[str, typer.Option("--health-host", help="Address of /health and /metrics.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("produce")(produce)
    app.command("worker")(worker)
    app.command("detect")(detect)
    dlq = typer.Typer(no_args_is_help=True, help="Dead letters: records that could not be processed, with their reasons.")
    dlq.command("list")(dlq_list)
    dlq.command("show")(dlq_show)
    dlq.command("replay")(dlq_replay)
    dlq.command("erase")(dlq_erase)
    dlq.command("purge")(dlq_purge)
    app.add_typer(dlq, name="dlq")


# ------------------------------------------------------------ produce


def produce(
    files: Annotated[list[Path] | None, typer.Argument(help="NDJSON files of posts; - is standard input.", show_default=False)] = None,
    source: Annotated[str | None, typer.Option("--source", help="synthetic: the seeded generator.", show_default=False)] = None,
    count: Annotated[int | None, typer.Option("--count", min=1, help="End after so many posts. Default: go on for ever.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the synthetic source.")] = 1,
    health_port: AliveOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish posts to Kafka; each is acknowledged by all replicas or lies in the spill file at the end."""
    settings = load(Path(config) if config else None)
    configure(settings.log_level)
    if bool(files) == (source is not None):
        raise InputError("give NDJSON files (- is standard input), or --source synthetic")
    if source not in (None, "synthetic"):
        raise NotFoundError.of("source", str(source), ["synthetic"])
    for file in files or ():
        if str(file) != "-" and not file.is_file():
            raise InputError(f"{file}: no such file")
    with stop_on_signal() as stopping:
        lines = _file_lines(files or [], settings) if files else _synthetic(seed, count, stopping)
        publisher = _publisher(settings, stopping)
        taken = 0
        try:
            with _health(health_port, lambda: publisher.waiting_seconds() < STUCK_SECONDS):
                taken = _publish(publisher, islice(lines, count), stopping)
        finally:
            spilled = publisher.close()
    told = {"taken": taken, "acknowledged": publisher.acknowledged, "spilled": spilled}
    if as_json:
        write_json(told)
    else:
        err.print(f"{publisher.acknowledged} posts acknowledged by the broker")
    if spilled:
        raise Unavailable(f"{spilled} posts were not acknowledged; they are in {settings.kafka.spill_file} and go out at the next start")


def _publisher(settings: Settings, stopping: threading.Event) -> Publisher:
    from producers.kafka import Publisher
    from producers.kafka_admin import prepare_topics

    def connect() -> Publisher:
        return Publisher(settings.kafka, prepare_topics(settings.kafka))

    return waiting_for(connect, "Kafka", settings.kafka.wait_seconds, stopping)


def _publish(publisher: Publisher, lines: Iterable[tuple[str, bytes]], stopping: threading.Event) -> int:
    """Publish in this thread while another sends what gets old; how many."""
    ended = threading.Event()

    def pump() -> None:
        while not ended.wait(PUMP_SECONDS):
            publisher.pump()

    pumping = threading.Thread(target=pump, name="pump", daemon=True)
    pumping.start()
    taken = 0
    try:
        for identity, line in lines:
            publisher.publish_line(identity, line)
            taken += 1
            if stopping.is_set():
                break
    finally:
        ended.set()
        pumping.join()
    return taken


def _file_lines(files: list[Path], settings: Settings) -> Iterator[tuple[str, bytes]]:
    from producers.kafka import identity_of, json_lines

    for file in files:
        for line in json_lines(Path("/dev/stdin") if str(file) == "-" else file, settings.limits.record_bytes):
            if line.strip():
                yield identity_of(line), line


def _synthetic(seed: int, count: int | None, stopping: threading.Event) -> Iterator[tuple[str, bytes]]:
    """With a count: a past of so many posts that ends now. Without: live, for ever."""
    import orjson

    from pipeline.records import post_to_json
    from producers.synthetic import Synthetic, latest

    feed = Synthetic(seed, rate=RATE)
    begin = now = wiring.wall_clock()
    arrivals = latest(feed, count, now, POSTS_A_DAY) if count else iter(())
    while not stopping.is_set():
        for arrival in arrivals:
            yield arrival.post.id, orjson.dumps(post_to_json(arrival.post) | {"topics": [arrival.topic]})
        if count:
            return
        stopping.wait(TICK_SECONDS)
        begin, now = now, wiring.wall_clock()
        arrivals = feed.arriving(begin, now)


# ------------------------------------------------------------ worker


def worker(
    store: StreamStoreOption = None,
    config: ConfigOption = None,
    supervise: Annotated[bool, typer.Option("--supervise", help="Start it again when it ends, kill it when it stops working.")] = False,
    health_port: HealthPortOption = 0,
    health_host: HealthHostOption = "127.0.0.1",
) -> None:
    """Take posts from Kafka, score and store them. Start as many as the topic has partitions."""
    settings = _stream_settings(store, config)
    configure(settings.log_level)
    if supervise:
        _supervise(settings, config, health_port, health_host)
    else:
        _work(settings, health_port, health_host)


def _work(settings: Settings, health_port: int, health_host: str) -> None:
    from consumers import app as worker_app
    from consumers.health import HealthServer, Pulse, watch
    from consumers.worker import Work
    from pipeline.metrics import WorkerMetrics
    from producers.kafka_admin import GroupView, LetterTopic, prepare_topics

    waiting = threading.Event()
    partitions = waiting_for(lambda: prepare_topics(settings.kafka), "Kafka", settings.kafka.wait_seconds, waiting)
    store = waiting_for(lambda: wiring.store(settings), "the store", settings.kafka.wait_seconds, waiting)
    metrics, ended = WorkerMetrics(), threading.Event()
    letters, view = LetterTopic(settings.kafka), GroupView(settings.kafka)
    work = Work(wiring.context(settings, store=store), store, letters, wiring.wall_clock, metrics)
    faust_app = worker_app.build(settings.kafka, work, partitions)
    pulse = Pulse(wiring.monotonic)
    looks = (pulse, view.progress, lambda: worker_app.assigned(faust_app), ended, metrics.report_lag)
    threading.Thread(target=watch, args=looks, daemon=True).start()
    server = HealthServer(health_host, health_port, lambda: pulse.health(work.state), metrics.registry)
    try:
        worker_app.run(faust_app, work, settings.log_level)
    finally:
        ended.set()
        server.close()
        letters.close()
        store.close()


def _supervise(settings: Settings, config: str | None, health_port: int, health_host: str) -> None:
    from consumers.supervise import Supervisor, healthy_at

    port = health_port or _free_port()
    command = [
        sys.executable,
        "-m",
        "pipeline",
        "worker",
        "--store",
        settings.store,
        "--health-port",
        str(port),
        "--health-host",
        health_host,
    ]
    command += ["--config", config] if config else []
    host = "127.0.0.1" if health_host == "0.0.0.0" else health_host  # noqa: S104  # the address to ask, not to bind
    with stop_on_signal() as stopping:
        code = Supervisor(command, lambda: healthy_at(f"http://{host}:{port}/health"), stopping).run()
    if code:
        raise typer.Exit(code)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ------------------------------------------------------------ detect


def detect(
    store: StreamStoreOption = None,
    config: ConfigOption = None,
    health_port: AliveOption = None,
    bins: Annotated[Path | None, typer.Option("--bins", help="Instead of a store: CSV of topic,start,n,negative. Nothing is sent.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="With --bins: file for the incidents, one JSON object a line.")] = None,
) -> None:
    """Look for incidents in the bins of an Elasticsearch store and send messages. Of several such processes one works."""
    if bins is not None:
        detect_bins(bins, out, config)
        return
    settings = _stream_settings(store, config)
    configure(settings.log_level)
    if not settings.store.startswith(wiring.ELASTIC):
        raise SettingsError(f"detect works on an elasticsearch:// store; `moodstream run` detects by itself on {settings.store}")
    with stop_on_signal() as stopping:
        opened = waiting_for(lambda: wiring.store(settings), "the store", settings.kafka.wait_seconds, stopping)
        detection = wiring.detection(settings, opened, f"{socket.gethostname()}:{os.getpid()}")
        ticked = wiring.monotonic()
        try:
            with _health(health_port, lambda: wiring.monotonic() - ticked < STUCK_SECONDS):
                while not stopping.wait(TICK_SECONDS):
                    ticked = wiring.monotonic() if _tick(detection) else ticked
            detection.release()
        finally:
            opened.close()


def _tick(detection: Detection) -> bool:
    """Whether the store could be used."""
    try:
        detection.tick(wiring.wall_clock())
    except (StoreBusy, StoreBlocked) as error:
        err.print(f"the store can't be used now, tried again: {error}", soft_wrap=True)
        return False
    return True


# ------------------------------------------------------------ dead letters


def dlq_list(limit: LimitOption = 20, config: ConfigOption = None, as_json: JsonOption = False, as_csv: CsvOption = False) -> None:
    """The newest dead letters, by offset."""
    rows = [{"offset": offset, **_letter(letter)} for offset, letter in list(_letters(config).read())[-limit:]]
    if as_json:
        write_json(rows)
    else:
        write_rows(rows, ["offset", "at", "where", "reason"], as_csv=as_csv)


def dlq_show(offset: Annotated[int, typer.Argument(help="From `dlq list`.")], config: ConfigOption = None) -> None:
    """The bytes of one dead letter, as they came, on standard output."""
    sys.stdout.buffer.write(_letter_at(config, offset).raw + b"\n")


def dlq_replay(
    offset: Annotated[int | None, typer.Argument(help="One letter; without it all of them.", show_default=False)] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send dead letters through the stream again, e.g. after a repair; the letters stay until `dlq purge`."""
    from producers.kafka import identity_of

    letters = [_letter_at(config, offset)] if offset is not None else [letter for _, letter in _letters(config).read()]
    with stop_on_signal() as stopping:
        publisher = _publisher(load(Path(config) if config else None), stopping)
        try:
            for letter in letters:
                publisher.publish_line(identity_of(letter.raw), letter.raw)
        finally:
            spilled = publisher.close()
    if as_json:
        write_json({"replayed": len(letters), "spilled": spilled})
        return
    err.print(f"{len(letters)} sent again" + (f", {spilled} of their posts wait in the spill file" if spilled else ""))


def dlq_erase(
    post: Annotated[str, typer.Argument(metavar="PLATFORM:POST_ID", help="The post's identity.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget the dead letters that hold one post; the others stay. `moodstream erase` does the same for the store."""
    erased = _letters(config).erase(post)
    if as_json:
        write_json({"id": post, "erased": erased})
    else:
        err.print(f"{erased} dead letters of this post removed")


def dlq_purge(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Forget all dead letters."""
    purged = _letters(config).purge()
    if as_json:
        write_json({"purged": purged})
    else:
        err.print(f"{purged} dead letters removed")


def _letters(config: str | None) -> Any:
    from producers.kafka_admin import LetterTopic

    return LetterTopic(load(Path(config) if config else None).kafka)


def _letter_at(config: str | None, offset: int) -> Rejected:
    for number, letter in _letters(config).read():
        if number == offset:
            return letter  # type: ignore[no-any-return]
    raise NotFoundError(f"no dead letter has offset {offset}; `moodstream dlq list` shows them")


def _letter(letter: Rejected) -> dict[str, Any]:
    return to_json(letter)


# ------------------------------------------------------------ shared


@contextmanager
def _health(port: int | None, alive: Callable[[], bool]) -> Iterator[None]:
    """Answer /health while the block runs, if a port is given."""
    if port is None:
        yield
        return
    from prometheus_client import CollectorRegistry

    from consumers.health import HealthServer

    server = HealthServer("127.0.0.1", port, lambda: {"ok": alive()}, CollectorRegistry())
    try:
        yield
    finally:
        server.close()


def _stream_settings(store: str | None, config: str | None) -> Settings:
    """The settings, with Elasticsearch on this machine where no store is named."""
    settings = load(Path(config) if config else None, {"store": store})
    if settings.origins["store"] == "default":
        settings = load(Path(config) if config else None, {"store": DEFAULT_STORE})
    return settings
