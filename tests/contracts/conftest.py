"""The adapters that each contract suite runs on: add one here and every promise is tested on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from contracts.store_samples import Clock

from consumers.stores.sqlite import SqliteStore
from pipeline.ports import Store

Opener = Callable[[Path, Clock], Store]


def open_sqlite(folder: Path, clock: Clock) -> Store:
    """A store in a file of the folder; the same file each time."""
    return SqliteStore.open(folder / "store.db", now=clock)


ADAPTERS: dict[str, Opener] = {"sqlite": open_sqlite}


@pytest.fixture
def clock() -> Clock:
    """The time that the store sees."""
    return Clock()


@pytest.fixture(params=sorted(ADAPTERS))
def reopen(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Callable[[], Store]]:
    """Opens the test's store, as often as the test likes."""
    with ExitStack() as stack:

        def opener() -> Store:
            store = ADAPTERS[request.param](tmp_path / "store", clock)
            stack.callback(store.close)
            return store

        yield opener


@pytest.fixture
def store(reopen: Callable[[], Store]) -> Store:
    """An empty store."""
    return reopen()


@pytest.fixture(params=sorted(ADAPTERS))
def new_store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Callable[[], Store]:
    """Makes a further empty store at each call; the caller closes it (for property tests, which need many)."""
    numbers = count()
    return lambda: ADAPTERS[request.param](tmp_path / f"store-{next(numbers)}", clock)
