"""Is a worker well? It is while its committed offsets move or nothing is left to do; /health and /metrics say so over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, generate_latest

STALL_SECONDS = 60.0
LOOK_SECONDS = 5.0
IDLE_LOOKS = 6  # without a partition, 30 s: longer than a rebalance takes
log = structlog.get_logger()


class Place(Protocol):
    """How far the group is in one partition."""

    @property
    def partition(self) -> int:
        """Number of the partition."""

    @property
    def committed(self) -> int:
        """Offset of the next record to be processed."""

    @property
    def end(self) -> int:
        """Offset of the next record to be written."""


class Pulse:
    """What the last looks at the broker say of this worker. `look` is called by one thread, `health` by any."""

    def __init__(self, clock: Callable[[], float], stall_seconds: float = STALL_SECONDS) -> None:
        self._clock = clock
        self._stall_seconds = stall_seconds
        self._moved: dict[int, tuple[int, float]] = {}  # partition → (committed, when it was last different or without lag)
        self._lag: dict[int, int] = {}
        self._looked = clock()

    def look(self, places: Iterable[Place], mine: set[int]) -> None:
        """Take in the group's progress; only the partitions of this worker count."""
        now = self._clock()
        lag: dict[int, int] = {}
        for place in places:
            if place.partition not in mine:
                self._moved.pop(place.partition, None)
                continue
            lag[place.partition] = max(0, place.end - place.committed)
            committed, _ = self._moved.get(place.partition, (-1, now))
            if committed != place.committed or not lag[place.partition]:
                self._moved[place.partition] = (place.committed, now)
        self._lag, self._looked = lag, now

    def lag(self) -> dict[int, int]:
        """Records that are not committed, by partition of this worker."""
        return dict(self._lag)

    def health(self, state: str) -> dict[str, object]:
        """`ok` unless a partition has lag and its committed offset stands still. A worker that waits for its store is well."""
        now = self._clock()
        lag = dict(self._lag)
        still = [p for p, (_, moved) in self._moved.items() if lag.get(p) and self._looked - moved >= self._stall_seconds]
        stalled = bool(still) and state == "running"
        return {"ok": not stalled, "state": "stalled" if stalled else state, "lag": lag, "looked_seconds_ago": round(now - self._looked, 1)}


def watch(
    pulse: Pulse,
    places: Callable[[], Sequence[Place]],
    mine: Callable[[], set[int]],
    stop: threading.Event,
    report: Callable[[Mapping[int, int]], None],
) -> None:
    """Look every few seconds until `stop`, and report the lag; a broker that doesn't answer is no news about this worker.

    A worker without a partition for half a minute warns once: there are more workers than partitions.
    """
    idle = 0
    while not stop.wait(LOOK_SECONDS):
        try:
            found, parts = places(), mine()
            pulse.look(found, parts)
            report(pulse.lag())
        except Exception:  # noqa: S112  # an edge: whatever the look runs into, the worker itself must not suffer
            continue
        idle = 0 if parts else idle + 1
        if idle == IDLE_LOOKS:
            log.warning(
                "this worker has nothing to do: others have all partitions; add partitions or run fewer workers", partitions=len(found)
            )


class HealthServer:
    """/health (200 or 503, JSON) and /metrics, in a thread, on loopback unless told otherwise."""

    def __init__(self, host: str, port: int, health: Callable[[], Mapping[str, object]], registry: CollectorRegistry) -> None:
        """`port` 0 takes any free one. OSError when it is taken."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, "text/plain; version=0.0.4", generate_latest(registry))
                elif self.path == "/health":
                    found = health()
                    self._answer(200 if found["ok"] else 503, "application/json", json.dumps(found).encode())
                else:
                    self._answer(404, "text/plain", b"/health or /metrics\n")

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: a look every few seconds is no news."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
