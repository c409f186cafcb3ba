"""A seeded run of faults on private servers: what was lost, doubled or wrong, and how long each fault took to get over."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from pipeline.errors import NotFoundError, Unavailable
from producers.kafka_admin import GroupView
from tools.stack.harness import Feeding, Rig, Verdict, WorkerProcess
from tools.stack.nodes import ElasticNode, KafkaNode
from tools.stack.proxy import FaultProxy

RATE = 300  # posts a second
QUIET = 5.0  # seconds between two faults
GIVE_UP = 180.0


@dataclass(frozen=True)
class Recovery:
    """How one fault went: seconds from its end until records were committed again, and posts processed again before the next one."""

    fault: str
    seconds: float
    again: int = 0


class Nemesis:
    """Breaks one thing at a time and measures how long it takes until commits go on."""

    def __init__(self, rig: Rig, broker: KafkaNode, elastic: ElasticNode, proxy: FaultProxy, worker: WorkerProcess, seed: int) -> None:
        self._rig, self._broker, self._elastic, self._proxy, self._worker = rig, broker, elastic, proxy, worker
        self._random = random.Random(seed)
        self._never = threading.Event()
        self.faults: dict[str, Callable[[], None]] = {
            "worker SIGKILL": worker.kill_child,
            "worker SIGSTOP 12 s": lambda: self._hang(worker.signal, 12),
            "broker SIGKILL": lambda: self._restart(broker),
            "broker SIGSTOP 8 s": lambda: self._hang(broker.signal, 8),
            "store SIGKILL": lambda: self._restart(elastic),
            "store SIGSTOP 8 s": lambda: self._hang(elastic.signal, 8),
            "second worker comes and goes": self._visit,
            **{f"store: {what} 8 s": partial(self._misbehave, what) for what in ("error", "reset", "lost", "items:0.3", "blocked")},
        }

    def only(self, part: str) -> None:
        """Keep the faults whose name has this in it. NotFoundError with all names if there is none."""
        found = {name: call for name, call in self.faults.items() if part.casefold() in name.casefold()}
        if not found:
            raise NotFoundError.of("fault", part, sorted(self.faults))
        self.faults = found

    def run(self, until: float, again: Callable[[], int], done: Callable[[Recovery], None] = lambda _: None) -> list[Recovery]:
        """Break things in random order until that moment of the monotonic clock; `again` counts posts that were processed again."""
        out: list[Recovery] = []
        before = again()
        while time.monotonic() < until:
            name = self._random.choice(sorted(self.faults))
            self.faults[name]()
            seconds = self._recover()
            self._never.wait(QUIET * self._random.uniform(0.5, 1.5))
            out.append(Recovery(name, seconds, again() - before))
            before = again()
            done(out[-1])
        return out

    def _recover(self) -> float:
        begun, before = time.monotonic(), self._committed()
        while (now := self._committed()) is None or before is None or now <= before:
            before = now if before is None else before
            if time.monotonic() - begun > GIVE_UP:
                raise TimeoutError(f"nothing was committed for {GIVE_UP:.0f} s after a fault")
            self._never.wait(0.3)
        return time.monotonic() - begun

    def _committed(self) -> int | None:
        view = GroupView(self._rig.kafka)
        try:
            return sum(place.committed for place in view.progress())
        except Unavailable:
            return None
        finally:
            view.close()

    def _hang(self, send: Callable[[int], None], seconds: float) -> None:
        send(signal.SIGSTOP)
        self._never.wait(seconds)
        send(signal.SIGCONT)

    def _restart(self, node: KafkaNode | ElasticNode) -> None:
        node.kill()
        self._never.wait(self._random.uniform(0, 5))
        node.start()

    def _misbehave(self, what: str) -> None:
        self._proxy.sometimes(what, 0.3)
        self._never.wait(8)
        self._proxy.heal()

    def _visit(self) -> None:
        visitor = self._rig.worker(supervise=False)
        self._never.wait(15)
        visitor.stop(20)


class Repeats:
    """Counts posts that a worker processed and that were stored already, over all its lives."""

    def __init__(self, worker: WorkerProcess) -> None:
        self._worker = worker
        self._ended = threading.Event()
        self._before, self._last = 0.0, 0.0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(0.5):
            value = self._worker.metrics().get('moodstream_posts_total{result="repeated"}')
            if value is not None:
                self._before += self._last if value < self._last else 0.0
                self._last = value

    def now(self) -> int:
        """How many so far."""
        return int(self._before + self._last)

    def end(self) -> int:
        """How many, for good."""
        self._ended.set()
        self._thread.join()
        return self.now()


@dataclass(frozen=True)
class Scene:
    """Servers, a proxy before the store, one supervised worker, and what breaks them."""

    rig: Rig
    worker: WorkerProcess
    nemesis: Nemesis


@contextmanager
def scene(folder: Path, seed: int) -> Iterator[Scene]:
    """Everything started; all of it is gone at the end."""
    with ExitStack() as stack:
        broker, elastic = KafkaNode(folder / "kafka"), ElasticNode(folder / "elastic")
        for node in (broker, elastic):
            stack.callback(node.stop)
            node.start()
        proxy = FaultProxy(elastic.port, seed)
        stack.callback(proxy.close)
        rig = Rig("faults", broker.bootstrap, elastic.port, folder / "work")
        rig.through(proxy.port)
        worker = rig.worker()
        stack.callback(worker.kill)
        yield Scene(rig, worker, Nemesis(rig, broker, elastic, proxy, worker, seed))


def run(
    folder: Path, minutes: float, seed: int, only: str = "", done: Callable[[Recovery], None] = lambda _: None
) -> tuple[Verdict, list[Recovery]]:
    """A steady stream, faults (those with `only` in their name) for some minutes; then a final read after healing."""
    with scene(folder, seed) as at:
        at.nemesis.only(only)
        feeding = Feeding(at.rig, 0, int(RATE * minutes * 60), seconds=minutes * 60)
        at.worker.wait_until_processing()
        repeats = Repeats(at.worker)
        recoveries = at.nemesis.run(time.monotonic() + minutes * 60 - 20, repeats.now, done)
        feeding.wait()
        at.rig.wait_until_done(600)
        return at.rig.verdict(repeats.end()), recoveries


def table(recoveries: list[Recovery]) -> list[dict[str, object]]:
    """Per fault: how often, the median and longest time to get over it, and the most posts that one of them had processed again."""
    names = sorted({one.fault for one in recoveries})
    found = {name: [one for one in recoveries if one.fault == name] for name in names}
    return [
        {
            "fault": name,
            "runs": len(runs),
            "median_s": round(median(one.seconds for one in runs), 1),
            "longest_s": round(max(one.seconds for one in runs), 1),
            "most_again": max(one.again for one in runs),
        }
        for name, runs in found.items()
    ]
