"""The detector process: one of several works, another takes over, and retention runs once a day."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from contracts.store_samples import T0, incident, message, scored

from consumers.detect import LEASE_MS, Detection
from consumers.stores.sqlite import SqliteStore
from pipeline.notify import Outbox
from pipeline.ports import Notification
from pipeline.records import DAY
from pipeline.watch import Watch


class Leases:
    """A lease in memory, as a shared store keeps it."""

    def __init__(self) -> None:
        self.holder, self.until, self.now = "", 0, T0

    def lease(self, name: str, holder: str, until: int) -> bool:
        """Take or prolong it."""
        if self.holder not in ("", holder) and self.until > self.now:
            return False
        self.holder, self.until = holder, until
        return True


class Memory:
    """A receiver that remembers."""

    name = "terminal"

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, message: Notification, incident: object) -> None:
        """Note the message."""
        self.sent.append(message.id)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A store in a file."""
    opened = SqliteStore(tmp_path / "store.db", now=lambda: T0)
    yield opened
    opened.close()


def detection(store: SqliteStore, leases: Leases, memory: Memory, holder: str, keep_days: int = 400) -> Detection:
    """A detector of that name."""
    return Detection(store, leases, lambda: Watch(store), Outbox(store, [memory]), holder, keep_days)


def test_one_of_two_works_and_delivers(store: SqliteStore) -> None:
    """The other one waits; a message goes out once."""
    leases, memory = Leases(), Memory()
    first, second = (detection(store, leases, memory, name) for name in ("a", "b"))
    store.save(incident(), [message()])
    assert (True, False, True) == (first.tick(T0 + 1), second.tick(T0 + 1), first.tick(T0 + 2))
    assert ["m1"] == memory.sent


def test_another_takes_over_when_the_first_is_gone(store: SqliteStore) -> None:
    """At once after a clean stop, else when the lease has run out."""
    leases, memory = Leases(), Memory()
    first, second = (detection(store, leases, memory, name) for name in ("a", "b"))
    assert (True, False) == (first.tick(T0), second.tick(T0))
    first.release()
    assert True is second.tick(T0)
    leases.now = T0 + LEASE_MS + 1
    assert True is first.tick(leases.now)


def test_old_posts_expire_once_a_day(store: SqliteStore) -> None:
    """By the retention that is set."""
    leases, memory = Leases(), Memory()
    store.write([scored(1), scored(2, created_at=T0 + 3 * DAY)])
    one = detection(store, leases, memory, "a", keep_days=2)
    one.tick(T0 + DAY)
    assert 2 == store.count()
    one.tick(T0 + 3 * DAY)
    assert 1 == store.count()
