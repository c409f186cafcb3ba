"""SIGKILL in the middle of a spike: one message, and the same incident as without it (row 20)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import streams
from flow import crashing
from streams import Bench

from consumers.stores.sqlite import SqliteStore
from pipeline.incidents import full_json
from pipeline.verify import verify_all

KILLS = 20
HERE = Path(__file__).parent


def go_on(folder: Path, at: int = 0) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(streams.__file__).parent), str(HERE.parents[1])])
    command = [sys.executable, str(HERE / "crashing.py"), str(folder), str(at)]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=100)


def outcome(folder: Path) -> tuple[list[dict[str, Any]], list[str], int, set[int]]:
    """The incidents, the ids of the messages that arrived, how many wait, and what a check of every figure says."""
    told = folder / "told.ndjson"
    ids = [json.loads(line)["id"] for line in told.read_text(encoding="utf-8").splitlines()] if told.exists() else []
    with closing(SqliteStore.open(folder / "store.db", now=lambda: crashing.LAST)) as store:
        incidents = store.incidents()
        found = [full_json(store, incident) for incident in incidents]
        return found, ids, len(store.pending(2**60)), {result.exit_code for result in verify_all(store, incidents)}


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store just before the spike."""
    folder = tmp_path_factory.mktemp("calm")
    bench = Bench(folder)
    bench.play([item for item in crashing.POSTS if item.ingested_at <= crashing.FIRST], crashing.FIRST, skip=crashing.FIRST)
    bench.store.close()
    return folder


@pytest.fixture(scope="module")
def undisturbed(calm: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The same without a kill, and how many statements it took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(calm, folder, dirs_exist_ok=True)
    ended = go_on(folder)
    assert 0 == ended.returncode, ended.stderr
    return folder, int(ended.stdout)


@pytest.mark.parametrize("kill", range(KILLS))
def test_a_kill_loses_and_doubles_no_message(calm: Path, undisturbed: tuple[Path, int], tmp_path: Path, kill: int) -> None:
    """At any of twenty points from before the spike to after its alert: one message, equal incidents, every figure recomputes."""
    folder, statements = undisturbed
    shutil.copytree(calm, tmp_path, dirs_exist_ok=True)
    killed = go_on(tmp_path, 1 + kill * (statements - 2) // (KILLS - 1))
    assert -9 == killed.returncode, killed.stderr
    ended = go_on(tmp_path)
    assert 0 == ended.returncode, ended.stderr
    incidents, ids, waiting, checks = outcome(tmp_path)
    expected, once, _, _ = outcome(folder)
    assert (expected, set(once), 0, {0}) == (incidents, set(ids), waiting, checks)
    assert 1 == len(set(ids))
    assert max(Counter(ids).values()) <= 2  # told and killed before it was noted: again, under the same id
