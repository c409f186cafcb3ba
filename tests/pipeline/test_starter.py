"""The starter settings file."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.settings import Settings, load
from pipeline.starter import starter


def test_the_starter_loads_as_it_is(tmp_path: Path) -> None:
    """What `moodstream init` writes is a valid settings file with one topic and one receiver."""
    file = tmp_path / "moodstream.toml"
    file.write_text(starter(), encoding="utf-8")
    settings = load(file)
    assert ["coffee"] == [topic.name for topic in settings.topics]
    assert ["me"] == [receiver.name for receiver in settings.receivers]


def test_every_commented_default_is_the_default(tmp_path: Path) -> None:
    """With the marks taken away the file still loads and changes nothing but what it shows: no default in it is stale."""
    shown = [line.removeprefix("# ") for line in starter().splitlines() if re.match(r"# ([a-z_]+ = (?!\.\.\.)|\[[a-z])", line)]
    settings_part = [line for line in shown if not line.startswith(("kind", "path", "platform", "columns"))]
    file = tmp_path / "all.toml"
    file.write_text("\n".join(settings_part), encoding="utf-8")
    assert load(file).model_dump() == Settings().model_dump()
