"""The commands receivers list and receivers test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from pipeline.cli import receivers
from pipeline.errors import NotFoundError, SettingsError, Unavailable

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    config = tmp_path / "moodstream.toml"
    entries = (
        ("log", f"file:{tmp_path / 'alerts.jsonl'}", 'topics = ["tea"]\nhours = "08:00-22:00"'),
        ("gone", "json://canary-secret@127.0.0.1:9/", ""),
        ("typo", "nosuch://canary-secret", ""),
        ("hook", "https://canary.example.org/", 'secret = "canary-canary-canary"'),
    )
    config.write_text("".join(f'[[receivers]]\nname = "{name}"\nurl = "{url}"\n{more}\n' for name, url, more in entries), "utf-8")
    app = typer.Typer()
    receivers.register(app)
    return lambda *arguments: CliRunner().invoke(app, ["receivers", *arguments, "--config", str(config)])


def test_the_list_names_all_and_shows_no_secret(run: Run) -> None:
    """Name, kind and filters as a table and as JSON; of a URL only what stands before the colon."""
    rows = json.loads(run("list", "--json").stdout)
    assert [("log", "file"), ("gone", "json"), ("typo", "nosuch"), ("hook", "webhook")] == [(row["name"], row["kind"]) for row in rows]
    assert (["tea"], "08:00-22:00 UTC") == (rows[0]["topics"], rows[0]["hours"])
    table = run("list").stdout
    assert all(name in table for name in ("log", "gone", "typo"))
    assert "canary" not in table + json.dumps(rows)


def test_a_test_message_arrives_and_says_what_it_is(run: Run, tmp_path: Path) -> None:
    """The receiver has one message that belongs to no incident, although another receiver's URL is wrong."""
    result = run("test", "log", "--json")
    assert 0 == result.exit_code
    (line,) = (tmp_path / "alerts.jsonl").read_text("utf-8").splitlines()
    sent, said = json.loads(line), json.loads(result.stdout)
    assert ("test", {}, "log") == (sent["transition"], sent["incident"], sent["receiver"])
    assert (True, sent["id"]) == (said["delivered"], said["id"])
    assert "test" in sent["subject"]


def test_a_receiver_out_of_reach_is_an_error_without_its_url(run: Run) -> None:
    """Nobody listens: exit code 6 of the command line, the receiver's name, and no secret."""
    failed = run("test", "gone").exception
    assert isinstance(failed, Unavailable)
    assert (6, True, False) == (failed.exit_code, "gone" in str(failed), "canary" in str(failed))


def test_wrong_names_and_urls_say_what_to_do(run: Run) -> None:
    """A name that is not in the settings gets the nearest one; a URL that Apprise doesn't know is an error of the settings."""
    unknown = run("test", "lob").exception
    assert isinstance(unknown, NotFoundError)
    assert "did you mean 'log'" in str(unknown)
    assert isinstance(run("test", "typo").exception, SettingsError)
