"""Row 23 of the faults: does a worker's memory stay flat, hour after hour, while store and broker break at random?"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tools.stack.harness import Feeding, Verdict, WorkerProcess
from tools.stack.nemesis import RATE, Recovery, Repeats, scene

EVERY = 2.0  # seconds between two looks
KILLS = "worker SIGKILL"  # left out: a new process begins with new memory
MOST_BYTES, MOST_SHARE = 5_000_000, 0.02  # by which memory may grow: the larger of the two


@dataclass(frozen=True)
class Look:
    """A process at one moment."""

    at: float  # seconds since the start
    pid: int
    rss: int  # bytes
    files: int  # open descriptors
    threads: int
    lag: float  # records that are not processed


class Looks:
    """Looks at the working process in a thread of its own."""

    def __init__(self, worker: WorkerProcess) -> None:
        self.found: list[Look] = []
        self._worker = worker
        self._begun = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self._thread.start()

    def _go_on(self) -> None:
        while not self._ended.wait(EVERY):
            pid = self._worker.working_pid()
            try:
                pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
                files, threads = (sum(1 for _ in Path(f"/proc/{pid}/{name}").iterdir()) for name in ("fd", "task"))
            except OSError:
                continue  # it ended between the two lines
            lag = sum(value for name, value in self._worker.metrics().items() if name.startswith("moodstream_lag_records"))
            self.found.append(Look(time.monotonic() - self._begun, pid, pages * os.sysconf("SC_PAGE_SIZE"), files, threads, lag))

    def end(self) -> list[Look]:
        """All looks."""
        self._ended.set()
        self._thread.join()
        return self.found


def run(
    folder: Path, minutes: float, seed: int, done: Callable[[Recovery], None] = lambda _: None
) -> tuple[dict[str, object], Verdict, list[Recovery]]:
    """A steady stream and faults that leave the worker's process alive; how its memory went, and what the run came to."""
    with scene(folder, seed) as at:
        del at.nemesis.faults[KILLS]
        feeding = Feeding(at.rig, 0, int(RATE * minutes * 60), seconds=minutes * 60)
        at.worker.wait_until_processing()
        repeats, looks = Repeats(at.worker), Looks(at.worker)
        recoveries = at.nemesis.run(time.monotonic() + minutes * 60 - 20, repeats.now, done)
        feeding.wait()
        found = looks.end()
        at.rig.wait_until_done(600)
        return growth(found, found[-1].at), at.rig.verdict(repeats.end()), recoveries


def growth(looks: list[Look], seconds: float) -> dict[str, object]:
    """Medians of the third sixth of the time (minutes 10 to 15 of 30) and of the last sixth, and whether memory was flat."""
    early = [look for look in looks if seconds / 3 <= look.at < seconds / 2]
    late = [look for look in looks if look.at >= seconds * 5 / 6]
    before, after = (median(look.rss for look in part) for part in (early, late))
    return {
        "rss_mb_early": round(before / 1e6, 1),
        "rss_mb_late": round(after / 1e6, 1),
        "growth_mb": round((after - before) / 1e6, 2),
        "flat": after - before <= max(MOST_BYTES, MOST_SHARE * before),
        "files": [median(look.files for look in part) for part in (early, late)],
        "threads": [median(look.threads for look in part) for part in (early, late)],
        "lag": [median(look.lag for look in part) for part in (early, late)],
        "rss_mb_each_minute": [round(look.rss / 1e6, 1) for look in looks[:: round(60 / EVERY)]],
        "restarts": len({look.pid for look in looks}) - 1,
    }
