"""The store that a command works on: that of its option or of the settings, closed when the command is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline import wiring
from pipeline.ports import Store
from pipeline.settings import Settings, load


@contextmanager
def opened_store(store: str | None, config: str | None) -> Iterator[Store]:
    """The store of the option or the settings, which must be there."""
    with opened_by(load(Path(config) if config else None, {"store": store})) as opened:
        yield opened


@contextmanager
def opened_by(settings: Settings) -> Iterator[Store]:
    """The store of these settings, which must be there."""
    opened = wiring.store(settings, must_exist=True)
    try:
        yield opened
    finally:
        opened.close()
