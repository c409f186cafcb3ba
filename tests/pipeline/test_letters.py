"""A dead letter that may be the last copy of an erased post is found."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.letters import holds


@given(st.text(min_size=1, max_size=20).filter(lambda text: ":" not in text), st.text(min_size=1, max_size=20), st.text())
def test_a_record_is_found_by_its_identity(platform: str, post_id: str, text: str) -> None:
    """Any identity, whatever else the record says; the record of another platform is another post."""
    try:
        raw = orjson.dumps({"text": text, "post_id": post_id, "platform": platform})
    except orjson.JSONEncodeError:
        return
    assert holds(raw, {f"{platform}:{post_id}"})
    assert not holds(raw, {f"{platform}x:{post_id}"})


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b'{"post_id":"12345678","text":"cut', True),
        (b'12345678;"a row";3', True),
        (b"123456789;x", False),
        (b'{"post_id":"12345678"}', True),
        (b'{"post_id":12345678,"platform":"net"}', True),
        (b'["12345678"', True),
        (b"\xff\xfe", False),
        (b"", False),
    ],
)
def test_what_is_no_record_goes_by_the_id_as_a_word(raw: bytes, found: bool) -> None:
    """Cut JSON and rows of tables, too."""
    assert found == holds(raw, {"net:12345678"})


def test_a_short_id_is_not_looked_for_in_rows() -> None:
    """A 1 in a row is a rating more often than an id."""
    assert not holds(b"1;good", {"net:1"})
    assert holds(b'{"post_id":"1"}', {"net:1"})
