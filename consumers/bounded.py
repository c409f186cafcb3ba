"""A call to the outside with a bound on the whole of it, where time-outs of the library are per read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from pipeline.errors import Unavailable

Answer = TypeVar("Answer")


class Bounded:
    """Runs one call at a time in a thread of its own; while one hangs beyond `timeout` seconds, further ones fail at once."""

    def __init__(self, name: str, timeout: float) -> None:
        self._name, self._timeout = name, timeout
        self._running: threading.Thread | None = None

    def call(self, work: Callable[[], Answer]) -> Answer:
        """What `work` gives; it must not raise. Unavailable if it takes longer than the bound or an earlier call still hangs."""
        if self._running is not None and self._running.is_alive():
            raise Unavailable(f"receiver {self._name} still hangs on an earlier message")
        answer: list[Answer] = []
        self._running = threading.Thread(target=lambda: answer.append(work()), name=f"receiver-{self._name}", daemon=True)
        self._running.start()
        self._running.join(self._timeout)
        if not answer:
            raise Unavailable(f"receiver {self._name} didn't answer in {self._timeout:g} s")
        return answer[0]
