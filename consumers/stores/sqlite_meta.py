"""Small facts of a store: the watermark, the retention horizon, the count of documents, a purge that is due, the topics."""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Connection

from pipeline.errors import NotFoundError


def get_meta(connection: Connection, name: str) -> int:
    """A number by name, 0 when it was never set."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def set_meta(connection: Connection, name: str, value: int) -> None:
    """Set a number."""
    connection.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value))


def add_meta(connection: Connection, name: str, amount: int) -> None:
    """Add to a number."""
    set_meta(connection, name, get_meta(connection, name) + amount)


def advance(connection: Connection, moments: Iterable[int]) -> int:
    """Move the watermark to the latest of `moments` (never back) and return it.

    The watermark is what `latest` hands out as the newest `ingested_at`. Every transaction that adds or changes documents moves it
    by at least 1 ms, so figures taken as of a watermark can be recomputed: whatever is stored later counts as later.
    """
    watermark = max([get_meta(connection, "watermark"), *moments])
    set_meta(connection, "watermark", watermark)
    return watermark


def topic_numbers(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """The numbers of topics by name; new ones are made."""
    wanted = set(names)
    known = all_topics(connection)
    for name in sorted(wanted - known.keys()):
        known[name] = int(connection.execute("INSERT INTO topics (name) VALUES (?)", (name,)).lastrowid or 0)
    return {name: known[name] for name in wanted}


def all_topics(connection: Connection) -> dict[str, int]:
    """Every topic's number by name."""
    return dict(connection.execute("SELECT name, topic FROM topics ORDER BY name"))


def topic_number(connection: Connection, name: str) -> int:
    """A known topic's number; NotFoundError with the nearest name otherwise."""
    row = connection.execute("SELECT topic FROM topics WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise NotFoundError.of("topic", name, all_topics(connection))
    return int(row[0])
