"""People, links and emoji become words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.wording import READ, prepare


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("thanks @bob!", "thanks  someone !"),
        ("[NAME] is [RELIGION]", " someone  is  religion "),
        ("see https://example.com/x?y=1 now", "see  link  now"),
        ("so sad 😭", "so sad  loudly crying face "),
        ("don’t “go”", 'don\'t "go"'),
        ("this &amp; that", "this & that"),
        ("a\x00b\x1fc\ud800d", "a b c d"),
        ("plain words stay", "plain words stay"),
    ],
)
def test_marks_become_words(text: str, expected: str) -> None:
    """Each kind of mark has one word."""
    assert expected == prepare(text)


@given(st.text(max_size=100))
def test_no_control_and_no_surrogate_is_left(text: str) -> None:
    """Whatever comes in can be encoded and holds no control characters, unless an HTML entity named one."""
    if "&" not in text:
        out = prepare(text)
        out.encode()
        assert not [sign for sign in out if sign < " " or "\x7f" <= sign <= "\x9f"]


def test_a_long_text_is_cut() -> None:
    """No more than `READ` characters are looked at."""
    assert READ == len(prepare("x" * 1_000_000))
