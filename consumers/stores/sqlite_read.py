"""Reading documents and trends."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from sqlite3 import Connection
from typing import Any

import orjson

from consumers.stores.revision import LAST_TIME, storable
from consumers.stores.sqlite_incidents import state
from consumers.stores.sqlite_meta import get_meta, topic_number
from consumers.stores.sqlite_rows import SELECT_POST, TIE_BITS, document_of, first_key
from consumers.stores.sqlite_schema import MODELS, SUM_COLUMNS
from pipeline.confusion import Known, recall
from pipeline.ports import Change
from pipeline.records import BIN, HOUR, ScoredPost, TopicSummary, TrendPoint
from pipeline.trends import Sums, check_every, effective_n, estimate_of, floor_to, share_of, trend_point

_SUMMED = ", ".join(f"SUM({name}) AS {name}" for name in SUM_COLUMNS)
_HOURS = f"""
    SELECT start, {MODELS} AS models, n_raw, {", ".join(SUM_COLUMNS)} FROM hours
    WHERE topic = ?1 AND start >= ?2 AND start < ?3 ORDER BY start"""
_BUCKETS_OF_HOURS = f"""
    SELECT start / ?4 * ?4 AS bucket, GROUP_CONCAT(models), SUM(n_raw), {_SUMMED} FROM ({_HOURS}) GROUP BY bucket ORDER BY bucket"""
_BUCKETS_OF_BINS = f"""
    SELECT start / ?4 * ?4 AS bucket, GROUP_CONCAT({MODELS}), SUM(n_raw), {_SUMMED} FROM bins
    WHERE topic = ?1 AND dated IN (0, 1) AND start >= ?2 AND start < ?3 GROUP BY bucket ORDER BY bucket"""


def trend(connection: Connection, topic: str, every: int, since: int | None, until: int | None) -> list[TrendPoint]:
    """Buckets of `every` ms; from the hours where they fit, else from the bins. `since` and `until` are widened to whole ones."""
    check_every(every)
    number = topic_number(connection, topic)
    unit = BIN if every % HOUR else HOUR
    bounds = (number, 0 if since is None else floor_to(since, unit), LAST_TIME + 1 if until is None else until)
    if every == HOUR:
        rows = connection.execute(_HOURS, bounds)
    else:
        rows = connection.execute(_BUCKETS_OF_BINS if every % HOUR else _BUCKETS_OF_HOURS, (*bounds, every))
    known = confusions(connection)
    return [trend_point(topic, start, _sums(models, *sums), known) for start, models, _, *sums in rows.fetchall()]


def confusions(connection: Connection) -> Known:
    """What the models confuse, as this store was told."""
    return recall(partial(state, connection))


def _sums(
    models: str | None, volume: int, weight: int, squared: int, negative: int, intensity: int, valence: int, arousal: int, *emotions: int
) -> Sums:
    return Sums(volume, weight, squared, negative, intensity, valence, arousal, emotions, _names(models))


def _names(models: str | None) -> tuple[str, ...]:
    """Names with commas between → names; none if one of them isn't known."""
    names = set() if models is None else set(models.split(","))
    return () if "" in names else tuple(sorted(names))


def topics(connection: Connection) -> list[TopicSummary]:
    """All topics with the totals of what is stored, from the hours after the retention horizon."""
    known = confusions(connection)
    rows = connection.execute(
        f"""SELECT topics.name, COALESCE(SUM(posts), 0), MIN(first), MAX(last), GROUP_CONCAT(DISTINCT {MODELS}),
               COALESCE(SUM(weight), 0), COALESCE(SUM(weight_squared), 0), COALESCE(SUM(negative), 0),
               (SELECT COUNT(*) FROM incidents WHERE incidents.topic = topics.name AND open)
           FROM topics LEFT JOIN hours ON hours.topic = topics.topic AND hours.start >= ?
           GROUP BY topics.topic ORDER BY topics.name""",
        (get_meta(connection, "horizon"),),
    )
    return [_summary(row, known) for row in rows.fetchall()]


def _summary(row: tuple[Any, ...], known: Known) -> TopicSummary:
    name, posts, first, last, models, weight, squared, negative, open_incidents = row
    share, low, high = share_of(weight, squared, negative)
    estimated = estimate_of(share, effective_n(weight, squared), _names(models), known)
    return TopicSummary(name, posts, first, last, share, low, high, open_incidents, *estimated)


def posts(
    connection: Connection, topic: str, since: int, until: int, limit: int, as_of: int | None, newest_first: bool
) -> list[ScoredPost]:
    """Dated posts of a topic by event time; those of one millisecond by id, whatever the order in which they came."""
    where = "t.topic = ? AND t.dated = 1 AND t.post >= ? AND t.post < ? AND t.ingested_at <= ?"
    order = "DESC" if newest_first else "ASC"
    number = topic_number(connection, topic)
    bounds = [number, first_key(since), first_key(until), LAST_TIME if as_of is None else as_of]
    edge = connection.execute(
        f"SELECT t.post >> {TIE_BITS} FROM topic_posts t WHERE {where} ORDER BY t.post {order} LIMIT 1 OFFSET ?",
        (*bounds, max(limit - 1, 0)),
    ).fetchone()
    if edge is not None:  # all of the last post's millisecond, so that ties are cut by id
        bounds[1 if newest_first else 2] = first_key(edge[0] if newest_first else edge[0] + 1)
    rows = connection.execute(
        f"{SELECT_POST} FROM topic_posts t CROSS JOIN posts p ON p.key = t.post WHERE {where} ORDER BY p.created_at {order}, p.id LIMIT ?",
        (*bounds, limit),
    )
    return [document_of(row).item for row in rows]


def get(connection: Connection, ids: Sequence[str]) -> dict[str, ScoredPost]:
    """Posts by identity, in the order asked for; those that are not there are left out."""
    query = f"{SELECT_POST} FROM posts p WHERE p.id IN (SELECT value FROM json_each(?))"
    wanted = orjson.dumps([post_id for post_id in ids if storable(post_id)]).decode()
    found = {row[1]: document_of(row).item for row in connection.execute(query, (wanted,))}
    return {post_id: found[post_id] for post_id in ids if post_id in found}


def count(connection: Connection, topic: str | None) -> int:
    """Stored posts, of one topic or of all."""
    if topic is None:
        return get_meta(connection, "documents")
    query = "SELECT COALESCE(SUM(posts), 0) FROM hours WHERE topic = ? AND start >= ?"
    return int(connection.execute(query, (topic_number(connection, topic), get_meta(connection, "horizon"))).fetchone()[0])


def latest(connection: Connection) -> tuple[int | None, int | None]:
    """(newest event time of dated posts, the watermark)."""
    query = """SELECT MAX((SELECT MAX(post) FROM topic_posts t WHERE t.topic = all_topics.topic AND t.dated = 1))
               FROM (SELECT topic FROM topics UNION ALL SELECT 0) AS all_topics"""
    (key,) = connection.execute(query).fetchone()
    return None if key is None else key >> TIE_BITS, get_meta(connection, "watermark") or None


def changes(connection: Connection, topic: str, since: int, until: int, after: int) -> list[Change]:
    """What became of posts created in [since, until) after `after`, oldest first; expired posts are counted per hour."""
    rows = connection.execute(
        """SELECT kind, created_at, at, count FROM changes
           WHERE topic = ? AND created_at >= CASE kind WHEN 'expired' THEN ? ELSE ? END AND created_at < ? AND at > ?
           ORDER BY at, created_at, kind""",
        (topic_number(connection, topic), floor_to(since, HOUR), since, until, after),
    )
    return [Change(kind, topic, created_at, at, number) for kind, created_at, at, number in rows]
