"""Retention: documents go, the hourly sums of their hours stay as they are."""

from __future__ import annotations

from collections import Counter
from sqlite3 import Connection

from consumers.stores.sqlite_bins import recompute
from consumers.stores.sqlite_meta import advance, get_meta, set_meta, topic_numbers
from consumers.stores.sqlite_rows import SELECT_POST, document_of, first_key
from consumers.stores.sqlite_write import remove
from pipeline.records import HOUR
from pipeline.trends import floor_to

EXPIRE_POSTS = 5_000  # removed by one transaction, so that a writer waits 0.3 s at most


def set_horizon(connection: Connection, before: int) -> int:
    """Freeze the hours before `before` (rounded down to the hour, never back) and forget their bins; the new horizon."""
    horizon = max(floor_to(before, HOUR), get_meta(connection, "horizon"))
    recompute(connection)
    set_meta(connection, "horizon", horizon)
    connection.execute("DELETE FROM bins WHERE topic IN (SELECT topic FROM topics) AND dated IN (0, 1) AND start < ?", (horizon,))
    return horizon


def expire_slice(connection: Connection, horizon: int, now: int) -> int:
    """Remove some of the oldest documents before the horizon and record how many per topic and hour; 0 when none is left."""
    query = f"{SELECT_POST} FROM posts p WHERE p.key < ? ORDER BY p.key LIMIT ?"
    keyed = [(row[0], document_of(row)) for row in connection.execute(query, (first_key(horizon), EXPIRE_POSTS))]
    if not keyed:
        return 0
    numbers = topic_numbers(connection, [topic for _, document in keyed for topic in document.item.topics])
    remove(connection, keyed, numbers)
    at = advance(connection, [now, get_meta(connection, "watermark") + 1])
    counts = Counter((numbers[topic], floor_to(d.item.post.created_at, HOUR)) for _, d in keyed for topic in d.item.topics)
    connection.executemany(
        "INSERT INTO changes (topic, created_at, at, kind, count) VALUES (?, ?, ?, 'expired', ?)",
        [(topic, hour, at, count) for (topic, hour), count in sorted(counts.items())],
    )
    return len(keyed)
