"""Elasticsearch keeps every promise of tests/contracts/test_store*.py: the same tests, on a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count

import pytest
from contracts.conftest import Clock
from contracts.test_store import *  # noqa: F403
from contracts.test_store_figures import *  # noqa: F403
from contracts.test_store_incidents import *  # noqa: F403
from contracts.test_store_search import *  # noqa: F403
from live.conftest import wipe

from consumers.stores.elastic import ElasticStore, connect
from pipeline.ports import Store
from pipeline.settings import ElasticsearchSettings
from tools.stack.nodes import ElasticNode

SETTINGS = ElasticsearchSettings(fresh_seconds=0, request_seconds=120)


def open_elastic(node: ElasticNode, prefix: str, clock: Clock) -> ElasticStore:
    """A store on the shared server."""
    return ElasticStore.open(f"elasticsearch://127.0.0.1:{node.port}/{prefix}", SETTINGS, now=clock)


@pytest.fixture
def clock() -> Clock:
    """The time that the store sees."""
    return Clock()


@pytest.fixture
def reopen(elastic_node: ElasticNode, prefix: str, clock: Clock) -> Iterator[Callable[[], Store]]:
    """Opens the test's store, as often as the test likes."""
    es = connect(f"elasticsearch://127.0.0.1:{elastic_node.port}/{prefix}", SETTINGS)
    with ExitStack() as stack:
        stack.callback(es.close)
        stack.callback(lambda: es.call("DELETE", f"/{es.index('*')}"))

        def opener() -> Store:
            store = open_elastic(elastic_node, prefix, clock)
            stack.callback(store.close)
            return store

        yield opener


@pytest.fixture
def store(reopen: Callable[[], Store]) -> Store:
    """An empty store."""
    return reopen()


@pytest.fixture
def new_store(elastic_node: ElasticNode, clock: Clock) -> Callable[[], Store]:
    """Makes a further empty store at each call; the caller closes it. Two at most are in use at once."""
    numbers = count()

    def make() -> Store:
        name = f"property{next(numbers) % 2}"
        es = connect(f"elasticsearch://127.0.0.1:{elastic_node.port}/{name}", SETTINGS)
        wipe(es)
        es.close()
        return open_elastic(elastic_node, name, clock)

    return make
