"""The command erase."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from seeded import NOW, seeded_store
from typer.testing import CliRunner

from consumers.stores.sqlite import SqliteStore
from pipeline.cli import erase
from pipeline.errors import InputError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "erase.db"
    seeded_store(path, days=0.1, rate=2.0).close()
    return path


def run(*words: str) -> int:
    app = typer.Typer()
    erase.register(app)
    return CliRunner().invoke(app, list(words), catch_exceptions=False).exit_code


def test_an_erased_post_is_gone(file: Path) -> None:
    """The post leaves the store, and a second try says with exit code 1 that there is none."""
    store = SqliteStore.open(file, now=lambda: NOW)
    topic = store.topics()[0].topic
    gone = store.posts(topic, 0, NOW, 1)[0].id
    before = store.count()
    assert 0 == run(gone, "--store", f"sqlite:///{file}")
    assert {} == store.get([gone])
    assert before - 1 == store.count()
    assert 1 == run(gone, "--store", f"sqlite:///{file}")
    store.close()


def test_a_scrub_leaves_no_byte(file: Path) -> None:
    """The words of an erased post are not in the file any more."""
    store = SqliteStore.open(file, now=lambda: NOW)
    gone = store.posts(store.topics()[0].topic, 0, NOW, 1)[0]
    store.close()
    assert gone.post.post_id.encode() in file.read_bytes()
    assert 0 == run(gone.id, "--store", f"sqlite:///{file}", "--scrub")
    assert gone.post.post_id.encode() not in file.read_bytes()


def test_a_wrong_identity_is_told(file: Path) -> None:
    """What is no PLATFORM:POST_ID is an error that shows the form."""
    with pytest.raises(InputError, match="PLATFORM:POST_ID"):
        run("1234", "--store", f"sqlite:///{file}")
