"""The commands acknowledge, snooze and maintenance."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from seeded import TOPIC, seeded_store
from typer.testing import CliRunner, Result

from pipeline.cli import handling
from pipeline.errors import InputError, NotFoundError

Run = Callable[..., Result]


@pytest.fixture
def found(tmp_path: Path) -> str:
    """The id of the open incident of a new store."""
    with closing(seeded_store(tmp_path / "store.db", days=0.2, rate=2.0)) as store:
        (one,) = store.incidents(TOPIC, open_only=True)
        store.save(replace(one, state="growing"))
        return one.id


@pytest.fixture
def run(tmp_path: Path, found: str) -> Run:
    config = tmp_path / "moodstream.toml"
    config.write_text('[[maintenance]]\nname = "backup"\nhours = "02:00-03:00"\ndays = ["sun"]\n', "utf-8")
    app = typer.Typer()
    handling.register(app)
    where = ("--config", str(config), "--store", f"sqlite:///{tmp_path / 'store.db'}")
    return lambda *arguments: CliRunner().invoke(app, [*arguments, *where])


def test_an_incident_is_acknowledged_and_snoozed(run: Run, found: str) -> None:
    """Each prints what was done; a snooze can be ended once."""
    assert "acknowledged" == json.loads(run("acknowledge", found[:6], "--by", "ada", "--json").stdout)["what"]
    assert "snoozed" in run("snooze", found, "--for", "2h").stdout
    assert "woken" == json.loads(run("snooze", found, "--off", "--json").stdout)["what"]
    assert isinstance(run("snooze", found, "--off").exception, InputError)
    assert isinstance(run("acknowledge", "none").exception, NotFoundError)


def test_windows_are_planned_listed_and_taken_back(run: Run) -> None:
    """The weekly ones of the settings stand in the list too; an unknown topic or window is an error that names the nearest."""
    rows = json.loads(run("maintenance", "server move", "--from", "now", "--for", "4h", "--topic", TOPIC, "--json").stdout)
    assert [("backup", []), ("server move", [TOPIC])] == [(row["name"], row["topics"]) for row in rows]
    assert "sun 02:00-03:00 UTC" in run("maintenance").stdout
    assert isinstance(run("maintenance", "x", "--topic", "Orbit 6").exception, NotFoundError)
    assert isinstance(run("maintenance", "server mvoe", "--off").exception, NotFoundError)
    assert ["backup"] == [row["name"] for row in json.loads(run("maintenance", "server move", "--off", "--json").stdout)]
