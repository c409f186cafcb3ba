"""A process that takes a stream step by step, looks for incidents and tells them; it kills itself at a given statement of its store.

`python crashing.py FOLDER STATEMENT`: 0 never; prints how many statements there were.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import closing
from pathlib import Path

from streams import START, stream

from consumers.receivers import JsonFile
from consumers.stores.sqlite import SqliteStore
from pipeline.notify import Outbox, Subscription
from pipeline.records import BIN
from pipeline.watch import Watch

POSTS = stream(["tea", "coffee"], 34, {"tea": (20, 30)})
FIRST, LAST = START + 21 * BIN, START + 29 * BIN


class Fuse:
    """Counts the statements that write; at the given one the process is gone."""

    def __init__(self, at: int) -> None:
        self.count = 0
        self._at = at

    def __call__(self, _statement: str) -> None:
        self.count += 1
        if self.count == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def run(folder: Path, at: int) -> int:
    """Go on from the last step that was finished; the number of statements."""
    mark = folder / "step"
    now = int(mark.read_text(encoding="ascii")) if mark.exists() else FIRST
    fuse = Fuse(at)
    with closing(SqliteStore.open(folder / "store.db", now=lambda: now)) as store:
        store._file._writer.set_trace_callback(fuse)
        watch, outbox = Watch(store, [Subscription("ops")]), Outbox(store, [JsonFile("ops", folder / "told.ndjson")])
        while now < LAST:
            before, now = now, now + BIN
            store.write([item for item in POSTS if before < item.ingested_at <= now])
            watch.tick(now)
            outbox.deliver_due(now)
            (folder / "step.new").write_text(str(now), encoding="ascii")
            (folder / "step.new").replace(mark)
    return fuse.count


if __name__ == "__main__":
    sys.stdout.write(str(run(Path(sys.argv[1]), int(sys.argv[2]))))
