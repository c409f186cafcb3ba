"""Documents as Elasticsearch holds them, and back. Scores and weights are integers in 1/10,000, so sums over them are exact."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np

from consumers.stores.revision import Document
from pipeline.records import DAY, EMOTIONS, INTENSITIES, SCALE, Post, Score, ScoredPost
from pipeline.trends import fixed, text_key

Json = dict[str, Any]
ID_BYTES = 512  # Elasticsearch's limit
SINGLE = ("p_negative", "p_neutral", "p_positive", "valence", "arousal", "intensity")
WORD = re.compile(r"[^\W_]+")
# Han and kana are written without spaces, so each sign is a word of the index and a word of the query is a phrase of signs.
UNSPACED = re.compile("([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f])")
_COPIED = (
    "platform", "post_id", "created_at", "text", "event", "kind", "lang", "author", "parent_id", "root_id", "url", "rating",
    "reach", "source", "dated",
)  # fmt: skip


def doc_id(*parts: object) -> str:
    """Parts joined by `|`; a hash of them where that is longer than Elasticsearch allows."""
    plain = "|".join(map(str, parts))
    data = plain.encode("utf-8", "surrogatepass")
    return plain if len(data) <= ID_BYTES else "blake2b|" + hashlib.blake2b(data, digest_size=16).hexdigest()


def identity_hash(post_id: str) -> str:
    """128 bits in hexadecimal that tell a tombstone's identity again without holding it."""
    return hashlib.blake2b(post_id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def month_of(moment: int) -> str:
    """`posts-2026.11`: the index of an event's own time, so that a replay overwrites and retention drops whole indices."""
    return _month_of_day(moment // DAY)


@lru_cache(maxsize=4096)
def _month_of_day(day: int) -> str:
    return f"posts-{datetime.fromtimestamp(day * DAY // 1000, UTC):%Y.%m}"


def words_of(text: str) -> list[str]:
    """What a search looks at: letters and digits, without case and accents, in order."""
    if not text.isascii():
        plain = unicodedata.normalize("NFKD", text)
        text = UNSPACED.sub(r" \1 ", "".join(sign for sign in plain if not unicodedata.combining(sign)))
    return WORD.findall(text.casefold())


def sources_of(documents: Sequence[Document]) -> list[Json]:
    """What is stored of each document. ValueError if a number of a score is not in [−1, 1]."""
    scores = _numbers([document.item.score for document in documents])
    return [_plain(document) | numbers for document, numbers in zip(documents, scores, strict=True)]


def _plain(document: Document) -> Json:
    item = document.item
    post, score = item.post, item.score
    out: Json = {name: getattr(post, name) for name in _COPIED}
    out |= {
        "id": post.id, "words": " ".join(words_of(post.text)), "assigned": post.topics, "topics": tuple(item.topics),
        "labels": score.labels if score else None, "sentiment": score.sentiment if score else None, "model": score.model if score else None,
        "scored_at": item.scored_at, "ingested_at": item.ingested_at, "revised_at": document.revised_at,
        "weight": fixed(item.weight), "text_key": text_key(post.text),
    }  # fmt: skip
    return out


def _numbers(scores: Sequence[Score | None]) -> list[Json]:
    """The numbers of each score in 1/SCALE, rounded for the whole batch at once."""
    rows = [[getattr(s, name) for name in SINGLE] + [*s.emotions, *s.intensities] for s in scores if s is not None]
    table = np.array(rows, dtype=np.float64)
    if not (np.abs(table) <= 1).all():  # also catches NaN
        raise ValueError("a number of a score is not in [-1, 1]")
    rounded = iter(np.rint(table * SCALE).astype(int).tolist())
    return [{} if score is None else _named(next(rounded)) for score in scores]


def _named(row: list[int]) -> Json:
    first, last = len(SINGLE), len(SINGLE) + len(EMOTIONS)
    return {
        **dict(zip(SINGLE, row[:first], strict=True)),
        "emotions": dict(zip(EMOTIONS, row[first:last], strict=True)),
        "intensities": dict(zip(INTENSITIES, row[last:], strict=True)),
    }


def document_of(source: Json) -> Document:
    """The inverse of `sources_of` for one document."""
    fields: Json = {name: source.get(name) for name in _COPIED}
    post = Post(**fields, topics=tuple(source.get("assigned") or ()))
    item = ScoredPost(
        post, tuple(source.get("topics") or ()), _score(source), source["scored_at"], source["ingested_at"], source["weight"] / SCALE
    )
    return Document(item, source["revised_at"])


def _score(source: Json) -> Score | None:
    if source.get("model") is None:
        return None
    single = {name: source[name] / SCALE for name in SINGLE}
    return Score(
        emotions=tuple(source["emotions"][name] / SCALE for name in EMOTIONS),
        labels=tuple(source["labels"] or ()),
        sentiment=source["sentiment"],
        intensities=tuple(source["intensities"][name] / SCALE for name in INTENSITIES),
        model=source["model"],
        **single,
    )
