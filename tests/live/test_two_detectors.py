"""Two detectors over one Elasticsearch: the same incidents as over SQLite, told once, evidence that can be computed again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from contracts.conftest import Clock
from streams import START, Bench, stream

from consumers.detect import Detection
from consumers.stores.elastic import ElasticStore, connect
from pipeline.notify import Outbox, Subscription
from pipeline.ports import Notification
from pipeline.records import BIN, Incident
from pipeline.settings import ElasticsearchSettings
from pipeline.verify import verify
from pipeline.watch import Watch
from tools.stack.nodes import ElasticNode

pytestmark = pytest.mark.timeout(240)
SPIKE = {"tea": (40, 52)}
SOON = START + 37 * BIN
END = START + 56 * BIN
STEP = 2 * BIN


class Memory:
    """A receiver that remembers."""

    name = "ops"

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, message: Notification, incident: object) -> None:
        """Note the message."""
        self.sent.append(message.id)


@pytest.fixture
def clock() -> Clock:
    """The time that stores and detectors see."""
    return Clock()


@pytest.fixture
def stores(elastic_node: ElasticNode, prefix: str, clock: Clock) -> Iterator[list[ElasticStore]]:
    """Three processes' views of one store: a writer's and two detectors'."""
    url = f"elasticsearch://127.0.0.1:{elastic_node.port}/{prefix}"
    opened = [ElasticStore(connect(url, ElasticsearchSettings(request_seconds=120)), now=clock) for _ in range(3)]
    yield opened
    for store in opened:
        store.close()


def shown(incident: Incident) -> tuple[object, ...]:
    """What people are told of an incident."""
    return incident.id, incident.onset, incident.fired, incident.share, incident.n, incident.sentence, incident.evidence


def test_two_detectors_tell_a_story_once(stores: list[ElasticStore], clock: Clock, tmp_path: Path) -> None:
    """Whoever holds the lease works; one dies in the middle; incident and figures are those of SQLite, and verify finds them equal."""
    posts = stream(["tea", "coffee"], 56, SPIKE)
    with closing((alone := Bench(tmp_path)).store):
        alone.play(posts, END, STEP, SOON)
        (expected,) = [item for item in alone.store.incidents() if item.rule != "volume"]
    memory = Memory()
    writer, *views = stores
    detectors = [detector(view, memory, str(number)) for number, view in enumerate(views)]
    waiting = posts
    clock.now = START
    while clock.now < END:
        clock.now = min(END, max(SOON, clock.now + STEP))
        due = [item for item in waiting if item.ingested_at <= clock.now]
        waiting = waiting[len(due) :]
        writer.write(due)
        assert 1 == sum(one.tick(clock.now) for one in detectors)
        if clock.now >= START + 43 * BIN and len(detectors) == 2:
            detectors.pop(0)
    (found,) = [item for item in views[1].incidents() if item.rule != "volume"]
    assert shown(expected) == shown(found)
    assert 1 == len(memory.sent)
    assert "equal" == verify(writer, found).result


def detector(store: ElasticStore, memory: Memory, holder: str) -> Detection:
    """One of several processes."""
    return Detection(store, store, lambda: Watch(store, [Subscription("ops")]), Outbox(store, [memory]), holder, keep_days=400)
