"""The threads of the live service: everything a source gives is stored, a broken source ends it, receivers are served."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from stand_ins import FreeClassifier

from consumers.local import Embedded
from consumers.runner import Runner
from consumers.stores.sqlite import SqliteStore
from pipeline.errors import InputError
from pipeline.notify import Outbox, Subscription, messages
from pipeline.ports import Receiver, Source
from pipeline.records import Incident, Notification, Post, Rejected, to_ms
from pipeline.settings import LimitSettings, TopicSettings
from pipeline.stages import Context
from pipeline.topics import Matcher
from pipeline.watch import Watch

NOW = to_ms("2026-11-02T12:00:00Z")
INCIDENT = Incident(
    id="aa11", topic="tea", rule="share", severity="tone", state="open", onset=NOW, fired=NOW, closed=None, as_of=NOW, model=None,
    start=NOW, end=NOW, n=9.0, n_raw=9, share=0.6, low=0.3, high=0.8, expected=0.2, expected_low=0.1, expected_high=0.3, expected_n=9.0,
    volume_ratio=1.0, intensity=None, emotions={}, emotions_before={}, drivers=(), evidence=(), sentence="", timeline=(("open", NOW),),
)  # fmt: skip


class Listed:
    """A source that gives what it was given, then ends or breaks."""

    def __init__(self, posts: int, error: Exception | None = None) -> None:
        self.name = "listed"
        self._posts = posts
        self._error = error

    def read(self) -> Iterator[Post | Rejected]:
        for i in range(self._posts):
            yield Post("x", f"{id(self)}-{i}", NOW, f"tea number {i}", lang="en")
        if self._error:
            raise self._error


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "posts.db", now=lambda: NOW)


class Hanging:
    """A receiver that takes a message and does not come back until it is let go."""

    name = "ops"

    def __init__(self) -> None:
        self.entered, self.release = threading.Event(), threading.Event()

    def send(self, message: Notification, incident: object) -> None:
        self.entered.set()
        self.release.wait(60)


class Patient:
    """A source whose posts come while the receiver hangs; it lets it go when they are stored, or after a minute."""

    name = "patient"

    def __init__(self, store: SqliteStore, receiver: Hanging, posts: int) -> None:
        self._store, self._receiver, self._posts = store, receiver, posts
        self.stored = 0

    def read(self) -> Iterator[Post | Rejected]:
        assert self._receiver.entered.wait(60)
        for i in range(self._posts):
            yield Post("x", f"p{i}", NOW, f"tea number {i}", lang="en")
        for _ in range(6_000):
            self.stored = self._store.count()
            if self.stored == self._posts or self._receiver.release.wait(0.01):
                break
        self._receiver.release.set()


def runner(store: SqliteStore, sources: list[Source], queue_posts: int = 100, receivers: Sequence[Receiver] = ()) -> Runner:
    context = Context(Matcher([TopicSettings(name="tea", phrases=("tea",))]), FreeClassifier(), b"key", LimitSettings())
    service = Embedded(store, context, Watch(store), lambda: NOW)
    stopping = threading.Event()
    return Runner(
        service, sources, Outbox(store, receivers), lambda: NOW, keep_days=400, batch_size=64, queue_posts=queue_posts, stopping=stopping
    )  # fmt: skip


def test_all_posts_of_all_sources_are_stored(store: SqliteStore) -> None:
    """With a queue far smaller than the input, two sources that end have every post stored when `run` returns."""
    runner(store, [Listed(700), Listed(500)], queue_posts=10).run(once=True)
    assert 1200 == store.count("tea")


def test_a_source_that_breaks_ends_the_service_with_its_reason(store: SqliteStore) -> None:
    """What a source gave before it broke is stored, then its error comes out of `run`."""
    with pytest.raises(InputError, match="no such file"):
        runner(store, [Listed(20, InputError("no such file"))]).run(once=True)
    assert 20 == store.count()


def test_a_receiver_that_hangs_holds_up_nothing(store: SqliteStore) -> None:
    """While it has a message and does not come back, posts go on being taken and stored (row 19; its speed: `bench receivers`)."""
    store.save(INCIDENT, messages(INCIDENT, "opened", [Subscription("ops")], NOW))
    receiver = Hanging()
    source = Patient(store, receiver, 8 * 64)  # whole batches: the clock stands still
    runner(store, [source], receivers=[receiver]).run(once=True)
    assert 8 * 64 == source.stored
