"""`moodstream score`: every good line is scored whatever stands beside it, in constant memory."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from pipeline.cli import models as commands
from pipeline.cli.score import numbered
from pipeline.records import ScoredPost, scored_to_json

GOOD = b'{"platform":"x","post_id":"1","created_at":"2026-11-01T00:00:00Z","text":"I love this"}'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def score(lines: bytes, *options: str) -> Result:
    """Run the command on these bytes."""
    app = typer.Typer()
    commands.register(app)
    return CliRunner().invoke(app, ["score", "--model", "static", *options], input=lines)


def test_a_line_becomes_a_line_with_every_field(folder: Path) -> None:
    """All fields of a ScoredPost, exit code 0, and no file is left behind."""
    done = score(GOOD + b"\n")
    assert (0, "") == (done.exit_code, done.stderr)
    found = json.loads(done.stdout)
    assert {"emotions", "labels", "p_negative", "valence", "intensities", "model", "scored_at", "ingested_at", "weight"} <= found.keys()
    assert ("positive", ["love"], "en") == (found["sentiment"], found["labels"], found["lang"])
    assert not list(folder.iterdir())


def test_bad_lines_are_named_and_the_good_ones_scored(folder: Path) -> None:
    """Each bad line with its number on stderr, exit code 1, every good line on stdout in its order."""
    second = GOOD.replace(b'"1"', b'"2"')
    done = score(b"\n".join([GOOD, b"{bad", b"", b'{"platform":"x"}', second]))
    assert 1 == done.exit_code
    assert ["1", "2"] == [json.loads(line)["post_id"] for line in done.stdout.splitlines()]
    assert ["line 2: bad_json", "line 4: missing_id"] == [line[: line.index(":", 8)] for line in done.stderr.splitlines()]


def test_a_language_that_the_model_does_not_cover_has_no_score(folder: Path) -> None:
    """German comes back with null, not with a guess, and that is no error."""
    text = "Das ist leider überhaupt nicht gut geworden, ich bin sehr enttäuscht von euch"
    done = score(GOOD.replace(b"I love this", text.encode()))
    found = json.loads(done.stdout)
    assert (0, "de", None, None) == (done.exit_code, found["lang"], found["model"], found["p_negative"])


def test_authors_leave_as_hashes(folder: Path) -> None:
    """A handle goes in, a keyed hash comes out, the same for the same handle."""
    named = GOOD.replace(b'"text"', b'"author":"@bob","text"')
    lines = score(named + b"\n" + named + b"\n").stdout.splitlines()
    authors = {json.loads(line)["author"] for line in lines}
    assert 1 == len(authors)
    assert authors.pop().startswith("h")


def test_lines_keep_their_numbers_however_they_arrive() -> None:
    """Cut anywhere, the lines and their numbers are the same; a last line needs no end."""
    text = b"one\ntwo\n\nfour"

    class Drops(io.RawIOBase):
        """A pipe that gives three bytes at a time."""

        def __init__(self) -> None:
            self._rest = text

        def read1(self, _: int) -> bytes:
            part, self._rest = self._rest[:3], self._rest[3:]
            return part

    found = [(number + i, line) for number, lines in numbered(Drops(), 100) for i, line in enumerate(lines)]  # type: ignore[arg-type]
    assert [(1, b"one"), (2, b"two"), (3, b""), (4, b"four")] == found


def test_of_an_endless_line_little_is_kept() -> None:
    """A line of 5 MB over a limit of 1,000 bytes is cut, but still over the limit, so that it is rejected."""
    stream = io.BytesIO(b"x" * 5_000_000 + b"\nshort\n")
    ((_, (long, short)),) = [part for part in numbered(stream, 1_000) if part[1]]
    assert 1_000 < len(long) <= 1_001 + (1 << 20)
    assert b"short" == short


def test_the_json_form_is_that_of_the_records(folder: Path) -> None:
    """The command adds nothing to and leaves nothing out of `scored_to_json`."""
    from pipeline.records import Post

    post = Post("x", "1", 0, "")
    keys = scored_to_json(ScoredPost(post, (), None, 0, 0)).keys()
    assert keys == json.loads(score(GOOD).stdout).keys()
