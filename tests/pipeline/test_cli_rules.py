"""The commands rules list and rules check, and the backtest of a rule of the settings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from seeded import TOPIC, seeded_store
from typer.testing import CliRunner, Result

from pipeline.cli import history, rules
from pipeline.errors import InputError, NotFoundError, SettingsError

Run = Callable[..., Result]
RULES = f"""
[[rules]]
name = "hot"
kind = "share"
above = 0.4
for = "10m"
min_n = 8
topics = ["{TOPIC}", "nobody"]

[[rules]]
name = "talk"
kind = "term"
term = "battery"
above = 0.9
severity = "tone"

[[rules]]
name = "flood"
kind = "volume"
above = 1
topics = ["{TOPIC}"]
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight days of the generator's topics with a spike at the end."""
    file = tmp_path_factory.mktemp("rules") / "store.db"
    seeded_store(file, days=8, rate=1.0).close()
    return file


@pytest.fixture
def run(store: Path, tmp_path: Path) -> Run:
    app = typer.Typer()
    rules.register(app)
    history.register(app)
    config = tmp_path / "moodstream.toml"
    config.write_text(f'store = "sqlite:///{store}"\n{RULES}', encoding="utf-8")
    return lambda *arguments: CliRunner().invoke(app, [*arguments, "--config", str(config)])


def test_rules_are_listed_in_plain_words(run: Run) -> None:
    """Every key with its value, and what it means as a sentence."""
    rows = json.loads(run("rules", "list", "--json").stdout)
    assert ["hot", "talk", "flood"] == [row["name"] for row in rows]
    assert "share above 40% over 1 h, for 10 min, of at least 8 posts" == rows[0]["says"]
    assert (["10m"], [[TOPIC, "nobody"]], [8.0]) == ([rows[0]["for"]], [rows[0]["topics"]], [rows[0]["min_n"]])
    assert "flood" in run("rules", "list").stdout


def test_check_says_where_each_rule_stands(run: Run) -> None:
    """Per rule and topic that it is about: value, posts, and whether it is beyond the limit; topics without posts are named."""
    found = json.loads(run("rules", "check", "--json").stdout)
    hot, flood = (next(row for row in found["rules"] if row["rule"] == name) for name in ("hot", "flood"))
    assert (TOPIC, True, True) == (hot["topic"], hot["beyond"], hot["value"] > 0.4)
    assert flood["value"] == flood["n"] > 1
    assert {"talk"} < {row["rule"] for row in found["rules"]}
    assert 1 < len([row for row in found["rules"] if row["rule"] == "talk"])
    assert ["nobody"] == found["unknown_topics"]
    assert "nobody" in run("rules", "check").output


def test_a_backtest_of_ones_own_rule(run: Run) -> None:
    """A rule of the settings by its name: what it would have sent, its value, and for a share how often that would be false."""
    result = run("backtest", "--topic", TOPIC, "--since", "2026-10-30", "--rule", "hot", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    (level,) = found["levels"]
    assert ("hot", 8) == (found["rule"], found["copies"])
    assert level["messages"]
    assert all(message["value"] > 0.4 and message["severity"] == "incident" for message in level["messages"])
    rate = level["expected_false_alarms_per_week"]  # eight posts are few: most of the messages are chance, and it says so
    assert 0.5 < rate / level["messages_per_week"] < 2
    assert found["times_real_time"] >= 50
    flood = json.loads(run("backtest", "--topic", TOPIC, "--since", "2026-10-30", "--rule", "flood", "--json").stdout)
    assert (0, None) == (flood["copies"], flood["levels"][0]["expected_false_alarms_per_week"])
    assert "value" in run("backtest", "--topic", TOPIC, "--since", "2026-10-30", "--rule", "hot").stdout


def test_what_cannot_be_done_is_said(run: Run, tmp_path: Path) -> None:
    """No rules, an unknown one, one about another topic, one with a mistake."""
    assert isinstance(run("backtest", "--topic", TOPIC, "--rule", "hat").exception, NotFoundError)
    other = next(row["topic"] for row in json.loads(run("rules", "check", "--json").stdout)["rules"] if row["topic"] != TOPIC)
    assert isinstance(run("backtest", "--topic", other, "--since", "2026-10-30", "--rule", "hot").exception, InputError)
    (tmp_path / "moodstream.toml").write_text("", encoding="utf-8")
    assert isinstance(run("rules", "check").exception, InputError)
    (tmp_path / "moodstream.toml").write_text('[[rules]]\nname = "a"\nkind = "term"\nabove = 0.5', encoding="utf-8")
    assert isinstance(run("rules", "list").exception, SettingsError)
