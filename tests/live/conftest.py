"""Real servers for the tests of this folder: one Kafka and one Elasticsearch per session, from jars, started when first asked for."""

from __future__ import annotations

import gc
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import pytest

from consumers.detect import Detection
from consumers.stores.elastic import ElasticStore
from consumers.stores.elastic_client import Elastic, Op
from pipeline.errors import StoreError
from pipeline.notify import Outbox, Subscription
from pipeline.watch import Watch
from tools.stack import nodes
from tools.stack.harness import Rig, Verdict, WorkerProcess

HERE = Path(__file__).parent
# kafka-python leaves connections that were refused to the collector of cycles.
LEAK = "ignore:Exception ignored in. <(socket.socket|ssl.SSLSocket):pytest.PytestUnraisableExceptionWarning"
RECOVERED: list[tuple[str, float]] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is marked `live`, and skipped with the reason where Java or Maven is missing."""
    reason = nodes.missing()
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.live)
            item.add_marker(pytest.mark.filterwarnings(LEAK))
            if reason:
                item.add_marker(pytest.mark.skip(reason=f"unavailable: {reason}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How long each run took from its end, or from the end of its fault, until all was committed."""
    if RECOVERED:
        terminalreporter.section("seconds until all was committed")
    for name, seconds in RECOVERED:
        terminalreporter.write_line(f"{seconds:6.1f}  {name}")


@pytest.fixture(scope="session")
def node_folder() -> Iterator[Path]:
    """Where shared servers keep their data: in memory where there is such a place, for they wait for the disk at every write."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="moodstream-", dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def elastic_node(node_folder: Path) -> Iterator[nodes.ElasticNode]:
    """An Elasticsearch that all tests share: each uses a prefix of its own."""
    node = nodes.ElasticNode(node_folder / "elastic", settings={"action.destructive_requires_name": "false"})
    node.start()
    yield node
    node.stop()


@pytest.fixture(scope="session")
def kafka_node(node_folder: Path) -> Iterator[nodes.KafkaNode]:
    """A Kafka that all tests share: each uses topics of its own."""
    node = nodes.KafkaNode(node_folder / "kafka")
    node.start()
    yield node
    node.stop()


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What a test leaves to the collector goes while its warnings are still allowed."""
    yield
    gc.collect()


_numbers = count()


@pytest.fixture
def prefix() -> str:
    """A name that no other test uses."""
    return f"t{next(_numbers)}"


@pytest.fixture
def rig(
    request: pytest.FixtureRequest, prefix: str, kafka_node: nodes.KafkaNode, elastic_node: nodes.ElasticNode, tmp_path: Path
) -> Iterator[Rig]:
    """Topics, a group and a store of one test."""
    made = Rig(prefix, kafka_node.bootstrap, elastic_node.port, tmp_path)
    yield made
    RECOVERED.append((request.node.name, made.recovered))


@contextmanager
def working(rig: Rig, *, supervise: bool = True) -> Iterator[WorkerProcess]:
    """A worker that is gone when the test ends."""
    worker = rig.worker(supervise=supervise)
    try:
        yield worker
    finally:
        worker.kill()


class DetectorThread:
    """A detector that ticks each half second on the wall clock, as `moodstream detect` does."""

    def __init__(self, store: ElasticStore) -> None:
        self.ticks = 0
        self._failing_since: float | None = None
        self._stopping = threading.Event()
        self._detection = Detection(store, store, lambda: Watch(store, [Subscription("ops")]), Outbox(store, []), "live", keep_days=4_000)
        self._thread = threading.Thread(target=self._run)

    def failing_for(self) -> float:
        """Seconds since the store could last be used."""
        return 0.0 if self._failing_since is None else time.monotonic() - self._failing_since

    def _run(self) -> None:
        while not self._stopping.wait(0.5):
            try:
                self._detection.tick(int(time.time() * 1000))
            except StoreError:
                self._failing_since = self._failing_since or time.monotonic()
            else:
                self.ticks, self._failing_since = self.ticks + 1, None

    def __enter__(self) -> DetectorThread:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()


@contextmanager
def detecting(rig: Rig) -> Iterator[DetectorThread]:
    """A detector over the store of a run."""
    with closing(rig.store()) as store, DetectorThread(store) as detector:
        yield detector


def clean(rig: Rig) -> Verdict:
    """The verdict of a run without a fault's trace."""
    return Verdict(published=len(rig.sent), lost=0, duplicates=0, wrong=0, again=0)


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds. TimeoutError."""
    until = time.monotonic() + seconds
    never = threading.Event()
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"it did not happen within {seconds:.0f} s")
        never.wait(0.2)


def wipe(es: Elastic) -> None:
    """Remove every document of a store, but keep its indices: ten times as quick as making them again."""
    es.show("*", always=True)
    hits = es.scan("*", {"match_all": {}}, [{"_doc": "asc"}], source=False)
    es.settle([Op("delete", hit.index, hit.id) for hit in list(hits)])
    es.show("*")
