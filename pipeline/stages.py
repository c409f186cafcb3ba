"""The way of a post through the pipeline: decode → admit → match topics → score. Each stage is a plain function over a list.

Both ways of running (embedded, and workers behind Kafka) call `process` or `process_posts` and differ in nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Final, NamedTuple

import orjson

from pipeline.decode import Line, decode, is_possible, rejected
from pipeline.errors import ModelError
from pipeline.language import language_of
from pipeline.personal import mask_personal
from pipeline.ports import Classifier
from pipeline.records import Post, Rejected, Score, ScoredPost, post_to_json
from pipeline.settings import LimitSettings
from pipeline.text import author_hash, clean
from pipeline.topics import Matcher

__all__ = ["Context", "Line", "Matched", "Processed", "admit", "decode", "match_topics", "process", "process_posts", "score"]

_MODEL_IS_BROKEN: Final = 8  # a batch of so many posts that fails post by post says that the model is at fault, not the posts


@dataclass(frozen=True, slots=True)
class Context:
    """What the stages need of the outside."""

    matcher: Matcher
    classifier: Classifier
    author_key: bytes
    limits: LimitSettings


class Matched(NamedTuple):
    """A post with its topics and its time of arrival (ms)."""

    post: Post
    topics: tuple[str, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Processed:
    """What became of a list of records: each is in `scored` or `rejected`, or was about no topic."""

    scored: list[ScoredPost]
    rejected: list[Rejected]
    unmatched: int
    clamped: int  # posts whose impossible time was replaced by that of their arrival


def process(lines: Iterable[Line], context: Context, *, now: int, live: bool) -> Processed:
    """JSON records through all stages. `live`: impossible times are clamped to the arrival, else they are rejected."""
    read = decode(lines, context.limits, live=live)
    done = process_posts(read.posts, context, now=now, arrived=read.arrived)
    return replace(done, rejected=read.rejected + done.rejected)


def process_posts(posts: Sequence[Post | Rejected], context: Context, *, now: int, arrived: Sequence[int] | None = None) -> Processed:
    """What a source yields through all stages. `arrived`: ms per item, default `now`. Raises ModelError if the model fails on all posts."""
    times = [now] * len(posts) if arrived is None else arrived
    bad = [item for item in posts if isinstance(item, Rejected)]
    admitted, clamped = admit(((p, at) for p, at in zip(posts, times, strict=True) if isinstance(p, Post)), context.author_key)
    matched = match_topics(admitted, context.matcher)
    scored, failed = score(matched, context.classifier, now=now, limit=context.limits.text_chars)
    return Processed(scored, bad + failed, len(admitted) - len(matched), clamped)


def admit(posts: Iterable[tuple[Post, int]], author_key: bytes) -> tuple[list[tuple[Post, int]], int]:
    """Make posts fit to be kept: authors hashed, personal data in texts masked, impossible times clamped. (posts, how many clamped)."""
    out: list[tuple[Post, int]] = []
    clamped = 0
    for post, at in posts:
        text = mask_personal(post.text)
        author = post.author and author_hash(author_key, post.platform, post.author)
        impossible = not is_possible(post, at)
        clamped += impossible
        if impossible or text != post.text or author != post.author:
            post = _changed(post, at if impossible else post.created_at, text, author, post.lang)
        out.append((post, at))
    return out, clamped


def _changed(p: Post, created_at: int, text: str, author: str | None, lang: str | None) -> Post:
    """`dataclasses.replace` takes twice as long, 8 µs a post."""
    return Post(
        p.platform, p.post_id, created_at, text, p.event, p.kind, lang, author, p.parent_id, p.root_id, p.url, p.rating, p.reach,
        p.source, p.dated, p.topics,
    )  # fmt: skip


def match_topics(posts: Iterable[tuple[Post, int]], matcher: Matcher) -> list[Matched]:
    """Posts with their topics and a language; those about no topic are left out, deletes are kept."""
    out: list[Matched] = []
    for post, at in posts:
        if post.event == "delete":
            out.append(Matched(post, (), at))
            continue
        topics = matcher.match(post.text, post.lang, post.topics)
        if topics and post.lang is None:
            post = _changed(post, post.created_at, post.text, post.author, language_of(post.text, matcher.language(topics)))
            topics = matcher.match(post.text, post.lang, post.topics) if matcher.filters(topics) else topics
        if topics:
            out.append(Matched(post, topics, at))
    return out


def score(posts: Sequence[Matched], classifier: Classifier, *, now: int, limit: int = 4_000) -> tuple[list[ScoredPost], list[Rejected]]:
    """Ask the model, in one call if it goes well. (scored, rejected), each in the order of the posts.

    Deletes and languages that the model doesn't cover get no score. A post on which the model fails, or whose score is not finite,
    is found by bisecting and rejected; ModelError if every post of a batch fails.
    """
    covered = classifier.languages
    wanted = [i for i, item in enumerate(posts) if item.post.lang in covered and item.post.event != "delete"]
    answers = _scores([clean(posts[i].post.text, limit) for i in wanted], classifier)
    if len(wanted) >= _MODEL_IS_BROKEN and all(isinstance(answer, str) for answer in answers):
        raise ModelError(f"{classifier.name} fails on each of {len(wanted)} posts: {answers[0]}; see `moodstream doctor`")
    found: dict[int, Score | str] = dict(zip(wanted, answers, strict=True))
    good: list[ScoredPost] = []
    bad: list[Rejected] = []
    for i, (post, topics, at) in enumerate(posts):
        answer = found.get(i)
        if isinstance(answer, str):
            bad.append(rejected(answer, orjson.dumps(post_to_json(post)), post.id, now))
        else:
            good.append(ScoredPost(post, topics, answer, now, at))
    return good, bad


def _scores(texts: list[str], classifier: Classifier) -> list[Score | str]:
    """A score per text, or why there is none. A batch that fails is halved until it is known which text is the reason."""
    if not texts:
        return []
    try:
        scores = classifier.score(texts)
        if len(scores) != len(texts):
            raise ValueError(f"{len(scores)} scores for {len(texts)} texts")
    except Exception as error:  # whatever a model raises, also out of memory: halves need less
        if len(texts) == 1:
            return [f"model_error: {classifier.name} failed on this post: {type(error).__name__}"]
        half = len(texts) // 2
        return _scores(texts[:half], classifier) + _scores(texts[half:], classifier)
    return [answer if _finite(answer) else f"model_nan: {classifier.name} gave no finite score" for answer in scores]


def _finite(s: Score) -> bool:
    total = sum(s.emotions) + sum(s.intensities) + s.p_negative + s.p_neutral + s.p_positive
    return isfinite(total + s.valence + s.arousal + s.intensity)
