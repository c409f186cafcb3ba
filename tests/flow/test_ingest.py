"""The command `ingest` on real files and a real store: nothing lost, nothing twice, whatever interrupts it."""

from __future__ import annotations

import csv
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import typer
from typer.testing import CliRunner

from pipeline.cli import ingest
from pipeline.errors import InputError, MoodstreamError, NotFoundError, StoreBlocked
from pipeline.records import DAY, HOUR, MINUTE, ScoredPost, to_ms
from pipeline.wiring import open_store
from producers.stories import WIPED, Story
from producers.subjects import demo_topics
from producers.synthetic import Synthetic, write_ndjson

ROWS = 2 * ingest.BATCH_ROWS + 500
app = typer.Typer()
app.callback()(lambda: None)
ingest.register(app)
REVIEWS = ("Absolutely wonderful, silky and comfortable", "awful fit, I am so angry", "it runs small", "I love, love, love it", "")


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of reviews; one in five has no text, and each sentence comes often."""
    path = tmp_path_factory.mktemp("reviews") / "reviews.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["n", "Review Text", "Rating"])
        for i in range(ROWS):
            text = REVIEWS[i % 5]
            writer.writerow([i, f"{text} {i // 50}" if text else "", 1 + i % 5])
    return path


def url(folder: Path, name: str = "store.db") -> str:
    return f"sqlite:///{folder}/{name}"


def arguments(file: Path, store: str, *more: str) -> list[str]:
    options = [
        "--platform",
        "shop",
        "--map",
        "text=Review Text",
        "--map",
        "rating=Rating",
        "--topic",
        "dresses",
        "--created-at",
        "2026-11-01",
    ]
    return ["ingest", str(file), *options, "--store", store, "--json", *more]


def run(arguments: list[str]) -> dict[str, Any]:
    """What the command wrote as JSON; an error of ours is raised."""
    result = CliRunner().invoke(app, arguments)
    if isinstance(result.exception, MoodstreamError):
        raise result.exception
    assert 0 == result.exit_code, result.output
    answer: dict[str, Any] = orjson.loads(result.stdout)
    assert answer.pop("seconds") > 0
    return answer


def content(store: str) -> tuple[dict[str, object], set[tuple[str, bytes]]]:
    """Every document without its times of arrival and scoring, and every dead letter."""
    opened = open_store(store)
    try:
        with sqlite3.connect(store.removeprefix("sqlite:///")) as connection:
            ids = [row[0] for row in connection.execute("SELECT id FROM posts")]
        found = opened.get(ids)
        return {key: _settled(item) for key, item in found.items()}, {(item.where, item.raw) for item in opened.dead_letters(10**6)}
    finally:
        opened.close()


def _settled(item: ScoredPost) -> object:
    return item.post, item.topics, item.score, item.weight


@pytest.fixture(scope="module")
def once(reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The store of one undisturbed run."""
    store = url(tmp_path_factory.mktemp("once"))
    bad = ROWS // 5
    assert {"rows": ROWS, "stored": ROWS - bad, "repeated": 0, "rejected": bad, "unmatched": 0} == run(arguments(reviews, store))
    return store


def test_each_row_is_stored_or_a_dead_letter(once: str, reviews: Path) -> None:
    """Stored + rejected = rows; each document is scored and belongs to the topic; each dead letter has its line and reason."""
    documents, letters = content(once)
    assert ROWS == len(documents) + len(letters)
    lines = reviews.read_bytes().splitlines(keepends=True)
    expected = {(f"reviews.csv:{n}", line) for n, line in enumerate(lines, 1) if n > 1 and (n - 2) % 5 == 4}
    assert expected == letters
    store = open_store(once)
    try:
        assert {"missing_text: there is no text"} == {item.reason for item in store.dead_letters(10)}
        (topic,) = store.topics()
        assert ("dresses", len(documents)) == (topic.topic, topic.posts)
        (found,) = store.search("wonderful silky", "dresses", limit=1)
        assert found.score is not None
        assert ("en", "review", False, to_ms("2026-11-01")) == (found.post.lang, found.post.kind, found.post.dated, found.post.created_at)
        assert [] == store.bins(["dresses"], 0, to_ms("2030-01-01"))
    finally:
        store.close()


def test_running_it_again_changes_nothing(once: str, reviews: Path, tmp_path: Path) -> None:
    """The second run knows all rows; with a row appended to the file only that one is new."""
    shutil.copy(once.removeprefix("sqlite:///"), tmp_path / "store.db")
    store, bad = url(tmp_path), ROWS // 5
    before = content(store)
    again = {"rows": ROWS, "stored": 0, "repeated": ROWS - bad, "rejected": bad, "unmatched": 0}
    assert again == run(arguments(reviews, store))
    assert before == content(store)
    copy = tmp_path / "reviews.csv"
    copy.write_bytes(reviews.read_bytes() + b'9999999,"one more",5\n')
    assert {**again, "rows": ROWS + 1, "stored": 1} == run(arguments(copy, store))
    documents, letters = content(store)
    assert before[1] == letters
    assert len(before[0]) + 1 == len(documents)
    assert before[0] == {key: documents[key] for key in before[0]}


@pytest.mark.parametrize("at", [1, ingest.BATCH_ROWS + 1])
def test_a_kill_and_a_second_run_are_as_good_as_one_run(once: str, reviews: Path, tmp_path: Path, at: int) -> None:
    """SIGKILL as soon as `at` documents are there, then the same command again: the same store as after one run."""
    store = url(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *arguments(reviews, store)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and _stored(tmp_path / "store.db") < at:
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = _stored(tmp_path / "store.db")
    assert left >= at
    answer = run(arguments(reviews, store))
    assert ROWS == answer["rows"]
    assert answer["repeated"] >= at
    assert ROWS - ROWS // 5 == answer["stored"] + answer["repeated"]
    assert content(once) == content(store)


def _stored(file: Path) -> int:
    if not file.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=0.1) as connection:
            return int(connection.execute("SELECT COUNT(*) FROM posts").fetchone()[0])
    except sqlite3.Error:
        return 0


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """As on a full disk: the kernel refuses to write behind `size` bytes of any file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_said_and_the_next_run_finishes(reviews: Path, tmp_path: Path) -> None:
    """The disk fills in the middle: the message says so and how far it got; with space again the same command does the rest."""
    store = url(tmp_path)
    with disk_of(2_000_000), pytest.raises(StoreBlocked, match=r"full.* rows are done, run the same command again for the rest"):
        run(arguments(reviews, store))
    answer = run(arguments(reviews, store))
    assert ROWS - ROWS // 5 == answer["stored"] + answer["repeated"]
    documents, letters = content(store)
    assert ROWS == len(documents) + len(letters)


def test_rows_find_their_topics_by_the_settings(tmp_path: Path) -> None:
    """Without --topic the phrases decide, and the summary counts the rows about nothing; without any topic there is an error."""
    file = tmp_path / "posts.jsonl"
    rows = [("I love this tea", "1"), ("nothing to see here", "2"), ("the coffee was cold", "3")]
    file.write_bytes(
        b"\n".join(orjson.dumps({"platform": "x", "post_id": n, "created_at": "2026-11-01", "text": text}) for text, n in rows)
    )
    config = tmp_path / "moodstream.toml"
    config.write_text('[[topics]]\nname = "tea"\nphrases = ["tea"]\n\n[[topics]]\nname = "coffee"\nphrases = ["coffee"]\n')
    answer = run(["ingest", str(file), "--config", str(config), "--store", url(tmp_path), "--json"])
    assert {"rows": 3, "stored": 2, "repeated": 0, "rejected": 0, "unmatched": 1} == answer
    store = open_store(url(tmp_path))
    try:
        assert [("coffee", 1), ("tea", 1)] == [(topic.topic, topic.posts) for topic in store.topics()]
        assert 1 == sum(found.n for found in store.bins(["tea"], 0, to_ms("2030-01-01")))
    finally:
        store.close()
    with pytest.raises(InputError, match="no topics: --topic NAME"):
        run(["ingest", str(file), "--store", url(tmp_path)])


def test_a_person_gets_a_summary(tmp_path: Path) -> None:
    """Without --json: rows, what became of them, the reasons with the first line of each, and that the topic is new."""
    file = tmp_path / "reviews.csv"
    file.write_text("Review Text,Rating\nfits well,5\n,1\nfits well,9\n,2\n")
    result = CliRunner().invoke(app, [item for item in arguments(file, url(tmp_path)) if item != "--json"])
    assert "4 rows in " in result.stdout
    assert "1 stored, 0 known before, 3 rejected, 0 about no topic" in result.stdout
    assert "2 × missing_text: there is no text (first: reviews.csv:3)" in result.stdout
    assert "1 × bad_value: rating 9 is not between 1 and 5 (first: reviews.csv:4)" in result.stdout
    assert "topic 'dresses' is new" in result.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--map", "text=Reveiw"], "did you mean 'Review Text'"),
        (["--map", "Review Text"], "is not FIELD=COLUMN"),
        (["--map", "txt=Review Text"], "did you mean 'text'"),
        (["--created-at", "soon"], "--created-at: bad_time: 'soon'"),
        (["--created-at", "1970-01-01"], "is not between 1990 and 2100"),
        (["--topic", " "], "needs a name"),
        (["--encoding", "utf-7000"], "unknown encoding"),
    ],
)
def test_options_that_can_not_be_used(reviews: Path, tmp_path: Path, changes: list[str], message: str) -> None:
    """A wrong option is an error that says what to do, and nothing is stored."""
    with pytest.raises((InputError, NotFoundError), match=message):
        run([*arguments(reviews, url(tmp_path)), *changes])
    store = open_store(url(tmp_path))
    assert (0, []) == (store.count(), store.topics())
    store.close()
    with pytest.raises(InputError, match="no such file"):
        run(arguments(tmp_path / "missing.csv", url(tmp_path)))


def test_the_real_reviews(shared_data: Path, tmp_path: Path) -> None:
    """The shop's reviews: 23,486 rows, 845 of them without text; a second run changes nothing."""
    file = shared_data / "womens_clothing_reviews" / "reviews.csv"
    first = run(arguments(file, url(tmp_path)))
    assert {"rows": 23_486, "stored": 22_641, "repeated": 0, "rejected": 845, "unmatched": 0} == first
    second = run(arguments(file, url(tmp_path)))
    assert {"rows": 23_486, "stored": 0, "repeated": 22_641, "rejected": 845, "unmatched": 0} == second


def test_an_old_incident_in_a_file_is_found_and_never_sent(tmp_path: Path) -> None:
    """Dated rows go into bins: the story that the file tells is an incident, historical, with evidence and without a message."""
    began = to_ms("2026-11-02T00:00:00Z")
    (topic,) = [topic for topic in demo_topics() if topic.name == "Orbit 5"]
    story = Story("spike", topic.name, began, 180, volume=4.0, odds=12.0, script=WIPED)
    file = tmp_path / "posts.jsonl"
    write_ndjson(file, Synthetic(7, [topic], stories=[story]).between(began - 3 * DAY, began + 3 * HOUR))
    config = tmp_path / "moodstream.toml"
    config.write_text(
        f'[[receivers]]\nname = "me"\nurl = "file:{tmp_path}/alerts"\n\n[[topics]]\nname = "Orbit 5"\nphrases = ["Orbit 5"]\n'
    )
    run(["ingest", str(file), "--config", str(config), "--store", url(tmp_path), "--topic", "Orbit 5", "--json"])
    store = open_store(url(tmp_path))
    try:
        (incident,) = store.incidents()
        assert ("Orbit 5", True, 5) == (incident.topic, incident.historical, len(incident.evidence))
        assert abs(incident.onset - began) <= 15 * MINUTE
        assert [] == store.pending(to_ms("2030-01-01"))
        assert not (tmp_path / "alerts").exists()
    finally:
        store.close()
