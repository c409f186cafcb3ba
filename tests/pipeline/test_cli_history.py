"""The commands backtest and calibrate."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from seeded import TOPIC, seeded_store
from typer.testing import CliRunner, Result

from pipeline.cli import history
from pipeline.errors import InputError, NotFoundError
from pipeline.settings import load

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight days of the generator's topics with a spike at the end."""
    file = tmp_path_factory.mktemp("history") / "store.db"
    seeded_store(file, days=8, rate=1.0).close()
    return file


@pytest.fixture
def run(store: Path) -> Run:
    app = typer.Typer()
    history.register(app)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--store", f"sqlite:///{store}"])

    return call


def test_backtest_tells_messages_and_expected_false_alarms(run: Run) -> None:
    """--json has every sensitivity with its messages, how often they are false, and the speed, at least 50 times real time."""
    result = run("backtest", "--topic", TOPIC, "--since", "2026-10-30", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (TOPIC, "detector", 0.0) == (found["topic"], found["rule"], found["chosen"])
    assert 13 == len(found["levels"])
    assert {"sensitivity", "messages_per_week", "expected_false_alarms_per_week", "messages"} == found["levels"][0].keys()
    assert found["times_real_time"] >= 50


def test_backtest_of_a_usual_rule_as_a_table(run: Run) -> None:
    """A rule by its short name is run over the same history; people get a table."""
    result = run("backtest", "--topic", TOPIC, "--since", "2026-10-30", "--rule", "spike")
    assert result.exit_code == 0, result.output
    assert f"{TOPIC}, spike:" in result.stdout


def test_unknown_names_are_errors_of_ours(run: Run) -> None:
    """A topic or rule that isn't there is named with the nearest one."""
    assert isinstance(run("backtest", "--topic", "Orbit").exception, NotFoundError)
    assert isinstance(run("backtest", "--topic", TOPIC, "--rule", "spikes").exception, NotFoundError)
    assert isinstance(run("backtest", "--topic", TOPIC, "--since", "2030-01-01").exception, InputError)


def test_calibrate_writes_what_it_found(run: Run, tmp_path: Path) -> None:
    """--write puts the threshold into the settings file, which loads with it."""
    file = tmp_path / "mine.toml"
    file.write_text('log_level = "error"\n', encoding="utf-8")
    result = run("calibrate", "--budget", "0.5", "--config", str(file), "--write", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["threshold"] == load(file).detector.threshold
    assert "error" == load(file).log_level
    assert [tmp_path / "mine.toml"] == list(tmp_path.iterdir())
