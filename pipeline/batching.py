"""A batch that fills: a passive object that is asked whether it is ready. Whoever asks owns the threads, the clock and the offsets."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Batcher(Generic[T]):
    """Collects items until there are `count` of them, `size` bytes (or any unit that the caller adds up), or one is `age_ms` old."""

    def __init__(self, count: int, size: int, age_ms: int) -> None:
        self._count = count
        self._size = size
        self._age_ms = age_ms
        self._items: list[T] = []
        self._filled = 0
        self._oldest = 0

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: T, size: int, now: int) -> None:
        """Put one item in; `now` in ms."""
        if not self._items:
            self._oldest = now
        self._items.append(item)
        self._filled += size

    def ready(self, now: int) -> bool:
        """Whether the batch should be taken. An empty one never is."""
        if not self._items:
            return False
        return len(self._items) >= self._count or self._filled >= self._size or now - self._oldest >= self._age_ms

    def take(self) -> list[T]:
        """The items in the order in which they came; the batch is empty afterwards."""
        taken, self._items, self._filled = self._items, [], 0
        return taken
