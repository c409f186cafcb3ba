"""The dictionary in front of the tokenizer changes nothing but the time."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

import models
from models.dataset import goemotions
from models.pieces import Pieces
from models.wording import READ, prepare

TOKENIZER = models.WEIGHTS / "static" / "tokenizer.json"


@cache
def both() -> tuple[Pieces, Tokenizer]:
    """The cached and the plain one."""
    return Pieces(TOKENIZER, 10_000), Tokenizer.from_file(str(TOKENIZER))


def plain(text: str) -> list[int]:
    """What the tokenizer gives for the whole prepared text."""
    ids: list[int] = both()[1].encode(prepare(text)).ids
    return ids


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text_has_the_ids_of_the_tokenizer(text: str) -> None:
    """Chunk by chunk or as a whole: the same ids, at first sight and from the dictionary."""
    expected = plain(text)
    assert expected == both()[0].ids(text)
    assert expected == both()[0].ids(text)


def test_every_dev_text_has_the_ids_of_the_tokenizer(shared_data: Path) -> None:
    """The same on 5,400 real comments."""
    texts = goemotions(shared_data / "goemotions", "dev").texts
    assert [plain(text) for text in texts] == both()[0].all_ids(texts)


def test_ids_are_cut_between_the_marks() -> None:
    """At most so many ids, the opening and closing mark among them."""
    short = Pieces(TOKENIZER, 6)
    ids = short.ids("one two three four five six")
    assert (6, short.opening, short.closing) == (len(ids), ids[0], ids[-1])


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    """What lies behind `READ` characters changes nothing."""
    text = "word " * (READ // 5)
    assert both()[0].ids(text) == both()[0].ids(text + "more and more")
