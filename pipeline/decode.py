"""One record from outside → a Post, or the reason why not. The only place that says what a valid record is.

Fields are those of Post (pipeline/records.py). Only `platform`, `post_id`, `text` and `created_at` must be there (a delete needs
the first two); unknown fields are ignored, so that producers of several versions can write side by side. A field of a wrong type or
out of range makes the record bad: a guess would be stored for ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

import orjson

from pipeline.language import normalise
from pipeline.records import MINUTE, Event, Kind, Post, Rejected, to_ms
from pipeline.settings import LimitSettings
from pipeline.text import visible

EARLIEST: Final = 631_152_000_000  # 1990-01-01: an earlier time is a clock that was never set
LATEST: Final = 4_102_444_800_000  # 2100-01-01, for times that only stand in
AHEAD: Final = 2 * MINUTE  # how far a source's clock may be ahead of ours
DEPTH: Final = 32  # nesting of a record
_MOST_BRACKETS: Final = 20_000  # lists and objects that a record may open: reading 100,000 takes 80 ms
LONGEST_TEXT: Final = 65_536  # characters; the longest posts of the large networks have 40,000
_LARGEST: Final = 2**63 - 1
_KEPT: Final = 1_000_000  # bytes of a bad record that are kept

_PLATFORM = re.compile(r"[^\s:\x00-\x1f\x7f]{1,64}")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_UNIX = re.compile(r"\d{9,13}(?:\.\d+)?")
_EVENTS: Final[Mapping[str, Event]] = {"post": "post", "edit": "edit", "delete": "delete"}
_KINDS: Final[Mapping[str, Kind]] = {"post": "post", "reply": "reply", "repost": "repost", "review": "review"}
T = TypeVar("T")


class Line(NamedTuple):
    """One record as it arrived: where it comes from ("posts.ndjson:17"), its bytes, when (ms)."""

    where: str
    raw: bytes
    at: int


class Unfit(Exception):
    """Why a record can't be a post: a short code and a sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}")


@dataclass(slots=True)
class Decoded:
    """Posts with their times of arrival, and what could not be read."""

    posts: list[Post] = field(default_factory=list)
    arrived: list[int] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


def decode(lines: Iterable[Line], limits: LimitSettings, *, live: bool) -> Decoded:
    """JSON records → posts. A live source's impossible times are left for `admit` to clamp; of any other source they are rejected."""
    out = Decoded()
    for line in lines:
        try:
            post = post_from(parsed(line.raw, limits.record_bytes), line.at)
            if not live:
                refuse_impossible_time(post, line.at)
        except Unfit as reason:
            out.rejected.append(rejected(str(reason), line.raw, line.where, line.at))
        else:
            out.posts.append(post)
            out.arrived.append(line.at)
    return out


def rejected(reason: str, raw: bytes, where: str, at: int) -> Rejected:
    """A dead letter with a reason that a terminal can show and at most 1 MB of its bytes."""
    return Rejected(visible(reason), raw[:_KEPT], where, at)


def parsed(raw: bytes, most: int) -> dict[str, Any]:
    """A JSON object of at most `most` bytes and `DEPTH` levels. Raises Unfit."""
    if len(raw) > most:
        raise Unfit("too_large", f"{len(raw):,} bytes; at most {most:,} are taken (limits.record_bytes)")
    opened = raw.count(b"{") + raw.count(b"[")
    if opened > _MOST_BRACKETS:
        raise Unfit("too_large", f"{opened:,} opening brackets; at most {_MOST_BRACKETS:,} are taken")
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        code = "bad_encoding" if "UTF-8" in error.msg else "bad_json"
        raise Unfit(code, f"not JSON in UTF-8: {error.msg} at byte {error.pos}") from None
    if type(data) is not dict:
        raise Unfit("bad_json", "a record is a JSON object")
    if opened > DEPTH:
        _refuse_depth(data)
    return data


def _refuse_depth(data: object) -> None:
    level = [data]
    for _ in range(DEPTH):
        level = [inner for item in level for inner in _children(item) if isinstance(inner, (dict, list))]
        if not level:
            return
    raise Unfit("too_deep", f"nested more than {DEPTH} levels")


def _children(item: object) -> Iterable[object]:
    if isinstance(item, dict):
        return item.values()
    return item if isinstance(item, list) else ()


def post_from(data: Mapping[str, Any], at: int) -> Post:
    """A post of a record's fields, arrived at `at`; its time is not yet compared with the clock. Raises Unfit."""
    get = data.get
    event = _choice(get("event"), _EVENTS, "event")
    platform = get("platform")
    if type(platform) is not str or not _PLATFORM.fullmatch(platform):
        raise Unfit("bad_platform", f"platform {_shown(platform)} must be a name of 1 to 64 characters without spaces and colons")
    post_id = _text(get("post_id"), "post_id", 512)
    if post_id is None:
        raise Unfit("missing_id", "post_id is missing")
    gone = event == "delete"
    return Post(
        platform=platform,
        post_id=post_id,
        created_at=at if gone else time_from(get("created_at")),
        text="" if gone else _body(get("text")),
        event=event,
        kind=_choice(get("kind"), _KINDS, "kind"),
        lang=normalise(_text(get("lang"), "lang", 40)),
        author=_text(get("author"), "author", 256),
        parent_id=_text(get("parent_id"), "parent_id", 512),
        root_id=_text(get("root_id"), "root_id", 512),
        url=_link(get("url")),
        rating=_rating(get("rating")),
        reach=_reach(get("reach")),
        source=_text(get("source"), "source", 256),
        dated=_flag(get("dated", True)),
        topics=_names(get("topics")),
    )


def time_from(value: object) -> int:
    """RFC 3339, `YYYY-MM-DD[ HH:MM[:SS]]` (UTC without a zone), or Unix seconds or milliseconds → ms. Raises Unfit."""
    if value is None or value == "":
        raise Unfit("missing_time", "created_at is missing")
    try:
        if isinstance(value, str):
            return to_ms(value) if not _UNIX.fullmatch(value) else time_from(float(value))
        if type(value) is int or type(value) is float:
            # Up to 10^11 it is seconds (until the year 5138), from there milliseconds (since 1973).
            ms = value * 1000 if abs(value) < 1e11 else value
            if abs(ms) < 1e14:
                return int(ms)
    except (ValueError, OverflowError):
        pass
    raise Unfit("bad_time", f"{_shown(value)} is not a time; use RFC 3339 such as 2026-11-01T09:30:00Z, or Unix seconds")


def is_possible(post: Post, now: int) -> bool:
    """Whether a post's time lies after 1990 and at most two minutes ahead of `now`; a stand-in for it may lie in the future."""
    return EARLIEST <= post.created_at <= (now + AHEAD if post.dated else LATEST)


def refuse_impossible_time(post: Post, now: int) -> None:
    """Raises Unfit if the post's time is not possible at `now`."""
    if not is_possible(post, now):
        raise Unfit("bad_time", f"created_at lies {'before 1990' if post.created_at < EARLIEST else 'in the future'}")


def _choice(value: object, choices: Mapping[str, T], name: str) -> T:
    """One of the choices, the first if nothing is given."""
    if value is None:
        return next(iter(choices.values()))
    if isinstance(value, str) and value in choices:
        return choices[value]
    raise Unfit("bad_value", f"{name} {_shown(value)} must be one of {', '.join(choices)}")


def _body(value: object) -> str:
    if value is None:
        raise Unfit("missing_text", "there is no text")
    if type(value) is not str:
        raise Unfit("bad_type", f"text must be a string, not {_kind(value)}")
    if not value or value.isspace():
        raise Unfit("missing_text", "the text is empty")
    if len(value) > LONGEST_TEXT:
        raise Unfit("too_large", f"the text has {len(value):,} characters; at most {LONGEST_TEXT:,} are taken")
    _storable(value, "text")
    return value


def _text(value: object, name: str, longest: int) -> str | None:
    """An optional short text. A whole number counts as its digits: some networks write ids so."""
    if value is None:
        return None
    if type(value) is int:
        return str(value)
    if type(value) is not str:
        raise Unfit("bad_type", f"{name} must be a string, not {_kind(value)}")
    if len(value) > longest:
        raise Unfit("bad_value", f"{name} is longer than {longest} characters")
    if not value.isprintable():
        _storable(value, name)
    return value if value.strip() else None


def _storable(value: str, name: str) -> None:
    if not value.isascii() or "\x00" in value:
        found = _UNSTORABLE.search(value)
        if found:
            what = "a NUL character" if found[0] == "\x00" else "half a surrogate pair"
            raise Unfit("bad_text", f"{name} holds {what} at character {found.start()}")


def _link(value: object) -> str | None:
    """An http or https address; any other scheme could run something when it is clicked, so it is left out."""
    found = _text(value, "url", 4_096)
    return found if found and found[:8].lower().startswith(("http://", "https://")) else None


def _rating(value: object) -> float | None:
    if value is None:
        return None
    if (type(value) is float or type(value) is int) and 0 <= value <= 1:
        return float(value)
    raise Unfit("bad_value", f"rating {_shown(value)} must be a number from 0 to 1")


def _reach(value: object) -> int | None:
    if value is None or (type(value) is int and 0 <= value <= _LARGEST):
        return value
    raise Unfit("bad_value", f"reach {_shown(value)} must be a whole number from 0")


def _flag(value: object) -> bool:
    if type(value) is not bool:
        raise Unfit("bad_type", f"dated must be true or false, not {_kind(value)}")
    return value


def _names(value: object) -> tuple[str, ...]:
    if value is None or value == [] or value == ():
        return ()
    if not isinstance(value, (list, tuple)) or len(value) > 32:
        raise Unfit("bad_type", "topics must be a list of at most 32 names")
    names = [_text(name, "topics", 80) for name in value]
    return tuple(name for name in names if name)


def _kind(value: object) -> str:
    return {bool: "true or false", dict: "an object", list: "a list", float: "a number", int: "a number"}.get(type(value), "that")


def _shown(value: object) -> str:
    """A value in a reason: short, so that no post's text gets into a log by it."""
    if isinstance(value, str):
        value = value[:40]
    shown = repr(value) if isinstance(value, (str, int, float, type(None))) else _kind(value)
    return shown if len(shown) <= 40 else shown[:37] + "..."
