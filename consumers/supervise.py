"""The parent of a worker: starts it again after a crash, with growing pauses, and kills one that has stopped working.

A worker that raised ends at once and begins again at its last commit: nothing is lost. Some faults leave a Faust process that looks
alive, and ignores SIGTERM; for those there are the health check and SIGKILL.
"""

from __future__ import annotations

import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

log = structlog.get_logger()

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 10.0  # seconds between a crash and the next start
HEALTHY_SECONDS = 20.0  # a worker that ran for so long starts again with the first pause: it takes ten to join its group
GRACE_SECONDS = 15.0  # from SIGTERM to SIGKILL
LOOK_SECONDS = 1.0
SICK_SECONDS = 90.0  # without a good answer of /health: its own limit is 60 s, and a start takes up to 30 s
HOPELESS = frozenset({2, 3, 5})  # settings, model, too many rejected: another start would end the same way


@dataclass(frozen=True, slots=True)
class Limits:
    """The times of a supervisor, in seconds."""

    first_pause: float = FIRST_PAUSE
    longest_pause: float = LONGEST_PAUSE
    healthy: float = HEALTHY_SECONDS
    grace: float = GRACE_SECONDS
    look: float = LOOK_SECONDS
    sick: float = SICK_SECONDS


class Supervisor:
    """Keeps one child process at work until `stop` is set."""

    def __init__(
        self, command: Sequence[str], healthy: Callable[[], bool], stop: threading.Event, limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """`healthy` asks the child; it may raise nothing."""
        self._command = list(command)
        self._healthy = healthy
        self._stop = stop
        self._limits = limits or Limits()
        self._clock = clock
        self.starts = 0

    def run(self) -> int:
        """Until stopped (0), or until the child ends with a code that another start can't help."""
        pause = self._limits.first_pause
        while not self._stop.is_set():
            begun = self._clock()
            code = self._run_child()
            if self._stop.is_set():
                return 0
            if code in HOPELESS:
                log.error("the worker can't go on; see its last message", code=code)
                return code
            if self._clock() - begun >= self._limits.healthy:
                pause = self._limits.first_pause
            log.warning("the worker ended; it is started again", code=code, seconds=pause)
            self._stop.wait(pause)
            pause = min(self._limits.longest_pause, pause * 2)
        return 0

    def _run_child(self) -> int:
        self.starts += 1
        child = subprocess.Popen(self._command)  # noqa: S603  # our own command line
        well = self._clock()
        while child.poll() is None:
            if self._stop.wait(self._limits.look):
                return self._end(child)
            if self._healthy():
                well = self._clock()
            elif self._clock() - well >= self._limits.sick:
                log.error("the worker is alive and does nothing: killed")
                child.kill()
        return int(child.wait())

    def _end(self, child: subprocess.Popen[bytes]) -> int:
        """SIGTERM, then SIGKILL after the grace."""
        child.terminate()
        try:
            return int(child.wait(self._limits.grace))
        except subprocess.TimeoutExpired:
            log.warning("the worker did not end in time: killed")
            child.kill()
            return int(child.wait())


def healthy_at(url: str) -> bool:
    """Whether /health answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  # our own loopback address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
