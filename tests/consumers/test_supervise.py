"""The parent of a worker: starts again what ended, kills what only looks alive, and knows what is hopeless."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from consumers.supervise import Limits, Supervisor, healthy_at

QUICK = Limits(first_pause=0.01, longest_pause=0.02, healthy=60, grace=0.5, look=0.02, sick=0.3)


def child(code: str) -> list[str]:
    """A command line that runs some Python."""
    return [sys.executable, "-c", code]


def test_a_crash_is_followed_by_another_start(tmp_path: Path) -> None:
    """As often as it takes; an ending that another start can't help ends it all with that code."""
    notes = tmp_path / "starts"
    code = f"import sys; f = open({str(notes)!r}, 'a+'); f.write('x'); f.seek(0); sys.exit(5 if len(f.read()) == 3 else 1)"
    supervisor = Supervisor(child(code), lambda: True, threading.Event(), QUICK)
    assert (5, 3, "xxx") == (supervisor.run(), supervisor.starts, notes.read_text())


def test_a_child_that_only_looks_alive_is_killed(tmp_path: Path) -> None:
    """One without a good answer for a while, though it ignores SIGTERM."""
    notes = tmp_path / "starts"
    code = (
        f"import signal, sys, time; f = open({str(notes)!r}, 'a+'); f.write('x'); f.seek(0); n = len(f.read()); f.close()\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nif n == 2: sys.exit(2)\ntime.sleep(60)"
    )
    assert 2 == Supervisor(child(code), lambda: False, threading.Event(), QUICK).run()


def test_stopping_ends_the_child_even_if_it_ignores_it() -> None:
    """SIGTERM, a grace, SIGKILL; the parent's own code is 0."""
    stop = threading.Event()
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"

    def well() -> bool:
        stop.set()
        return True

    assert 0 == Supervisor(child(code), well, stop, QUICK).run()


def test_nobody_there_is_not_healthy() -> None:
    """A refused connection is an answer."""
    assert not healthy_at("http://127.0.0.1:9/health")
