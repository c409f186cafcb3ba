"""Real servers for the tests of this folder: one Kafka and one Elasticsearch per session, from jars, started when first asked for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from consumers.stores.elastic_client import Elastic, Op
from tools.stack import nodes

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is marked `live`, and skipped with the reason where Java or Maven is missing."""
    reason = nodes.missing()
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.live)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


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


_numbers = count()


@pytest.fixture
def prefix() -> str:
    """A name that no other test uses."""
    return f"t{next(_numbers)}"


def wipe(es: Elastic) -> None:
    """Remove every document of a store, but keep its indices: ten times as quick as making them again."""
    es.show("*", always=True)
    hits = es.scan("*", {"match_all": {}}, [{"_doc": "asc"}], source=False)
    es.settle([Op("delete", hit.index, hit.id) for hit in list(hits)])
    es.show("*")
