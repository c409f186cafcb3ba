"""The detector process: the tick of pipeline.watch over a shared store, by the one that holds the lease, so that nobody is told twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import structlog

from pipeline.errors import StoreError
from pipeline.notify import Outbox
from pipeline.ports import Store
from pipeline.records import DAY
from pipeline.watch import Watch

log = structlog.get_logger()

LEASE = "detect"
LEASE_MS = 120_000  # a tick over a large backfill takes a while; after a crash another detector takes over this much later


class Leases(Protocol):
    """What a store for several processes offers besides the port."""

    def lease(self, name: str, holder: str, until: int) -> bool:
        """Take or prolong a lease till `until` (ms); False while somebody else holds it."""


class Detection:
    """One detector of several. A passive object: whoever calls `tick` owns the thread and the clock."""

    def __init__(self, store: Store, leases: Leases, watch: Callable[[], Watch], outbox: Outbox, holder: str, keep_days: int) -> None:
        """`watch` makes a fresh one, which reads its state from the store; `holder` is this process's name."""
        self._store = store
        self._leases = leases
        self._make_watch = watch
        self._outbox = outbox
        self._holder = holder
        self._keep_days = keep_days
        self._watch: Watch | None = None
        self._expired_on = -1

    def tick(self, now: int) -> bool:
        """Recompute, detect, deliver, and once a day expire; False while another process does it. Raises StoreError."""
        try:
            return self._tick(now)
        except StoreError:
            if self._watch is not None:
                self._watch.store_failed(now)
                self._watch.warn(now, self._outbox.send_at_once)
            raise

    def _tick(self, now: int) -> bool:
        if not self._leases.lease(LEASE, self._holder, now + LEASE_MS):
            self._watch = None
            return False
        if self._watch is None:
            log.info("this process detects", holder=self._holder)
            self._watch = self._make_watch()
        self._watch.tick(now)
        self._outbox.deliver_due(now)
        if now // DAY != self._expired_on:
            self._store.expire((now // DAY - self._keep_days) * DAY)
            self._expired_on = now // DAY
        return True

    def release(self) -> None:
        """Let another process take over at once."""
        self._leases.lease(LEASE, self._holder, 0)
