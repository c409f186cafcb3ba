"""Which posts a store takes and which version of one stays: rules that every store shares, so that all say the same of an input."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pipeline.records import DAY, Post, ScoredPost

LAST_TIME = 2**42 - DAY  # ms, in the year 2109: SQLite's keys of the end of its hour still fit in 63 bits
MAX_WEIGHT = 10_000  # so that the sums of 9 million such posts in one hour stay within 63 bits

Outcome = Literal["edited", "rescored", "noted"]


@dataclass(frozen=True, slots=True)
class Document:
    """A stored post and when its present version arrived (an edit's own arrival; 0 for a post that was never edited)."""

    item: ScoredPost
    revised_at: int


def check(item: ScoredPost) -> None:
    """ValueError for a post that the stages before should have stopped: it would fail its batch again and again, or spoil a sum."""
    post = item.post
    if not 0 <= post.created_at <= LAST_TIME:
        raise ValueError(f"{post.id!r}: created_at {post.created_at} is outside 1970–2109")
    if not 0 < item.weight <= MAX_WEIGHT:
        raise ValueError(f"{post.id!r}: weight {item.weight} is not in (0, {MAX_WEIGHT}]")
    if post.reach is not None and not 0 <= post.reach < 2**63:
        raise ValueError(f"{post.id!r}: reach {post.reach} is not in [0, 2^63)")
    if not storable(post.text) or not storable(post.id):
        raise ValueError(f"{post.id!r}: id or text holds a NUL or half a character; the clean stage takes them out")


def storable(text: str) -> bool:
    """Can a database hold it and find it again? Not with a NUL or half of a surrogate pair."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def first_version(item: ScoredPost, arrived: int) -> Document:
    """A document for a post that isn't stored yet; `arrived` is its place in the order of writes."""
    return Document(item if item.ingested_at == arrived else replace(item, ingested_at=arrived), _edit_time(item))


def next_version(stored: Document, new: ScoredPost) -> tuple[Outcome, Document] | None:
    """What a further event makes of a stored post; None when it changes nothing.

    * An edit replaces a post, and an edit that arrived earlier. A plain post never replaces another content.
    * The same content scored by another model, later, is `rescored`. The same content under further topics gets those too.
    * The same content in a later edit is `noted`: nothing is shown differently, but older edits no longer count.
    The first arrival is kept in `ingested_at`.
    """
    old = stored.item
    if _content(old.post) != _content(new.post):
        if new.post.event != "edit" or _edit_time(new) < stored.revised_at:
            return None
        return "edited", Document(replace(new, ingested_at=old.ingested_at), _edit_time(new))
    revised_at = max(stored.revised_at, _edit_time(new))
    topics = old.topics + tuple(t for t in new.topics if t not in old.topics)
    if _model(new) != _model(old) and new.scored_at > old.scored_at:
        return "rescored", Document(replace(new, post=old.post, topics=topics, ingested_at=old.ingested_at), revised_at)
    if topics != old.topics:
        return "edited", Document(replace(old, topics=topics), revised_at)
    if revised_at != stored.revised_at:
        return "noted", Document(old, revised_at)
    return None


def _edit_time(item: ScoredPost) -> int:
    return item.ingested_at if item.post.event == "edit" else 0


def _model(item: ScoredPost) -> str | None:
    return item.score.model if item.score else None


def _content(post: Post) -> Post:
    """What makes two versions different: everything but the event, the source that brought it, and its topics."""
    return replace(post, event="post", source=None, topics=())
