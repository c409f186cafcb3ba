"""What only the SQLite store does: forgetting words for good, slices of retention, keys in the order of time."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from contracts.store_samples import FOREVER, T0, ids, incident, message, scored

from consumers.stores import sqlite_bins, sqlite_expire, sqlite_search
from consumers.stores.revision import LAST_TIME
from consumers.stores.sqlite import SqliteStore
from consumers.stores.sqlite_rows import TIE_BITS, first_key
from pipeline.records import DAY, HOUR, MINUTE, Rejected

WORD = "zyxquorblat"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the test's store lies."""
    return tmp_path / "store.db"


@pytest.fixture
def store(file: Path) -> Iterator[SqliteStore]:
    """A store in that file."""
    with closing(SqliteStore(file, now=lambda: T0 + DAY)) as opened:
        yield opened


def holds(file: Path, word: str) -> bool:
    """Is the word anywhere in the store's files?"""
    return any(word.encode() in path.read_bytes() for path in file.parent.glob(f"{file.name}*"))


@pytest.mark.parametrize("how", ["erase", "delete", "edit", "expire"])
def test_words_that_are_gone_leave_index_and_log(store: SqliteStore, file: Path, how: str) -> None:
    """After the removal and one refresh no byte of the word is left in the file, its log or its index."""
    old = scored(9999, at=T0 - DAY, text=f"{WORD} and tea")
    for batch in range(6):
        store.write([scored(batch * 500 + k) for k in range(500)] + [old])
    assert holds(file, WORD)
    if how == "erase":
        store.erase("net", "9999", T0 + DAY)
    elif how == "expire":
        store.expire(T0)
    else:
        store.write([replace(old, post=replace(old.post, event=how, text="something else"))])
    store.refresh()
    assert not holds(file, WORD)


def test_after_a_scrub_no_byte_is_left(store: SqliteStore, file: Path) -> None:
    """Pages that overflowed while posts came in no order may hold old copies of their rows; a scrub rewrites them."""
    rng = random.Random(3)
    words = [f"{rng.randbytes(12).hex()}" for _ in range(2000)]
    moments = [T0 + rng.randrange(DAY) for _ in words]
    for start in range(0, len(words), 200):
        some = range(start, start + 200)
        store.write([scored(k, moments[k], post_id=words[k][::-1], text=words[k] + "." * rng.randrange(300)) for k in some])
    erased = rng.sample(words, 300)
    for word in erased:
        store.erase("net", word[::-1], T0)
    store.scrub()
    raw = b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))
    assert [] == [word for word in erased if word.encode() in raw or word[::-1].encode() in raw]
    assert 1700 == store.count()


def test_a_large_index_is_purged_in_slices(store: SqliteStore, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each refresh rewrites a part, and a restart goes on where it was."""
    monkeypatch.setattr(sqlite_search, "PURGE_PAGES", 1)
    rng = random.Random(1)
    for batch in range(8):
        texts = [" ".join(rng.randbytes(4).hex() for _ in range(15)) for _ in range(500)]
        store.write([scored(batch * 500 + k, text=text) for k, text in enumerate(texts)])
    store.write([scored(9999, text=f"{WORD} and tea")])
    store.erase("net", "9999", T0 + DAY)
    store.refresh()
    assert holds(file, WORD)
    store.close()
    with closing(SqliteStore(file, now=lambda: T0)) as again:
        again.scrub()
        assert not holds(file, WORD)
        assert 1 == len(again.search(texts[7]))


def test_a_reader_in_the_way_only_delays_the_purge(store: SqliteStore, file: Path) -> None:
    """The log can't be cut while somebody reads from it; the next refresh does it."""
    impatient = SqliteStore(file, now=lambda: T0, busy_ms=1)
    impatient.write([scored(1, text=WORD), scored(2)])
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM posts").fetchone()
        impatient.erase("net", "1", T0)
        impatient.refresh()
        assert holds(file, WORD)
        reader.execute("ROLLBACK")
    impatient.refresh()
    assert not holds(file, WORD)
    impatient.close()


def test_a_tombstone_holds_nothing_personal(store: SqliteStore, file: Path) -> None:
    """Neither the post's id nor its author is left."""
    store.write([scored(1, post_id=f"id{WORD}", author=f"by{WORD}"), scored(2)])
    store.erase("net", f"id{WORD}", T0)
    store.refresh()
    assert not holds(file, WORD)
    assert 1 == store.write([scored(1, post_id=f"id{WORD}")]).refused


def test_retention_works_in_slices(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the size of a slice, all go, the hours stay, and the changes add up."""
    store.write([scored(k, created_at=T0 + k * MINUTE) for k in range(100)])
    before = store.trend("tea", HOUR)
    monkeypatch.setattr(sqlite_expire, "EXPIRE_POSTS", 7)
    assert 60 == store.expire(T0 + HOUR)
    assert (40, before) == (store.count(), store.trend("tea", HOUR))
    assert 60 == sum(change.count for change in store.changes("tea", 0, FOREVER, 0))


def test_erasing_what_is_about_to_expire_keeps_the_hours(store: SqliteStore, file: Path) -> None:
    """A post that a crash left behind the horizon can still be erased; its hour's sums stay as they were when it expired."""
    store.write([scored(1), scored(2, created_at=T0 + HOUR)])
    before = store.trend("tea", HOUR)
    with closing(sqlite3.connect(file)) as connection:  # as after a crash between the horizon and the first slice
        sqlite_expire.set_horizon(connection, T0 + HOUR)
        connection.commit()
    assert store.erase("net", "1", T0)
    assert before == store.trend("tea", HOUR)


def test_more_posts_in_one_millisecond_than_keys_find_a_place(store: SqliteStore, file: Path) -> None:
    """A long file with one constant time: the posts after the 2,097,152nd are stored, found and counted like the others."""
    store.write([scored(1, dated=False)])
    with closing(sqlite3.connect(file)) as connection:  # stands for the 2^21 posts before
        last = first_key(T0) + 2**TIE_BITS - 1
        connection.execute("UPDATE posts SET key = ?", (last,))
        connection.execute("UPDATE topic_posts SET post = ?", (last,))
        connection.commit()
    for start in (2, 5):
        store.write([scored(k, dated=False, text="later") for k in range(start, start + 3)])
    assert {"2", "3", "4", "5", "6", "7"} == set(ids(store.search("later")))
    assert (7, 7, [7.0]) == (store.count("tea"), store.topics()[0].posts, [point.volume for point in store.trend("tea", HOUR)])


def test_any_time_up_to_2109_has_a_key(store: SqliteStore) -> None:
    """The first and the last millisecond; one more is an error."""
    store.write([scored(1, created_at=0), scored(2, created_at=LAST_TIME)])
    assert ["2", "1"] == ids(store.search("tea"))
    assert [0, LAST_TIME - LAST_TIME % HOUR] == [point.start for point in store.trend("tea", HOUR)]
    with pytest.raises(ValueError, match="2109"):
        store.write([scored(3, created_at=LAST_TIME + 1)])


def test_a_delivered_message_leaves_no_words(store: SqliteStore, file: Path) -> None:
    """It may quote a post that is erased later; only its id stays."""
    store.save(incident(), [message("m1")])
    store.delivered("m1", T0)
    with closing(sqlite3.connect(file)) as connection:
        assert [("m1", "", "")] == connection.execute("SELECT id, subject, body FROM outbox").fetchall()


def test_dead_letters_can_be_counted_and_forgotten(store: SqliteStore) -> None:
    """For `dlq list` and `dlq purge`."""
    store.reject([Rejected("bad: x", b"x", f"a.csv:{line}", T0) for line in range(3)])
    assert (3, 3, 0) == (store.count_dead_letters(), store.purge_dead_letters(), store.count_dead_letters())


def test_refresh_visits_only_the_bins_that_changed(store: SqliteStore, file: Path) -> None:
    """One more post costs the same in a large store: no table is read from end to end."""
    with closing(sqlite3.connect(file)) as connection:
        for statement in sqlite_bins.STATEMENTS:
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            scanned = [step for step in plan if step.startswith("SCAN") and step.split()[1] not in ("d", "dirty")]
            assert [] == [step for step in scanned if "CONSTANT" not in step], statement


def test_bins_of_an_older_version_have_their_models_from_the_documents(store: SqliteStore, file: Path) -> None:
    """Rows made before the models were kept read as those made since, and as bins as of a moment do."""
    store.write([scored(number, created_at=T0 + number * MINUTE) for number in range(20)])
    expected = store.bins(["tea"], 0, FOREVER)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE bins SET models = NULL WHERE start > ?", (T0,))
    assert expected == store.bins(["tea"], 0, FOREVER) == store.bins(["tea"], 0, FOREVER, as_of=FOREVER)
    assert {("model@1",)} == {item.models for item in expected}
