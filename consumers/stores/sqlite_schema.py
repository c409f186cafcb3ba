"""The tables of a SQLite store, and how an older file becomes a newer one.

posts         one row per document; `key` puts them in the order of event time (sqlite_rows.py)
topic_posts   which posts a topic has, with what a bin needs, so that bins are summed without touching the texts
bins, hours   sums recomputed from the posts of `dirty` bins; `changed` are those that `refresh` has not reported yet
search        the full-text index; it holds no text of its own
tombstones    hashes of deleted identities; `changes` says what was erased, edited, expired or re-scored
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.errors import StoreError
from pipeline.records import EMOTIONS, INTENSITIES

EMOTION_COLUMNS = tuple(f"e_{name}" for name in EMOTIONS)
INTENSITY_COLUMNS = tuple(f"i_{name}" for name in INTENSITIES)
SCORE_COLUMNS = ("p_negative", "p_neutral", "p_positive", "valence", "arousal", "intensity", *EMOTION_COLUMNS, *INTENSITY_COLUMNS)
POST_COLUMNS = (
    "key", "id", "platform", "created_at", "text", "event", "kind", "lang", "author", "parent_id", "root_id",
    "url", "rating", "reach", "source", "dated", "assigned", "topics", "labels", "sentiment", "model", "scored_at",
    "ingested_at", "revised_at", "weight", *SCORE_COLUMNS,
)  # fmt: skip
SUM_COLUMNS = ("volume", "weight", "weight_squared", "negative", "intensity", "valence", "arousal", *EMOTION_COLUMNS)
HOUR_COLUMNS = ("posts", "first", "last", "n_raw", *SUM_COLUMNS)
BIN_COLUMNS = (*HOUR_COLUMNS, "authors", "distinct_texts")

# The names of the models that scored a row's posts, with commas between; an empty name stands for posts from before they were kept.
MODELS = "CASE WHEN models IS NULL AND n_raw > 0 THEN '' ELSE models END"

Migration = Callable[[sqlite3.Connection], None]


def _integers(columns: Sequence[str]) -> str:
    return ", ".join(f"{name} INTEGER" for name in columns)


def create(connection: sqlite3.Connection) -> None:
    """Version 1, in an empty file. Numbers called e_, i_, p_, valence, arousal, intensity and weight are in 1/10,000."""
    for statement in (*_document_tables(), *_figure_tables(), *_service_tables()):
        connection.execute(statement)


def _document_tables() -> tuple[str, ...]:
    return (
        f"""CREATE TABLE posts (
            key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, platform TEXT NOT NULL, created_at INTEGER NOT NULL,
            text TEXT NOT NULL, event TEXT NOT NULL, kind TEXT NOT NULL, lang TEXT, author TEXT,
            parent_id TEXT, root_id TEXT, url TEXT, rating REAL, reach INTEGER, source TEXT, dated INTEGER NOT NULL,
            assigned TEXT NOT NULL, topics TEXT NOT NULL, labels TEXT, sentiment TEXT, model TEXT, scored_at INTEGER NOT NULL,
            ingested_at INTEGER NOT NULL, revised_at INTEGER NOT NULL, weight INTEGER NOT NULL, {_integers(SCORE_COLUMNS)})""",
        "CREATE TABLE topics (topic INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
        """CREATE TABLE topic_posts (
            topic INTEGER NOT NULL, dated INTEGER NOT NULL, post INTEGER NOT NULL, weight INTEGER NOT NULL, p_negative INTEGER,
            ingested_at INTEGER NOT NULL, author INTEGER, text_key INTEGER NOT NULL, PRIMARY KEY (topic, dated, post)
        ) WITHOUT ROWID""",
        # columnsize=0: only ranking by relevance needs the sizes; without them an insert writes one row less.
        """CREATE VIRTUAL TABLE search USING fts5(
            text, topics, content='', columnsize=0, tokenize='unicode61 remove_diacritics 2')""",
        "CREATE TABLE tombstones (identity TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID",
        """CREATE TABLE changes (
            topic INTEGER NOT NULL, created_at INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, count INTEGER NOT NULL)""",
        "CREATE INDEX changes_of_topic ON changes (topic, created_at)",
    )


def _figure_tables() -> tuple[str, ...]:
    bin_key = "topic INTEGER NOT NULL, dated INTEGER NOT NULL, start INTEGER NOT NULL"
    return (
        f"CREATE TABLE bins ({bin_key}, {_integers(BIN_COLUMNS)}, PRIMARY KEY (topic, dated, start)) WITHOUT ROWID",
        f"""CREATE TABLE hours (
            topic INTEGER NOT NULL, start INTEGER NOT NULL, {_integers(HOUR_COLUMNS)}, PRIMARY KEY (topic, start)) WITHOUT ROWID""",
        f"CREATE TABLE dirty ({bin_key}, PRIMARY KEY (topic, dated, start)) WITHOUT ROWID",
        "CREATE TABLE changed (topic INTEGER NOT NULL, start INTEGER NOT NULL, PRIMARY KEY (topic, start)) WITHOUT ROWID",
    )


def _service_tables() -> tuple[str, ...]:
    return (
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE state (name TEXT PRIMARY KEY, data BLOB NOT NULL)",
        """CREATE TABLE dead_letters (
            letter INTEGER PRIMARY KEY, identity BLOB NOT NULL UNIQUE, place TEXT NOT NULL, reason TEXT NOT NULL,
            raw BLOB NOT NULL, at INTEGER NOT NULL)""",
        """CREATE TABLE incidents (
            id TEXT PRIMARY KEY, topic TEXT NOT NULL, onset INTEGER NOT NULL, open INTEGER NOT NULL, record TEXT NOT NULL)""",
        "CREATE INDEX incidents_by_onset ON incidents (onset)",
        """CREATE TABLE outbox (
            id TEXT PRIMARY KEY, incident TEXT NOT NULL, transition TEXT NOT NULL, receiver TEXT NOT NULL, subject TEXT NOT NULL,
            body TEXT NOT NULL, created_at INTEGER NOT NULL, due INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
            error TEXT, delivered_at INTEGER)""",
        "CREATE INDEX outbox_waiting ON outbox (due) WHERE delivered_at IS NULL",
    )


def name_the_models(connection: sqlite3.Connection) -> None:
    """Version 2: bins and hours know which models scored their posts (names with commas between; null in what is older)."""
    for table in ("bins", "hours"):
        connection.execute(f"ALTER TABLE {table} ADD COLUMN models TEXT")


MIGRATIONS: tuple[Migration, ...] = (create, name_the_models)  # the n-th makes version n of version n − 1


def migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring a file to the newest version, each step in a transaction of its own, after a copy to FILE.v<n>.bak.

    StoreError when the file is newer than the program, or is another program's database.
    """
    newest = len(migrations)
    found = _version(connection, path)
    if found > newest:
        raise StoreError(f"{path} is a store of version {found}; this moodstream reads up to version {newest}: use a newer moodstream")
    if 0 < found < newest:
        _back_up(connection, path.with_name(f"{path.name}.v{found}.bak"))
    for version in range(found + 1, newest + 1):
        _step(connection, path, migrations[version - 1], version)


def _version(connection: sqlite3.Connection, path: Path) -> int:
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if (found == 0 and tables) or (found > 0 and "posts" not in tables):
        raise StoreError(f"{path} is a SQLite database but not a store of moodstream: give another --store")
    return found


def _back_up(connection: sqlite3.Connection, copy: Path) -> None:
    target = sqlite3.connect(copy)
    try:
        connection.backup(target)
    finally:
        target.close()


def _step(connection: sqlite3.Connection, path: Path, migration: Migration, version: int) -> None:
    """One migration; a second process that came to it at the same time finds it done."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version(connection, path) < version:
            migration(connection)
            connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
