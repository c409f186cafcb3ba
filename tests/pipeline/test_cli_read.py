"""The commands topics, trends, search and compare: what they print, and what they say to a wrong question."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from seeded import NOW, TOPIC, plain, seeded_store
from typer.testing import CliRunner

from consumers.stores.sqlite import SqliteStore
from pipeline.cli import read
from pipeline.errors import InputError, NotFoundError
from pipeline.records import EMOTIONS, HOUR, Rejected, from_ms, to_json

Ask = Callable[..., str]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store file with half a day of six topics."""
    path = tmp_path_factory.mktemp("read") / "read.db"
    seeded_store(path, days=0.5, rate=2.0).close()
    return path


@pytest.fixture
def ask(file: Path) -> Ask:
    """Run a command on that store; what it prints on stdout."""
    app = typer.Typer()
    read.register(app)

    def run(*words: str, store: Path = file) -> str:
        found = CliRunner().invoke(app, [*words, "--store", f"sqlite:///{store}"], catch_exceptions=False)
        assert 0 == found.exit_code, found.output
        return found.stdout

    return run


@pytest.fixture
def stored(file: Path) -> SqliteStore:
    """The same store, to compare with."""
    return SqliteStore.open(file, now=lambda: NOW)


def test_topics_as_json(ask: Ask, stored: SqliteStore) -> None:
    """Every topic with exactly the keys of the contract."""
    found = json.loads(ask("topics", "--json"))
    assert [to_json(summary) for summary in stored.topics()] == found
    estimate = ["estimate", "estimate_low", "estimate_high"]
    assert ["topic", "posts", "first", "last", "negative", "low", "high", "open_incidents", *estimate] == list(found[0])
    assert {TOPIC: 1} == {row["topic"]: row["open_incidents"] for row in found if row["open_incidents"]}
    stored.close()


def test_trends_as_json(ask: Ask, stored: SqliteStore) -> None:
    """The buckets of the store with start, n, share, interval, intensity, valence and all emotions."""
    found = json.loads(ask("trends", "--topic", TOPIC, "--every", "1h", "--json"))
    assert [to_json(point) for point in stored.trend(TOPIC, HOUR)] == found
    assert {"start", "n", "negative", "low", "high", "intensity", "valence", "emotions"} <= set(found[0])
    assert list(EMOTIONS) == list(found[0]["emotions"])
    stored.close()


def test_trends_between_two_times(ask: Ask) -> None:
    """--since and --until take a date or a moment; the last bucket begins before --until."""
    until = from_ms(NOW // HOUR * HOUR)
    found = json.loads(ask("trends", "--topic", TOPIC, "--since", from_ms(NOW - 4 * HOUR), "--until", until, "--json"))
    assert 4 == len(found)
    assert found[-1]["start"] < until


def test_undated_posts_are_in_the_trend(ask: Ask, tmp_path: Path) -> None:
    """Rows that were stamped with one constant date are in trends, topics and search."""
    path = tmp_path / "undated.db"
    store = SqliteStore.open(path, now=lambda: NOW)
    store.write([replace(item, post=replace(item.post, dated=False)) for item in plain(["too small", "too large"], "dresses")])
    store.close()
    assert 2.0 == sum(point["n"] for point in json.loads(ask("trends", "--topic", "dresses", "--every", "5m", "--json", store=path)))
    assert 2 == json.loads(ask("topics", "--json", store=path))[0]["posts"]
    assert ["too small"] == [post["text"] for post in json.loads(ask("search", "too small", "--topic", "dresses", "--json", store=path))]


def test_search_as_json(ask: Ask) -> None:
    """At most --limit posts, newest first, with every field of a scored post."""
    found = json.loads(ask("search", "wiped photos", "--topic", TOPIC, "--limit", "3", "--json"))
    assert 3 == len(found)
    assert sorted((post["created_at"] for post in found), reverse=True) == [post["created_at"] for post in found]
    assert {"platform", "post_id", "text", "topics", "emotions", "p_negative", "model", "ingested_at"} <= set(found[0])
    assert [] == json.loads(ask("search", "zzzyx", "--json"))


def test_compare_as_json(ask: Ask) -> None:
    """Each topic's share with its interval, and each pair's difference with its own."""
    found = json.loads(ask("compare", "--topics", f"{TOPIC},Lumabrew", "--since", "2026-11-01", "--json"))
    (one,) = found["differences"]
    shares = {row["topic"]: row["negative"] for row in found["topics"]}
    assert shares[TOPIC] - shares["Lumabrew"] == pytest.approx(one["difference"])
    assert one["low"] < one["difference"] < one["high"]
    assert ("2026-11-01T00:00:00.000Z", None) == (found["since"], found["until"])


@pytest.mark.parametrize(
    "words", [["topics"], ["trends", "--topic", TOPIC], ["search", "photos"], ["compare", "--topics", f"{TOPIC},Lumabrew"]]
)
def test_a_table_by_default_and_csv_on_demand(ask: Ask, words: list[str]) -> None:
    """Without a format there is a table for people; --csv has one row per line and a header."""
    assert "┃" in ask(*words)
    rows = list(csv.DictReader(io.StringIO(ask(*words, "--csv"))))
    assert rows
    assert all(None not in row and None not in row.values() for row in rows)


def test_csv_has_every_emotion_as_a_column(ask: Ask) -> None:
    """A spreadsheet gets the emotions beside the share."""
    header = ask("trends", "--topic", TOPIC, "--csv").splitlines()[0].split(",")
    assert list(EMOTIONS) == header[-len(EMOTIONS) :]


def test_texts_do_not_command_the_terminal_or_a_spreadsheet(ask: Ask, tmp_path: Path) -> None:
    """Control characters and markup of a post stay text in the table; a formula is neutralised in CSV."""
    path = tmp_path / "hostile.db"
    store = SqliteStore.open(path, now=lambda: NOW)
    store.write(plain(["=cmd|photos \x1b[31m [red]photos[/red]"], "shoes"))
    store.close()
    assert "\x1b[31m" not in ask("search", "photos", store=path)
    assert "[red]" in ask("search", "photos", store=path)
    (row,) = csv.DictReader(io.StringIO(ask("search", "photos", "--csv", store=path)))
    assert row["text"].startswith("'=cmd")


@pytest.mark.parametrize(
    ("words", "error", "part"),
    [
        (["trends", "--topic", "Orbit"], NotFoundError, "did you mean 'Orbit 5'"),
        (["search", "a", "--topic", "Orbit"], NotFoundError, "did you mean 'Orbit 5'"),
        (["compare", "--topics", "Orbit,Lumabrew"], NotFoundError, "did you mean 'Orbit 5'"),
        (["compare", "--topics", TOPIC], InputError, "at least two topics"),
        (["trends", "--topic", TOPIC, "--every", "7m"], InputError, "multiple of 5 minutes"),
        (["trends", "--topic", TOPIC, "--since", "soon"], InputError, "is not a time"),
        (["trends", "--topic", TOPIC, "--since", "1h", "--until", "2h"], InputError, "must be before"),
        (["topics", "--json", "--csv"], InputError, "exclude each other"),
        (["compare", "--topics", f"{TOPIC},Lumabrew", "--json", "--csv"], InputError, "exclude each other"),
    ],
)
def test_a_wrong_question_gets_a_clear_error(ask: Ask, words: list[str], error: type[Exception], part: str) -> None:
    """Unknown topics name the nearest one; everything else says how to write it."""
    with pytest.raises(error, match=part):
        ask(*words)


def test_a_store_that_is_not_there_is_not_made(ask: Ask, tmp_path: Path) -> None:
    """Reading commands name the missing file and leave no empty one."""
    with pytest.raises(NotFoundError, match="no store at"):
        ask("topics", store=tmp_path / "missing.db")
    assert not (tmp_path / "missing.db").exists()


def test_an_empty_stretch_says_where_the_posts_are(file: Path) -> None:
    """An empty trend is an empty list on stdout and a hint on stderr."""
    app = typer.Typer()
    read.register(app)
    words: list[Any] = ["trends", "--topic", TOPIC, "--until", "2020-01-01", "--json", "--store", f"sqlite:///{file}"]
    found = CliRunner().invoke(app, words)
    assert "[]\n" == found.stdout


def test_dead_letters_can_be_listed(tmp_path: Path, ask: Ask) -> None:
    """What was rejected is listed with its line, reason and bytes, as JSON and as a table."""
    path = tmp_path / "rejected.db"
    store = SqliteStore.open(path, now=lambda: NOW)
    store.reject([Rejected("missing_text: there is no text", b"7,,5", "reviews.csv:7", NOW)])
    store.close()
    found = json.loads(ask("rejected", "--json", store=path))
    assert [{"reason": "missing_text: there is no text", "raw": "7,,5", "where": "reviews.csv:7", "at": from_ms(NOW)}] == found
    assert "reviews.csv:7" in ask("rejected", store=path)
