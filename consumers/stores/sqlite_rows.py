"""Documents as rows of the table `posts`, and back.

The row's key is `created_at · 2^21 + a number`, so the rows, the posts of a topic and the matches of a search all lie in the
order of event time: the newest come first without sorting, and a range of time is a range of keys. The number tells apart
the posts of one millisecond (up to 2,097,152 of them; after that the next free millisecond's place is taken).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from consumers.stores.revision import LAST_TIME, Document
from consumers.stores.sqlite_schema import POST_COLUMNS, SCORE_COLUMNS
from pipeline.records import EMOTIONS, SCALE, Post, Score, ScoredPost
from pipeline.trends import fixed

TIE_BITS = 21
Row = tuple[Any, ...]

NO_SCORE: tuple[None, ...] = (None,) * len(SCORE_COLUMNS)
INSERT_POST = f"INSERT INTO posts ({', '.join(POST_COLUMNS)}) VALUES ({', '.join('?' * len(POST_COLUMNS))})"
# Columns by name, with the table's alias p: SELECT_POST + " FROM … posts p …".
SELECT_POST = "SELECT " + ", ".join(f"p.{name}" for name in POST_COLUMNS)

WEIGHT, P_NEGATIVE = POST_COLUMNS.index("weight"), POST_COLUMNS.index("p_negative")
_FIRST_SCORE = len(POST_COLUMNS) - len(SCORE_COLUMNS)


def first_key(moment: int) -> int:
    """The smallest key of a post created at `moment` or later."""
    return min(max(moment, 0), LAST_TIME + 1) << TIE_BITS


def identity_hash(post_id: str) -> str:
    """128 bits in hexadecimal that tell a tombstone's identity again without holding it."""
    return hashlib.blake2b(post_id.encode(), digest_size=16).hexdigest()


def rows_of(keyed: Sequence[tuple[int, Document]]) -> list[Row]:
    """One row per (key, document). ValueError if a number of a score is not in [−1, 1]."""
    scores = [document.item.score for _, document in keyed]
    return [_plain_columns(key, document) + numbers for (key, document), numbers in zip(keyed, _score_columns(scores), strict=True)]


def _plain_columns(key: int, document: Document) -> Row:
    item = document.item
    post, score = item.post, item.score
    return (
        key, post.id, post.platform, post.created_at, post.text, post.event, post.kind, post.lang, post.author,
        post.parent_id, post.root_id, post.url, post.rating, post.reach, post.source, post.dated, _packed(post.topics),
        _packed(item.topics), _packed(score.labels) if score else None, score.sentiment if score else None,
        score.model if score else None, item.scored_at, item.ingested_at, document.revised_at, fixed(item.weight),
    )  # fmt: skip


def _score_columns(scores: Sequence[Score | None]) -> list[Row]:
    """The numbers of each score in 1/SCALE; rounded for the whole batch at once (2 µs a post, 9 µs one by one)."""
    values = [
        (s.p_negative, s.p_neutral, s.p_positive, s.valence, s.arousal, s.intensity, *s.emotions, *s.intensities)
        for s in scores
        if s is not None
    ]
    table = np.array(values, dtype=np.float64)
    if not (np.abs(table) <= 1).all():  # also catches NaN
        raise ValueError("a number of a score is not in [-1, 1]")
    numbers = iter(np.rint(table * SCALE).astype(np.int64).tolist())
    return [NO_SCORE if score is None else tuple(next(numbers)) for score in scores]


def document_of(row: Row) -> Document:
    """The inverse of `rows_of` for one row in the order of POST_COLUMNS."""
    (
        _, post_id, platform, created_at, text, event, kind, lang, author, parent_id, root_id, url, rating, reach, source,
        dated, assigned, topics, labels, sentiment, model, scored_at, ingested_at, revised_at, weight,
    ) = row[:_FIRST_SCORE]  # fmt: skip
    post = Post(
        platform, post_id[len(platform) + 1 :], created_at, text, event, kind, lang, author, parent_id, root_id, url, rating, reach, source,
        bool(dated), _unpacked(assigned),
    )  # fmt: skip
    score = None if model is None else _score(row, _unpacked(labels), sentiment, model)
    return Document(ScoredPost(post, _unpacked(topics), score, scored_at, ingested_at, weight / SCALE), revised_at)


def _score(row: Row, labels: tuple[str, ...], sentiment: str, model: str) -> Score:
    negative, neutral, positive, valence, arousal, intensity, *rest = [value / SCALE for value in row[_FIRST_SCORE:]]
    emotions, intensities = tuple(rest[: len(EMOTIONS)]), tuple(rest[len(EMOTIONS) :])
    return Score(
        emotions, labels, negative, neutral, positive, sentiment, valence, arousal, intensity, intensities, model
    )  # fmt: skip


def _packed(names: tuple[str, ...]) -> str:
    return orjson.dumps(names).decode() if names else "[]"


def _unpacked(text: str) -> tuple[str, ...]:
    return () if text == "[]" else tuple(orjson.loads(text))
