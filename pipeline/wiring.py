"""The composition root: settings in, running parts out. Besides the command line, the only place that sees all rooms."""

from __future__ import annotations

import gc
import hmac
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import NotFoundError, SettingsError, StoreBusy, Unavailable
from pipeline.records import DAY, HOUR, MINUTE
from pipeline.rule_settings import rule_of
from pipeline.settings import ElasticsearchSettings, ReceiverSettings, Settings, SourceSettings, TopicSettings, load

if TYPE_CHECKING:
    import socket

    from fastapi import FastAPI

    from consumers.detect import Detection
    from dashboards.shapes import Verification
    from pipeline.backtested import Backtest
    from pipeline.confusion import Confusion
    from pipeline.links import Signer
    from pipeline.maintenance import Weekly
    from pipeline.ports import Classifier, Receiver, Source, Store
    from pipeline.quiet import Hours
    from pipeline.records import Explanation
    from pipeline.stages import Context
    from pipeline.watch import Watch, WatchConfig

Clock = Callable[[], int]
SQLITE = "sqlite:///"
# A dictionary of their texts would save these engines less than it costs.
_FASTER_THAN_MEMORY = ("static@", "vader@")
ELASTIC = ("elasticsearch://", "elasticsearchs://")


def wall_clock() -> int:
    """Milliseconds since the epoch, now."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Seconds on a clock that never goes back."""
    return time.monotonic()


def store(settings: Settings, now: Clock = wall_clock, *, must_exist: bool = False) -> Store:
    """The store that the settings name, with their credentials; errors as of `open_store`."""
    return open_store(settings.store, now, must_exist=must_exist, server=settings.elasticsearch)


def open_store(url: str, now: Clock = wall_clock, *, must_exist: bool = False, server: ElasticsearchSettings | None = None) -> Store:
    """The store behind a URL: `sqlite:///relative.db`, `sqlite:////absolute.db`, `elasticsearch://HOST:PORT`.

    `server` has the credentials for the last kind; none if it is not given. Raises SettingsError for another kind of URL, NotFoundError
    if it must exist and doesn't, StoreError if it can't be used.
    """
    if url.startswith(ELASTIC):
        from consumers.stores.elastic import ElasticStore

        return ElasticStore.open(url, server or ElasticsearchSettings(), now=now)
    path = store_path(url)
    if must_exist and not path.exists():
        raise NotFoundError(f"no store at {path}; `moodstream run`, `demo` or `ingest` make one, --store URL names another")
    from consumers.stores.sqlite import SqliteStore

    return SqliteStore.open(path, now=now)


def scrub(opened: Store) -> None:
    """Rewrite the file of a SQLite store without what was erased; SettingsError for a store on a server, which does so by itself."""
    from consumers.stores.sqlite import SqliteStore

    if not isinstance(opened, SqliteStore):
        raise SettingsError("only a sqlite:/// store is a file to rewrite; Elasticsearch drops deleted documents when it merges segments")
    opened.scrub()


def store_path(url: str) -> Path:
    """The file of a `sqlite:///` URL; SettingsError for anything else."""
    if not url.startswith(SQLITE) or len(url) == len(SQLITE):
        raise SettingsError(
            f"store {url!r} can't be used: write sqlite:///FILE, e.g. sqlite:///moodstream.db, or elasticsearch://HOST:PORT"
        )
    return Path(url.removeprefix(SQLITE))


def author_key(settings: Settings) -> bytes:
    """The key of the author hashes: from the settings, else made once and kept beside the store, readable by its owner only.

    For a store on a server the file is ./moodstream.key; workers on several machines need the same key in MOODSTREAM_AUTHOR_KEY.
    """
    if settings.author_key is not None:
        return settings.author_key.get_secret_value().encode()
    on_server = settings.store.startswith(ELASTIC)
    file = Path("moodstream.key") if on_server else store_path(settings.store).with_suffix(".key")
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return bytes.fromhex(file.read_text(encoding="ascii").strip())
    except OSError as error:
        raise SettingsError(f"can't keep the key of the author hashes at {file}: {error.strerror}; set MOODSTREAM_AUTHOR_KEY") from None
    key = secrets.token_bytes(32)
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write(key.hex())
    return key


def classifier(settings: Settings) -> Classifier:
    """The model that the settings name, with a memory for texts that come again. Raises ModelError."""
    found = _loaded(settings)
    if settings.limits.remembered_texts == 0 or found.name.startswith(_FASTER_THAN_MEMORY):
        return found
    from models.remembered import Remembered

    return Remembered(found, settings.limits.remembered_texts)


def _loaded(settings: Settings) -> Classifier:
    import models

    label_map = None
    if settings.label_map is not None:
        from models.hub import read_label_map

        label_map = read_label_map(settings.label_map)
    return models.load(_named_model(settings) or settings.model, settings.batch_size, settings.device, label_map)


def model_of(name: str) -> Classifier:
    """What a command's `--model` means with the settings of this folder: tuned models by their names too. Raises ModelError."""
    return _loaded(load(overrides={"model": name}))


def _named_model(settings: Settings) -> str | None:
    """The folder of the tuned model that the setting `model` names, or that is in use where it is auto; None if it is another."""
    from models.named import AUTO, Named

    named = Named(settings.models_folder)
    name = named.current() if settings.model == AUTO else settings.model
    return str(named.path(name)) if name is not None and (settings.model == AUTO or name in named.names()) else None


def model_choice(settings: Settings) -> str:
    """Which engine the settings' model is on this machine, and why."""
    import models

    if settings.model != "auto":
        return "named by the setting `model`"
    if (tuned := _named_model(settings)) is not None:
        return f"the tuned model in {tuned} is in use; back: moodstream models rollback"
    choice = models.choose(settings.device)
    return f"auto is {choice.name}: {choice.why}"


def tune() -> None:
    """Set up this process for streams of posts; call it when what lives long is loaded.

    numpy's BLAS gets one thread: a second one spins while it waits, which took half of all CPU time (327 µs a post end to end with two,
    149 µs with one). The collector of cycles looks less often, as posts and scores have none (170 µs a post, 140 µs without it).
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1, user_api="blas")
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def context(
    settings: Settings, topics: Sequence[TopicSettings] | None = None, *, model: Classifier | None = None, store: Store | None = None
) -> Context:
    """What the stages need: topics, model, limits, key. The `store` that the scores go to is told what the model confuses."""
    from pipeline.stages import Context
    from pipeline.topics import Matcher

    chosen = settings.topics if topics is None else tuple(topics)
    made = Context(
        matcher=Matcher(chosen),
        classifier=model or classifier(settings),
        author_key=author_key(settings),
        limits=settings.limits,
    )
    if store is not None:
        tell_confusion(store, made.classifier)
    tune()
    return made


def tell_confusion(store: Store, model: Classifier, measured: Confusion | None = None) -> None:
    """Keep what a model confuses in the store, so that whoever reads its scores can estimate shares without the model.

    `measured`: on texts like those of the store, instead of the constants in the checkpoint, which are of GoEmotions.
    """
    from models.calibrate import confusion_of
    from pipeline.confusion import state_name, to_state

    found = measured or confusion_of(model)
    # A store that is too busy just now is told at the next start; until then it shows shares without an estimate.
    with suppress(StoreBusy):
        if found is not None and store.confusion(model.name) != found:
            store.save_state(state_name(model.name), to_state(found))


def sources(settings: Settings, clock: Clock, wait: Callable[[float], bool]) -> list[Source]:
    """What `run` reads, in the order of the settings. InputError for a column map that names no field."""
    return [_source(one, settings, clock, wait) for one in settings.sources]


def _source(one: SourceSettings, settings: Settings, clock: Clock, wait: Callable[[float], bool]) -> Source:
    if one.kind == "file":
        from producers.files import FileSource, Layout

        return FileSource(Path(one.path), Layout(one.platform, one.columns), now=clock, limits=settings.limits)
    from producers.paced import Paced
    from producers.synthetic import Synthetic

    return Paced(Synthetic(one.seed), clock, wait)


def watch_config(settings: Settings) -> WatchConfig:
    """When bins close and when the detector fires, from the settings."""
    from pipeline.detector import DetectorConfig
    from pipeline.watch import WatchConfig

    chosen = settings.detector
    added = tuple((topic.name, topic.sensitivity) for topic in settings.topics if topic.sensitivity)
    detector = replace(DetectorConfig(), threshold=chosen.threshold, sensitivity=added)
    rules = tuple(map(rule_of, settings.rules))
    return WatchConfig(int(chosen.lateness_minutes * MINUTE), detector=detector, rules=rules, maintenance=weekly_maintenance(settings))


def weekly_maintenance(settings: Settings) -> tuple[Weekly, ...]:
    """The windows of the settings in which nobody is told."""
    from pipeline.maintenance import Weekly
    from pipeline.quiet import hours

    spans = [(one, hours(one.hours, one.timezone)) for one in settings.maintenance]
    return tuple(Weekly(one.name, span, frozenset(one.days), frozenset(one.topics)) for one, span in spans if span)


def link_signer(settings: Settings) -> Signer | None:
    """Who signs the links that acknowledge and snooze, by the installation's key; None while the page has no public address."""
    from pipeline.links import Signer

    if settings.web.public_url is None:
        return None
    key = hmac.new(author_key(settings), b"moodstream links", "sha256").digest()
    return Signer(settings.web.public_url, key, int(settings.web.link_hours * HOUR))


def watch(settings: Settings, store: Store, *, tell: bool = True) -> Watch:
    """The tick over a store, with the receivers of the settings, or with none if nobody is to be told."""
    from pipeline.notify import Subscription
    from pipeline.watch import Watch

    wanted = [Subscription(r.name, frozenset(r.topics), frozenset(r.severities)) for r in settings.receivers if tell]
    return Watch(store, wanted, watch_config(settings), settings.web.public_url, link_signer(settings))


def detection(settings: Settings, store: Store, holder: str) -> Detection:
    """The detector process over a shared store."""
    from consumers.detect import Detection
    from consumers.stores.elastic import ElasticStore
    from pipeline.notify import Outbox

    if not isinstance(store, ElasticStore):
        raise SettingsError("several processes can share an elasticsearch:// store only")
    outbox = Outbox(store, receivers(settings), settings.detector.daily_cap, hours=told_hours(settings))
    return Detection(store, store, lambda: watch(settings, store), outbox, holder, settings.retention.posts_days)


def stream_progress(settings: Settings) -> str:
    """How far the workers are, and how long Kafka keeps posts. Raises Unavailable; SettingsError if it keeps them for ever."""
    from producers.kafka_admin import GroupView, kept_ms

    view = GroupView(settings.kafka)
    try:
        places = view.progress()
    finally:
        view.close()
    if not places:
        return f"{settings.kafka.bootstrap} answers; the topic {settings.kafka.topic} is made by the first producer or worker"
    lag = sum(place.lag for place in places)
    kept = kept_ms(settings.kafka)
    if kept is None:
        name = settings.kafka.topic
        raise SettingsError(f"{name} keeps its records for ever, erased posts too; set its retention.ms, such as 604800000 for a week")
    return (
        f"{settings.kafka.topic}: {len(places)} partitions, {sum(place.end for place in places):,} records, {lag:,} not yet processed;"
        f" kept for {kept / DAY:g} days"
    )


def receivers(settings: Settings) -> list[Receiver]:
    """Who is told. SettingsError for a URL that no adapter knows."""
    return [_receiver(settings, found) for found in settings.receivers]


def _receiver(settings: Settings, found: ReceiverSettings) -> Receiver:
    from consumers.receivers import receiver
    from pipeline.addresses import Allowed

    secret = found.secret.get_secret_value() if found.secret else None
    if found.secret_file:
        try:
            secret = found.secret_file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise SettingsError(f"receiver {found.name!r}: its secret_file can't be read: {error}") from None
    return receiver(
        found.name, found.url.get_secret_value(), secret=secret, allowed=Allowed.of(settings.outgoing.allowed),
        template=None if found.template == "auto" else found.template, quotes=found.quotes,
    )  # fmt: skip


def told_hours(settings: Settings) -> dict[str, Hours]:
    """When each receiver may be told; those without an entry at any time."""
    from pipeline.quiet import hours

    spans = {r.name: hours(r.hours, r.timezone) for r in settings.receivers}
    return {name: span for name, span in spans.items() if span is not None}


def receiver_named(settings: Settings, name: str) -> Receiver:
    """One receiver, whatever is wrong with the others. NotFoundError for a name that the settings don't have; SettingsError for its URL."""
    for found in settings.receivers:
        if found.name == name:
            return _receiver(settings, found)
    raise NotFoundError.of("receiver", name, [r.name for r in settings.receivers])


def page(settings: Settings, store: Store, clock: Clock, status: Callable[[], Mapping[str, object]]) -> FastAPI:
    """The page and its API over a store."""
    from dashboards.acting import Deeds
    from dashboards.shapes import Verification
    from dashboards.web import create_app
    from pipeline.verify import verify

    def check(incident_id: str) -> Verification:
        return Verification.model_validate(verify(store, store.incident(incident_id)), from_attributes=True)

    def rehearse(topic: str, since: int, rule: str) -> Backtest:
        from pipeline.backtest import backtest

        chosen = watch_config(settings)
        return backtest(store, topic, since, chosen.detector, rule, rules=chosen.rules)

    return create_app(
        store,
        settings.web,
        clock=clock,
        status=status,
        verify=check,
        version=version("moodstream"),
        explain=explainer(settings),
        backtest=rehearse,
        rules=[rule.name for rule in settings.rules],
        deeds=Deeds(store, clock, link_signer(settings)),
    )


def explainer(settings: Settings) -> Callable[[str, str | None], Explanation]:
    """Which words carry the score of a text, by the settings' model; it is loaded when somebody first asks."""
    from pipeline.text import clean

    lock = threading.Lock()
    loaded: list[Classifier] = []

    def explain(text: str, what: str | None) -> Explanation:
        from models.explain import explain as explained

        with lock:  # one at a time: an explanation costs as much as scoring 200 texts
            if not loaded:
                loaded.append(_loaded(settings))
            return explained(loaded[0], clean(text, settings.limits.text_chars), what)

    return explain


@contextmanager
def serving(app: FastAPI, listener: socket.socket) -> Iterator[None]:
    """Serve `app` on a bound socket in a thread of its own, until the block ends."""
    from dashboards.server import PageServer

    server = PageServer(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="page", daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
        if not thread.is_alive():
            raise Unavailable("the page did not start; the reason is in the log")
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(5.0)
