"""The threads of the live service: everything a source gives is stored, a broken source ends it, receivers are served."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from stand_ins import FreeClassifier

from consumers.local import Embedded
from consumers.runner import Runner
from consumers.stores.sqlite import SqliteStore
from pipeline.errors import InputError
from pipeline.notify import Outbox
from pipeline.ports import Source
from pipeline.records import Post, Rejected, to_ms
from pipeline.settings import LimitSettings, TopicSettings
from pipeline.stages import Context
from pipeline.topics import Matcher
from pipeline.watch import Watch

NOW = to_ms("2026-11-02T12:00:00Z")


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


def runner(store: SqliteStore, sources: list[Source], queue_posts: int = 100) -> Runner:
    context = Context(Matcher([TopicSettings(name="tea", phrases=("tea",))]), FreeClassifier(), b"key", LimitSettings())
    service = Embedded(store, context, Watch(store), lambda: NOW)
    stopping = threading.Event()
    return Runner(
        service, sources, Outbox(store, []), lambda: NOW, keep_days=400, batch_size=64, queue_posts=queue_posts, stopping=stopping
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
