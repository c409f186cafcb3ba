"""The SQLite file: versions, damage, locks, a full disk, a kill, several threads."""

from __future__ import annotations

import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from contracts.store_samples import FOREVER, T0, scored

from consumers.stores.sqlite import SqliteStore
from consumers.stores.sqlite_schema import MIGRATIONS, migrate
from pipeline.confusion import Confusion, state_name, to_state
from pipeline.errors import StoreBlocked, StoreBusy, StoreError
from pipeline.records import BIN, HOUR

NOBODY = 65_534


def open_store(path: Path, busy_ms: int = 5_000) -> SqliteStore:
    """A store in that file."""
    return SqliteStore(path, now=lambda: T0, busy_ms=busy_ms)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the test's store lies."""
    return tmp_path / "store.db"


# ---------------------------------------------------------------- versions


NEWEST = len(MIGRATIONS)


def add_a_column(connection: sqlite3.Connection) -> None:
    """A migration as the next version may have one."""
    connection.execute("ALTER TABLE posts ADD COLUMN mood TEXT NOT NULL DEFAULT 'none'")


def add_and_fail(connection: sqlite3.Connection) -> None:
    """A migration that breaks in the middle."""
    add_a_column(connection)
    connection.execute("INSERT INTO nowhere VALUES (1)")


def columns(path: Path) -> list[str]:
    """The columns of `posts` in a file."""
    with closing(sqlite3.connect(path)) as connection:
        return [row[1] for row in connection.execute("PRAGMA table_info(posts)")]


def version(path: Path) -> int:
    """The version that a file says it has."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def make_store(path: Path) -> None:
    """A store of the present version with two posts."""
    with closing(open_store(path)) as store:
        store.write([scored(1), scored(2)])


def run_migrations(path: Path, *more: Callable[[sqlite3.Connection], None]) -> None:
    """What opening the file does in a program that has further migrations."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, path, (*MIGRATIONS, *more))


def test_an_older_store_is_migrated_after_a_backup(file: Path) -> None:
    """The posts are still there, and FILE.v<n>.bak is the store as it was."""
    make_store(file)
    run_migrations(file, add_a_column)
    backup = file.with_name(f"store.db.v{NEWEST}.bak")
    assert (NEWEST + 1, True, NEWEST, False) == (version(file), "mood" in columns(file), version(backup), "mood" in columns(backup))
    with closing(open_store(backup)) as store:
        assert 2 == store.count()
    with closing(sqlite3.connect(file)) as connection:
        assert [("net:1", "none"), ("net:2", "none")] == connection.execute("SELECT id, mood FROM posts ORDER BY id").fetchall()


def test_a_migration_that_fails_changes_nothing(file: Path) -> None:
    """The store keeps its version and its columns and opens as before."""
    make_store(file)
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        run_migrations(file, add_and_fail)
    assert (NEWEST, False) == (version(file), "mood" in columns(file))
    with closing(open_store(file)) as store:
        assert 2 == store.count()


def test_figures_of_version_1_have_no_estimate(file: Path) -> None:
    """Its bins don't say which model scored them, so an hour that holds one of them stays uncorrected when newer posts come."""
    with closing(open_store(file)) as store:
        store.write([scored(1), scored(2)])
        store.refresh()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("ALTER TABLE bins DROP COLUMN models")
        connection.execute("ALTER TABLE hours DROP COLUMN models")
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
    with closing(open_store(file)) as store:
        store.save_state(state_name("model@1"), to_state(Confusion(0.1, 0.5, 0.02, 0.06, 1e-5, 1e-5, 0.0)))
        store.write([scored(3, created_at=T0 + BIN)])
        old, new = store.trend("tea", BIN)
        assert ((), None) == (old.models, old.estimate)
        assert ("model@1",) == new.models
        assert new.estimate is not None
        assert [((), None)] == [(point.models, point.estimate) for point in store.trend("tea", HOUR)]


def test_opening_again_migrates_nothing(file: Path) -> None:
    """A store of the present version gets no backup."""
    make_store(file)
    make_store(file)
    assert [] == list(file.parent.glob("*.bak"))


def test_a_newer_store_is_refused_with_both_versions(file: Path) -> None:
    """Nothing is written to it."""
    make_store(file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 77")
    with pytest.raises(StoreError, match=rf"version 77.* up to version {NEWEST}: use a newer moodstream"):
        open_store(file)


# ---------------------------------------------------------------- files that aren't stores


def test_another_programs_database_is_refused(file: Path) -> None:
    """It is left as it is."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE contacts (name TEXT)")
    with pytest.raises(StoreError, match="not a store of moodstream"):
        open_store(file)


def test_a_file_that_is_no_database_is_refused(file: Path) -> None:
    """The message says what to do."""
    file.write_bytes(b"post_id,text\n" * 500)
    with pytest.raises(StoreError, match="damaged or not a SQLite database"):
        open_store(file)


def test_a_damaged_store_is_a_store_error(file: Path) -> None:
    """Not StoreBlocked: waiting doesn't mend it."""
    make_store(file)
    with file.open("r+b") as raw:
        raw.seek(4096)
        raw.write(random.Random(1).randbytes(file.stat().st_size - 4096))
    with pytest.raises(StoreError, match="damaged") as caught, closing(open_store(file)) as store:
        store.search("tea")
    assert StoreError is type(caught.value)


def test_a_memory_store_is_refused() -> None:
    """Each thread would see another one."""
    with pytest.raises(StoreError, match="give a file"):
        SqliteStore(":memory:", now=lambda: T0)


def test_a_closed_store_says_so(file: Path) -> None:
    """A late caller gets a clear error."""
    store = open_store(file)
    store.close()
    for call in (store.topics, store.refresh):
        with pytest.raises(StoreError, match="is closed"):
            call()


# ---------------------------------------------------------------- blocked and busy


@contextmanager
def no_file_may_grow_beyond(size: int) -> Iterator[None]:
    """As on a full disk: the kernel refuses to write behind `size` bytes of any file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_blocks_the_store_and_loses_nothing(file: Path) -> None:
    """StoreBlocked, nothing of the batch is stored, reading goes on, and the same write works when there is room again."""
    with closing(open_store(file)) as store:
        store.write([scored(1)])
        store.refresh()
        batch = [scored(number) for number in range(2, 3000)]
        with no_file_may_grow_beyond(file.with_name("store.db-wal").stat().st_size):
            with pytest.raises(StoreBlocked, match="free disk space"):
                store.write(batch)
            assert (1, 1) == (store.count(), store.topics()[0].posts)
        assert len(batch) == store.write(batch).stored


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may read."""
    folder = Path(tempfile.mkdtemp(prefix="moodstream-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write everywhere, so root becomes another user for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_store_that_may_not_be_written_is_blocked(open_folder: Path) -> None:
    """The message names the file and the permissions."""
    file = open_folder / "store.db"
    make_store(file)
    file.chmod(0o444)
    open_folder.chmod(0o555)
    with as_nobody(), pytest.raises(StoreBlocked, match=r"store\.db can't be written .* permissions"):
        open_store(file)
    open_folder.chmod(0o755)


@contextmanager
def another_writer(path: Path) -> Iterator[None]:
    """Another process in the middle of a transaction."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def test_a_store_that_another_process_writes_is_busy(file: Path) -> None:
    """StoreBusy says how long to wait; then the write works."""
    with closing(open_store(file, busy_ms=1)) as store:
        with another_writer(file), pytest.raises(StoreBusy, match="another process") as caught:
            store.write([scored(1)])
        assert caught.value.seconds > 0
        assert 1 == store.write([scored(1)]).stored


def test_reading_goes_on_while_another_process_writes(file: Path) -> None:
    """Figures that can't be brought up to date are shown as of the last refresh."""
    with closing(open_store(file, busy_ms=1)) as store:
        store.write([scored(1)])
        store.refresh()
        store.write([scored(2)])
        with another_writer(file):
            assert (2, 1, [1.0]) == (store.count(), store.topics()[0].posts, [point.volume for point in store.trend("tea", HOUR)])
        assert 2 == store.topics()[0].posts


def test_two_stores_on_one_file_see_each_other(file: Path) -> None:
    """As when one process ingests and another shows the page."""
    with closing(open_store(file)) as one, closing(open_store(file)) as other:
        one.write([scored(1)])
        assert 1 == other.topics()[0].posts
        assert 1 == other.write([scored(1)]).repeated
        other.write([scored(2, ingested_at=T0)])
        assert [scored(1).ingested_at + 1] == [item.ingested_at for item in one.get(["net:2"]).values()]


def test_readers_see_whole_batches(file: Path) -> None:
    """Four threads read while one writes: documents and totals are those of a whole number of batches, and never go back."""
    with closing(open_store(file)) as store:
        store.add_topic("tea")
        wrong: list[str] = []
        finished = threading.Event()

        def read() -> None:
            last = 0
            while not finished.is_set():
                posts = store.topics()[0].posts
                listed = len(store.posts("tea", 0, FOREVER, 10_000))
                if posts % 50 or listed % 50 or not last <= posts <= listed:
                    wrong.append(f"{last} {posts} {listed}")
                last = posts

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for batch in range(20):
            store.write([scored(number) for number in range(batch * 50, batch * 50 + 50)])
        finished.set()
        for thread in threads:
            thread.join()
        assert ([], 1000) == (wrong, store.topics()[0].posts)


# ---------------------------------------------------------------- a kill

WRITER = """
import sys
from pathlib import Path
from contracts.store_samples import T0, scored
from consumers.stores.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]), now=lambda: T0)
number = int(sys.argv[2])
while True:
    size = 1 + number % 97
    store.write([scored(k, at=T0 + k * 1000) for k in range(number, number + size)])
    print(number, size, flush=True)
    if number % 3 == 0:
        store.refresh()
    number += size
"""


def test_acknowledged_posts_survive_sigkill(file: Path) -> None:
    """A process that writes is killed at random moments: every post whose write returned is there, and the bins agree with the posts."""
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}"}
    acknowledged: set[str] = set()
    begin = 0
    for kill_after in random.Random(3).sample(range(1, 15), 3):
        command = [sys.executable, "-c", WRITER, str(file), str(begin)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
            assert child.stdout is not None
            for _ in range(kill_after):
                number, size = map(int, child.stdout.readline().split())
                acknowledged |= {f"net:{k}" for k in range(number, number + size)}
            child.kill()
            for line in child.stdout:  # returned from before the kill, read after it
                number, size = map(int, line.split())
                acknowledged |= {f"net:{k}" for k in range(number, number + size)}
        begin = number + size
    with closing(open_store(file)) as store:
        assert set() == acknowledged - store.get(sorted(acknowledged)).keys()
        assert store.bins(["tea"], 0, FOREVER, as_of=FOREVER) == store.bins(["tea"], 0, FOREVER)
        assert store.count() == store.topics()[0].posts == sum(one.volume for one in store.bins(["tea"], 0, FOREVER))
