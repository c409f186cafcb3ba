"""The starter settings file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.settings import Settings, load
from pipeline.starter import starter, with_value


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
    settings_part = [
        line
        for line in shown
        if not line.startswith(("kind", "path", "platform", "columns", "name", "above", "over", "for", "days", "hours"))
    ]
    file = tmp_path / "all.toml"
    file.write_text("\n".join(settings_part), encoding="utf-8")
    assert load(file).model_dump() == Settings().model_dump()


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("", "\n[detector]\nthreshold = 0.4\n"),
        ("store = 'x'\n# [detector]\n# threshold = 0\n", "store = 'x'\n# [detector]\n# threshold = 0\n\n[detector]\nthreshold = 0.4\n"),
        ("[detector]\nthreshold = 2  # mine\n[web]\nport = 1\n", "[detector]\nthreshold = 0.4  # mine\n[web]\nport = 1\n"),
        ("[detector] # alerts\ndaily_cap = 3\n[web]\n", "[detector] # alerts\nthreshold = 0.4\ndaily_cap = 3\n[web]\n"),
        ("[web]\nthreshold = 9\n[detector]\n", "[web]\nthreshold = 9\n[detector]\nthreshold = 0.4\n"),
    ],
)
def test_one_value_changes_and_the_rest_stays(text: str, changed: str) -> None:
    """The key of that table only, its comment kept; a table that is missing is added at the end."""
    assert changed == with_value(text, "detector", "threshold", "0.4")


def test_a_changed_starter_loads_with_the_new_value(tmp_path: Path) -> None:
    """The file of `moodstream init` takes a threshold and gives it back."""
    file = tmp_path / "moodstream.toml"
    file.write_text(with_value(starter(), "detector", "threshold", "1.5"), encoding="utf-8")
    assert 1.5 == load(file).detector.threshold


def test_the_example_of_a_rule_is_one(tmp_path: Path) -> None:
    """With its marks taken away it loads."""
    text = starter()
    example = text[text.index("# [[rules]]") :].split("\n\n")[0].replace("# ", "")
    file = tmp_path / "rule.toml"
    file.write_text(example, encoding="utf-8")
    (rule,) = load(file).rules
    assert ("mostly negative", "share", 0.6, "15m") == (rule.name, rule.kind, rule.above, rule.lasts)
