"""One record from outside: a post, or a reason why not."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decode import AHEAD, LONGEST_TEXT, Decoded, Line, decode, time_from
from pipeline.records import Post, post_to_json, to_ms
from pipeline.settings import LimitSettings

NOW = to_ms("2026-11-01T12:00:00Z")
GOOD: dict[str, Any] = {"platform": "x", "post_id": "1", "created_at": "2026-11-01T10:00:00Z", "text": "I love this"}


def read(*raws: bytes, live: bool = False) -> Decoded:
    return decode([Line(f"posts:{i}", raw, NOW) for i, raw in enumerate(raws)], LimitSettings(), live=live)


def record(**changes: Any) -> bytes:
    return orjson.dumps(GOOD | changes)


def without(name: str) -> bytes:
    return orjson.dumps({key: value for key, value in GOOD.items() if key != name})


def nested(depth: int) -> bytes:
    return orjson.dumps(GOOD)[:-1] + b',"extra":' + b"[" * depth + b"]" * depth + b"}"


POISON = {
    "not JSON": (b"{'platform': 1}", "bad_json"),
    "cut off": (record()[:-5], "bad_json"),
    "nothing": (b"", "bad_json"),
    "a list": (b"[]", "bad_json"),
    "a number": (b"17", "bad_json"),
    "NaN as time": (record(created_at=0).replace(b'"created_at":0', b'"created_at":NaN'), "bad_json"),
    "not UTF-8": (record().replace(b"love", b"l\xffve"), "bad_encoding"),
    "half a surrogate pair": (record().replace(b"love", b"\\ud83d"), "bad_json"),
    "encoded half of a pair": (record().replace(b"love", b"\xed\xa0\xbd"), "bad_encoding"),
    "NUL in the text": (record(text="a\x00b"), "bad_text"),
    "NUL in the id": (record(post_id="a\x00b"), "bad_text"),
    "10,000 levels": (nested(10_000), "bad_json"),
    "33 levels": (nested(32), "too_deep"),
    "1 MB of text": (record(text="a" * 1_000_000), "too_large"),
    "a long text": (record(text="a" * (LONGEST_TEXT + 1)), "too_large"),
    "no platform": (without("platform"), "bad_platform"),
    "a platform with a colon": (record(platform="a:b"), "bad_platform"),
    "a number as platform": (record(platform=5), "bad_platform"),
    "no id": (without("post_id"), "missing_id"),
    "an empty id": (record(post_id=" "), "missing_id"),
    "a broken number as id": (record(post_id=1.5), "bad_type"),
    "an object as id": (record(post_id={}), "bad_type"),
    "an endless id": (record(post_id="1" * 513), "bad_value"),
    "no text": (without("text"), "missing_text"),
    "an empty text": (record(text=" \n"), "missing_text"),
    "a number as text": (record(text=17), "bad_type"),
    "no time": (without("created_at"), "missing_time"),
    "a word as time": (record(created_at="soon"), "bad_time"),
    "an object as time": (record(created_at={}), "bad_time"),
    "true as time": (record(created_at=True), "bad_time"),
    "1970": (record(created_at="1970-01-01T00:00:00Z"), "bad_time"),
    "0": (record(created_at=0), "bad_time"),
    "tomorrow": (record(created_at="2026-11-02T12:00:00Z"), "bad_time"),
    "in a million years": (record(created_at=10**17), "bad_time"),
    "another event": (record(event="like"), "bad_value"),
    "a list as event": (record(event=["post"]), "bad_value"),
    "another kind": (record(kind="story"), "bad_value"),
    "stars as rating": (record(rating=5), "bad_value"),
    "a word as rating": (record(rating="good"), "bad_value"),
    "true as rating": (record(rating=True), "bad_value"),
    "a huge number as reach": (record().replace(b"{", b'{"reach":' + b"9" * 40 + b",", 1), "bad_value"),
    "more than 63 bits as reach": (record(reach=2**63), "bad_value"),
    "a negative reach": (record(reach=-1), "bad_value"),
    "a number as language": (record(lang={}), "bad_type"),
    "a word as dated": (record(dated="no"), "bad_type"),
    "a word as topics": (record(topics="coffee"), "bad_type"),
    "numbers in topics": (record(topics=[[]]), "bad_type"),
}


@pytest.mark.parametrize(("raw", "code"), POISON.values(), ids=POISON.keys())
def test_each_bad_record_is_kept_with_its_reason(raw: bytes, code: str) -> None:
    """A record that can't be a post is a dead letter with its place, its bytes and a code and a sentence; good ones beside it are read."""
    read_ = read(record(post_id="before"), raw, record(post_id="after"))
    assert ["before", "after"] == [post.post_id for post in read_.posts]
    (bad,) = read_.rejected
    assert (code, "posts:1", raw[:1_000_000], NOW) == (bad.reason.split(":")[0], bad.where, bad.raw, bad.at)
    assert len(bad.reason.split(": ", 1)[1]) > 10
    assert len(bad.reason) < 250


def test_the_smallest_record_is_a_post() -> None:
    """Platform, id, time and text are enough; everything else has its default."""
    assert [Post("x", "1", to_ms("2026-11-01T10:00:00Z"), "I love this")] == read(record()).posts


def test_a_full_record_is_read_as_it_was_written() -> None:
    """Each field of a post goes through JSON and comes back."""
    post = Post(
        "mastodon", "7", NOW, "Très bien 👍", "edit", "reply", "fr", "h0123456789abcdef", "5", "3", "https://example.org/7", 0.75, 12,
        "feed", False, ("tea",),
    )  # fmt: skip
    assert [post] == read(orjson.dumps(post_to_json(post))).posts


def test_records_of_several_versions_are_read_side_by_side() -> None:
    """A new field is ignored, a removed optional one takes its default, an id or time that became a number means the same."""
    newer = record(version=2, mood={"a": [1]}, post_id=1, created_at=1793527200)
    older, plain = record(kind="post", event=None, lang=None), record()
    assert 3 == len(read(newer, older, plain).posts)
    assert {read(plain).posts[0]} == set(read(newer, older, plain).posts)


def test_a_delete_needs_only_the_identity() -> None:
    """A delete is read without text and time; it happens when it arrives."""
    (post,) = read(orjson.dumps({"platform": "x", "post_id": "1", "event": "delete"})).posts
    assert ("delete", "", NOW) == (post.event, post.text, post.created_at)


def test_a_live_source_may_be_wrong_about_the_time() -> None:
    """Impossible times of a live source are read, to be clamped later; those of a file are bad."""
    wrong = (record(created_at="1970-01-01T00:00:00Z"), record(created_at="2026-11-02T12:00:00Z"))
    assert 2 == len(read(*wrong, live=True).posts)
    assert 2 == len(read(*wrong).rejected)
    ahead = record(created_at=NOW + AHEAD)
    assert 1 == len(read(ahead).posts)


def test_an_address_that_is_not_of_the_web_is_left_out() -> None:
    """A link that would run something is not kept; the post is."""
    assert None is read(record(url="javascript:alert(1)")).posts[0].url
    assert "HTTPS://example.org" == read(record(url="HTTPS://example.org")).posts[0].url


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-11-01T10:00:00Z", "2026-11-01T10:00:00Z"), ("2026-11-01T12:00:00+02:00", "2026-11-01T10:00:00Z"),
        ("2026-11-01", "2026-11-01T00:00:00Z"),
        ("2026-11-01 10:00", "2026-11-01T10:00:00Z"), ("2026-11-01 10:00:05", "2026-11-01T10:00:05Z"), (1793527200, "2026-11-01T10:00:00Z"),
        (1793527200000, "2026-11-01T10:00:00Z"), (1793527200.5, "2026-11-01T10:00:00.500Z"), ("1793527200", "2026-11-01T10:00:00Z"),
        ("1793527200123", "2026-11-01T10:00:00.123Z"),
    ],
)  # fmt: skip
def test_times_that_can_be_read(value: object, moment: str) -> None:
    """RFC 3339, date, date and time (UTC), Unix seconds and milliseconds, as numbers or digits."""
    assert to_ms(moment) == time_from(value)


def test_a_reason_shows_little_of_the_record() -> None:
    """A reason may get into a log: it holds no text of a post, and no control character."""
    (bad,) = read(record(created_at="\x1b[31m" + "secret " * 100)).rejected
    assert len(bad.reason) < 150
    assert bad.reason.isprintable()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "event", "kind", "lang", "author", "url", "rating", "reach", "dated", "topics", "source"]), JSON
    )
)
def test_any_value_in_any_field_is_a_post_or_a_reason(changes: dict[str, Any]) -> None:
    """Whatever JSON stands in the fields, the record is read or rejected, never a crash, and what is read can be written."""
    read_ = read(record(**changes), live=True)
    assert 1 == len(read_.posts) + len(read_.rejected)
    for post in read_.posts:
        assert post.text == orjson.loads(orjson.dumps(post_to_json(post)))["text"]


@given(st.binary(max_size=50))
def test_any_bytes_are_a_post_or_a_reason(raw: bytes) -> None:
    """Whatever the bytes: one answer, and the bytes are kept."""
    assert [raw] == [bad.raw for bad in read(raw).rejected]


BOMBS = {
    "300,000 levels": (nested(300_000), "too_large"),
    "a million brackets": (b"[" * 999_999, "too_large"),
    "a million letters": (record(text="a" * 999_000), "too_large"),
    "emoji": (record(text="😀" * 200_000), "too_large"),
    "digits": (record().replace(b"{", b'{"reach":' + b"9" * 900_000 + b",", 1), "bad_json"),
    "many lists": (b"{" + b",".join(b'"%d":[[]]' % i for i in range(50_000)) + b"}", "too_large"),
    "more than 1 MB": (b" " * 1_000_001, "too_large"),
}


@pytest.mark.parametrize(("bomb", "code"), BOMBS.values(), ids=BOMBS.keys())
def test_no_record_takes_long(bomb: bytes, code: str) -> None:
    """A bomb of 1 MB is refused within 50 ms of processor time (best of 3)."""
    times = []
    for _ in range(3):
        began = time.process_time()
        (bad,) = read(bomb).rejected
        times.append(time.process_time() - began)
        assert code == bad.reason.split(":")[0]
    assert min(times) <= 0.05
