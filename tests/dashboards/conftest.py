"""A seeded store and the application over it; time stands still at seeded.NOW."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dashboards_visitor import Visitor, app_over
from seeded import NOW, seeded_store

from consumers.stores.sqlite import SqliteStore


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteStore]:
    """Half a day of six topics with an open incident; tests only read it."""
    opened = seeded_store(tmp_path_factory.mktemp("store") / "seeded.db", days=0.5, rate=3.0)
    yield opened
    opened.close()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[SqliteStore]:
    """A store without a topic."""
    opened = SqliteStore.open(tmp_path / "empty.db", now=lambda: NOW)
    yield opened
    opened.close()


@pytest.fixture
def visitor(store: SqliteStore) -> Visitor:
    """A visitor on this machine."""
    return Visitor(app_over(store))
