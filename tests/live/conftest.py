"""Real servers for the tests of this folder: one Kafka and one Elasticsearch per session, from jars, started when first asked for."""

from __future__ import annotations

import gc
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from consumers.stores.elastic_client import Elastic, Op
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
