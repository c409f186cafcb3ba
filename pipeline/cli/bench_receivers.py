"""`moodstream bench receivers`: does a receiver that hangs or fails slow the pipeline down?"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.progress import track

from pipeline import wiring
from pipeline.cli.bench_local import START, machine
from pipeline.cli.options import JsonOption, err, write_json, write_rows
from pipeline.errors import InputError
from pipeline.logs import configure
from pipeline.notify import Outbox, message_id
from pipeline.records import Incident, Notification, Post
from pipeline.settings import Settings

WAYS = {"answers": 200, "answers 500": 500, "hangs": 0}
WAITING = 20  # messages in the outbox at the start


def register(bench: typer.Typer) -> None:
    """Add the command of this file."""
    bench.command("receivers")(receivers)


def receivers(
    posts: Annotated[int, typer.Option("--posts", min=1_000, help="Distinct posts of one measurement.")] = 40_000,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Measurements of each kind of receiver, in turn.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Posts a second of the embedded service while the only receiver answers, answers 500, or hangs, with messages waiting for it."""
    from producers.subjects import demo_topics
    from producers.synthetic import distinct_posts

    settings = Settings(topics=demo_topics(), model="static")
    configure("error")
    known = list(distinct_posts(1, posts, START))
    found: dict[str, list[tuple[float, int]]] = {way: [] for way in WAYS}
    _once(settings, known[:1_000], 200)  # loads the model and the plug-ins
    for way in track([*WAYS] * rounds, "measuring", console=err):
        found[way].append(_once(settings, known, WAYS[way]))
    speeds = {way: median(posts / seconds for seconds, _ in runs) for way, runs in found.items()}
    rows = [
        {
            "receiver": way,
            "posts/s": round(speed),
            "beside one that answers": round(speed / speeds["answers"], 3),
            "messages tried": sum(tried for _, tried in found[way]),
        }
        for way, speed in speeds.items()
    ]
    if as_json:
        write_json({"machine": machine(), "posts": posts, "rounds": rounds, "rows": rows})
    else:
        write_rows(rows, list(rows[0]), as_csv=False, title=machine())


class _Site(ThreadingHTTPServer):
    """Answers with one status, or not at all (0) until it is closed."""

    daemon_threads = True

    def __init__(self, answer: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.tried = 0
        self.over = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        site = self.server
        assert isinstance(site, _Site)  # tells the type
        self.rfile.read(int(self.headers["Content-Length"]))
        site.tried += 1
        if not site.answer:
            site.over.wait(60)
            return
        self.send_response(site.answer)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def _site(answer: int) -> Iterator[_Site]:
    with _Site(answer) as site:
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield site
        site.over.set()
        site.shutdown()
        thread.join()


class _Given:
    """Posts that are there already, as a source."""

    name = "given"

    def __init__(self, posts: Sequence[Post]) -> None:
        self._posts = posts

    def read(self) -> Iterator[Post]:
        yield from self._posts


def _once(settings: Settings, posts: Sequence[Post], answer: int) -> tuple[float, int]:
    """Seconds until all posts are stored, and how many messages reached the receiver."""
    from consumers.local import Embedded
    from consumers.receivers import receiver
    from consumers.runner import Runner
    from pipeline.addresses import Allowed

    with tempfile.TemporaryDirectory(prefix="moodstream-bench-") as folder, _site(answer) as site:
        with closing(wiring.open_store(f"sqlite:///{Path(folder) / 'store.db'}")) as store:
            ops = receiver("ops", f"json://127.0.0.1:{site.server_address[1]}/", allowed=Allowed.of(["127.0.0.1"]))
            store.save(_incident(), _messages(wiring.wall_clock()))
            service = Embedded(store, wiring.context(settings), wiring.watch(settings, store), wiring.wall_clock)
            runner = Runner(
                service, [_Given(posts)], Outbox(store, [ops], WAITING), wiring.wall_clock, keep_days=4_000, batch_size=2_000,
                queue_posts=20_000, stopping=threading.Event(),
            )  # fmt: skip
            ended: list[float] = []
            begun = time.perf_counter()
            over = threading.Event()
            watching = threading.Thread(target=lambda: ended.append(_stored(service, len(posts), over)))
            watching.start()
            try:
                runner.run(once=True)
            finally:
                over.set()
                watching.join()
            if store.count() != len(posts):
                raise InputError(f"{store.count()} of {len(posts)} posts were stored: the measurement is void")
        return ended[0] - begun, site.tried


def _stored(service: Any, posts: int, over: threading.Event) -> float:
    """The moment when all posts are stored, or all is over."""
    while service.counters.stored < posts and not over.wait(0.01):
        pass
    return time.perf_counter()


def _incident() -> Incident:
    nothing: dict[str, float] = {}
    return Incident(
        id="bench", topic="bench", rule="share", severity="tone", state="open", onset=START, fired=START, closed=None, as_of=START,
        model=None, start=START, end=START, n=1.0, n_raw=1, share=0.5, low=0.0, high=1.0, expected=0.1, expected_low=0.0, expected_high=1.0,
        expected_n=1.0, volume_ratio=1.0, intensity=None, emotions=nothing, emotions_before=nothing, drivers=(), evidence=(),
        sentence="Half of one post.", timeline=(("open", START),),
    )  # fmt: skip


def _messages(now: int) -> list[Notification]:
    return [
        Notification(message_id("bench", f"opened {n}", "ops"), "bench", "opened", "ops", "bench: a subject", "bench: a body", now)
        for n in range(WAITING)
    ]
