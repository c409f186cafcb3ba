"""Bins and hours: recomputed from the posts of the bins that changed, and bins as of an earlier moment."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from sqlite3 import Connection

from consumers.stores.sqlite_meta import get_meta, topic_number
from consumers.stores.sqlite_rows import TIE_BITS, first_key
from consumers.stores.sqlite_schema import BIN_COLUMNS, EMOTION_COLUMNS, HOUR_COLUMNS, MODELS
from consumers.stores.sqlite_search import match_expression
from pipeline.records import BIN, HOUR, SCALE, Bin
from pipeline.trends import bin_of

FOREVER = 2**62  # ms: after every arrival

# What bins are made of, over rows of topic_posts called t: stored bins and bins as of a moment are the same expressions.
FIGURES = {
    "volume": "SUM(t.weight)",
    "weight": "SUM(CASE WHEN t.p_negative IS NULL THEN 0 ELSE t.weight END)",
    "n_raw": "COUNT(t.p_negative)",
    "negative": "COALESCE(SUM(t.weight * t.p_negative), 0)",
    "authors": "COUNT(DISTINCT t.author) + SUM(t.author IS NULL)",
    "distinct_texts": "COUNT(DISTINCT t.text_key)",
}


def _mean_parts() -> dict[str, str]:
    """The other sums of a bin, for trends: they need the score in posts, called p."""
    weighted = {name: f"COALESCE(SUM(t.weight * p.{name}), 0)" for name in ("intensity", "valence", "arousal", *EMOTION_COLUMNS)}
    return {
        "posts": "COUNT(*)",
        "first": "MIN(p.created_at)",
        "last": "MAX(p.created_at)",
        "weight_squared": f"SUM(CASE WHEN t.p_negative IS NULL THEN 0 ELSE t.weight * t.weight / {SCALE} END)",
        **weighted,
    }


_SUMS = {**FIGURES, **_mean_parts()}
_INTENSITY = _SUMS["intensity"]
_START = f"(t.post >> {TIE_BITS}) / {BIN} * {BIN}"
Row = tuple[int, int, int, int, int, int, int, int, str | None]  # start, FIGURES, intensity, models with commas between
_BINS_FROM_POSTS = f"""
    INSERT INTO bins (topic, dated, start, models, {", ".join(BIN_COLUMNS)})
    SELECT d.topic, d.dated, d.start, GROUP_CONCAT(DISTINCT p.model), {", ".join(_SUMS[name] for name in BIN_COLUMNS)}
    FROM dirty AS d
    CROSS JOIN topic_posts AS t ON t.topic = d.topic AND t.dated = d.dated
        AND t.post >= d.start << {TIE_BITS} AND t.post < (d.start + {BIN}) << {TIE_BITS}
    CROSS JOIN posts AS p ON p.key = t.post
    GROUP BY d.topic, d.dated, d.start"""

_MERGED = {"first": "MIN(b.first)", "last": "MAX(b.last)"}
_HOURS_FROM_BINS = f"""
    INSERT INTO hours (topic, start, models, {", ".join(HOUR_COLUMNS)})
    SELECT d.topic, d.hour, GROUP_CONCAT({MODELS}), {", ".join(_MERGED.get(name, f"SUM(b.{name})") for name in HOUR_COLUMNS)}
    FROM (SELECT DISTINCT topic, start - start % {HOUR} AS hour FROM dirty ORDER BY 1, 2) AS d
    CROSS JOIN bins AS b ON b.topic = d.topic AND b.dated IN (0, 1) AND b.start >= d.hour AND b.start < d.hour + {HOUR}
    GROUP BY d.topic, d.hour"""


# In this order; each visits the dirty bins only.
STATEMENTS = (
    "DELETE FROM bins WHERE (topic, dated, start) IN (SELECT topic, dated, start FROM dirty)",
    _BINS_FROM_POSTS,
    f"DELETE FROM hours WHERE (topic, start) IN (SELECT topic, start - start % {HOUR} FROM dirty)",
    _HOURS_FROM_BINS,
    "INSERT OR IGNORE INTO changed SELECT topic, start FROM dirty WHERE dated",
    "DELETE FROM dirty",
)


def recompute(connection: Connection) -> None:
    """Make the dirty bins and their hours anew from the documents; what was recomputed goes to `changed`."""
    for statement in STATEMENTS:
        connection.execute(statement)


def is_dirty(connection: Connection) -> bool:
    """Does a bin differ from its documents?"""
    return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM dirty)").fetchone()[0])


def has_news(connection: Connection) -> bool:
    """Is there anything for `refresh` to do?"""
    query = "SELECT EXISTS (SELECT 1 FROM dirty) OR EXISTS (SELECT 1 FROM changed)"
    return bool(connection.execute(query).fetchone()[0]) or get_meta(connection, "purge") > 0


def take_changed(connection: Connection) -> list[tuple[str, int]]:
    """(topic, bin start) of the bins recomputed since the last call, by start then topic."""
    rows = connection.execute("SELECT topics.name, start FROM changed JOIN topics USING (topic) ORDER BY start, topics.name").fetchall()
    if rows:
        connection.execute("DELETE FROM changed")
    return rows


def bins(connection: Connection, topics: Sequence[str], since: int, until: int, as_of: int | None) -> list[Bin]:
    """The bins of some topics with since <= start < until, by start then topic."""
    found: list[Bin] = []
    for name in sorted(set(topics)):
        number = topic_number(connection, name)
        rows = _stored(connection, number, since, until) if as_of is None else _as_of(connection, number, since, until, as_of)
        found += [_bin(name, row) for row in rows]
    return sorted(found, key=lambda one: (one.start, one.topic))


def mentions(connection: Connection, topic: str, term: str, since: int, until: int, as_of: int) -> dict[int, float]:
    """Bin start → Σ weight of the topic's dated posts with a word or phrase that had arrived by `as_of`; bins without one are left out."""
    number = topic_number(connection, topic)
    expression = match_expression(f'"{term}"', number)
    if expression is None:
        return {}
    first, last = -(-since // BIN) * BIN, -(-until // BIN) * BIN
    rows = connection.execute(
        f"""SELECT {_START}, SUM(t.weight)
            FROM (SELECT rowid AS key FROM search WHERE search MATCH ? AND rowid >= ? AND rowid < ?) AS found
            CROSS JOIN topic_posts AS t ON t.topic = ? AND t.dated = 1 AND t.post = found.key
            WHERE t.ingested_at <= ? GROUP BY 1""",
        (expression, first_key(first), first_key(last), number, as_of),
    )
    return {start: weight / SCALE for start, weight in rows}


def _bin(topic: str, row: Row) -> Bin:
    start, volume, weight, n_raw, negative, authors, distinct_texts, intensity, models = row
    return bin_of(topic, start, volume, weight, n_raw, negative, authors, distinct_texts, intensity, names_of(models))


@lru_cache(maxsize=1_000)
def names_of(models: str | None) -> tuple[str, ...]:
    """The names of models kept with commas between, sorted."""
    return tuple(sorted(models.split(","))) if models else ()


def _stored(connection: Connection, topic: int, since: int, until: int) -> list[Row]:
    rows: list[Row] = connection.execute(
        f"""SELECT start, {", ".join(FIGURES)}, intensity, CASE WHEN n_raw > 0 AND models IS NULL THEN '' ELSE models END FROM bins
            WHERE topic = ? AND dated = 1 AND start >= ? AND start < ? ORDER BY start""",
        (topic, since, until),
    ).fetchall()
    old = [row[0] for row in rows if row[-1] == ""]  # made before the models were kept: read from the documents
    found = _felt(connection, topic, old, FOREVER)
    return [(*row[:7], *found[row[0]]) if row[0] in found else row for row in rows]


def _as_of(connection: Connection, topic: int, since: int, until: int, as_of: int) -> list[Row]:
    """Straight from the documents that had arrived by `as_of`; intensity and models too, where that isn't what the bin has."""
    first, last = first_key(-(-since // BIN) * BIN), first_key(-(-until // BIN) * BIN)
    counted = connection.execute(
        f"""SELECT {_START}, {", ".join(FIGURES.values())} FROM topic_posts AS t
            WHERE t.topic = ? AND t.dated = 1 AND t.post >= ? AND t.post < ? AND t.ingested_at <= ?
            GROUP BY 1 ORDER BY 1""",
        (topic, first, last, as_of),
    ).fetchall()
    changed = connection.execute(
        f"""SELECT {_START} FROM topic_posts AS t WHERE t.topic = ? AND t.dated = 1 AND t.post >= ? AND t.post < ? AND t.ingested_at > ?
            UNION SELECT start FROM dirty WHERE topic = ? AND dated = 1""",
        (topic, first, last, as_of, topic),
    )
    differ = {start for (start,) in changed}
    same: dict[int, tuple[int, str | None]] = {row[0]: row[7:] for row in _stored(connection, topic, since, until) if row[0] not in differ}
    felt = same | _felt(connection, topic, [start for start, *_ in counted if start not in same], as_of)
    return [(*row, *felt[row[0]]) for row in counted]


def _felt(connection: Connection, topic: int, starts: Sequence[int], as_of: int) -> dict[int, tuple[int, str | None]]:
    """Start → intensity and models of some bins from their documents: 3 µs a post, four times what the other figures cost."""
    found: dict[int, tuple[int, str | None]] = {}
    for start in starts:
        row = connection.execute(
            f"""SELECT {_INTENSITY}, GROUP_CONCAT(DISTINCT p.model) FROM topic_posts AS t CROSS JOIN posts AS p ON p.key = t.post
                WHERE t.topic = ? AND t.dated = 1 AND t.post >= ? AND t.post < ? AND t.ingested_at <= ?""",
            (topic, first_key(start), first_key(start + BIN), as_of),
        ).fetchone()
        found[start] = row
    return found
