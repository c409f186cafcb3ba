"""`moodstream doctor`: is each part usable, and what to do if not. Nothing is changed but a store that doesn't exist yet."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline import wiring
from pipeline.errors import MoodstreamError
from pipeline.records import from_ms
from pipeline.settings import Settings, leaves

ENOUGH_DISK = 1_000_000_000  # bytes: about a million posts in SQLite


def examine(settings: Settings) -> dict[str, Any]:
    """`{"settings": [{key, value, origin}], "checks": [{name, ok, found, advice}]}`; secrets stay masked."""
    checks: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("python", _python), ("model", _model), ("store", _store), ("disk", _disk),
        ("topics", _topics), ("receivers", _receivers), ("page", _page),
    )  # fmt: skip
    if settings.store.startswith(wiring.ELASTIC):
        checks += (("kafka", wiring.stream_progress),)
    values = [{"key": key, "value": _plain(value), "origin": settings.origins.get(key, "default")} for key, value in leaves(settings)]
    return {"settings": values, "checks": [_check(name, call, settings) for name, call in checks]}


def _plain(value: object) -> str:
    """A value in one line; of topics, receivers and sources their names."""
    if isinstance(value, tuple):
        return ", ".join(str(getattr(item, "name", None) or getattr(item, "kind", None) or item) for item in value) or "none"
    return "not set" if value is None else str(value)


class _Problem(MoodstreamError):
    def __init__(self, found: str, advice: str) -> None:
        super().__init__(found)
        self.advice = advice


def _check(name: str, call: Callable[[Settings], str], settings: Settings) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, "found": call(settings), "advice": ""}
    except _Problem as problem:
        return {"name": name, "ok": False, "found": str(problem), "advice": problem.advice}
    except MoodstreamError as error:
        found, _, advice = str(error).partition("; ")
        return {"name": name, "ok": False, "found": found, "advice": advice or "see docs/architecture.md"}


def _python(_: Settings) -> str:
    return f"{platform.python_version()} on {sys.platform}"


def _model(settings: Settings) -> str:
    model = wiring.classifier(settings)
    score = model.score(["I love this"])[0]
    languages = ", ".join(sorted(model.languages))
    return f"{model.name} ({languages}), {wiring.model_choice(settings)}; a first text scored {score.sentiment}"


def _store(settings: Settings) -> str:
    store = wiring.store(settings)
    try:
        newest, _ = store.latest()
        posts = store.count()
    finally:
        store.close()
    return f"{settings.store}: {posts:,} posts" + ("" if newest is None else f", the newest of {from_ms(newest)}")


def _disk(settings: Settings) -> str:
    on_server = settings.store.startswith(wiring.ELASTIC)
    folder = Path.cwd() if on_server else wiring.store_path(settings.store).resolve().parent
    free = shutil.disk_usage(folder).free
    if free < ENOUGH_DISK:
        raise _Problem(f"{free / 1e9:.1f} GB free at {folder}", "free some space, or name another store with --store")
    return f"{free / 1e9:.0f} GB free at {folder}"


def _topics(settings: Settings) -> str:
    if not settings.topics:
        raise _Problem("none", "`moodstream init` writes a settings file with one to change")
    empty = [topic.name for topic in settings.topics if not (topic.phrases or topic.hashtags or topic.handles)]
    return f"{len(settings.topics)}" + (f", of which only assigned posts belong to {', '.join(empty)}" if empty else "")


def _receivers(settings: Settings) -> str:
    found = wiring.receivers(settings)
    if not found:
        raise _Problem("none: incidents are shown on the page, nobody is told", "add [[receivers]] to the settings")
    return ", ".join(receiver.name for receiver in found)


def _page(settings: Settings) -> str:
    from dashboards.server import bind, url_of

    listener = bind(settings.web)
    try:
        return f"{url_of(listener, settings.web)} is free"
    finally:
        listener.close()
