"""Records that can't be processed: kept with their bytes and a reason, up to a limit that stops the worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Protocol

from pipeline.errors import TooManyRejected
from pipeline.records import Rejected
from pipeline.settings import LimitSettings

WINDOW = 100  # batches over which the share of bad records is taken


class DeadLetters(Protocol):
    """Where dead letters go. `put` returns when they are durable, or raises Unavailable; repeating it is safe."""

    def put(self, letters: Sequence[Rejected]) -> None:
        """Keep letters."""

    def read(self) -> Iterator[tuple[int, Rejected]]:
        """(offset, letter), oldest first."""

    def purge(self) -> int:
        """Forget all; how many there were."""


class Limit:
    """The share of bad records among the last ones; over the limit something upstream is broken, and the worker must stop."""

    def __init__(self, settings: LimitSettings) -> None:
        self._settings = settings
        self._batches: deque[tuple[int, int]] = deque(maxlen=WINDOW)

    def count(self, rejected: int, read: int) -> None:
        """Count one batch. Raises TooManyRejected."""
        self._batches.append((rejected, read))
        bad, all_ = (sum(column) for column in zip(*self._batches, strict=True))
        if all_ >= self._settings.rejected_min and bad > self._settings.rejected_share * all_:
            raise TooManyRejected(
                f"{bad} of the last {all_} records could not be processed: a producer is broken, or writes something else. "
                "They are in the dead letters with their reasons (`moodstream dlq list`); limits.rejected_share sets the limit"
            )
