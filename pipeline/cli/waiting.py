"""Waiting for a broker or a store that isn't there yet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from pipeline import wiring
from pipeline.cli.options import err
from pipeline.errors import StoreBusy, Unavailable

T = TypeVar("T")
PAUSE_SECONDS = 1.0


def waiting_for(call: Callable[[], T], what: str, seconds: float, stopping: threading.Event) -> T:
    """Call until it works; says what it waits for, gives up after some seconds with Unavailable."""
    until = wiring.monotonic() + seconds
    told = False
    while True:
        try:
            return call()
        except (Unavailable, StoreBusy) as error:
            if not told:
                err.print(f"waiting for {what}: {error}", soft_wrap=True)
                told = True
            if wiring.monotonic() >= until or stopping.wait(PAUSE_SECONDS):
                raise Unavailable(f"{what} did not come within {seconds:.0f} s: {error}") from None
