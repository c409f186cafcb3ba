"""Words of a text, and which of them can name a cause; which texts are copies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.duplicates import clusters
from pipeline.terms import telling, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The battery's dead!", ["the", "battery", "dead"]),
        ("see https://x.y/z @brand #BadDay", ["see", "#badday"]),
        ("don’t 123 a-b", ["don't", "a-b"]),
        ("茶が熱い", ["茶が", "が熱", "熱い"]),
        ("Zug verspätet sich", ["zug", "verspätet", "sich"]),
        ("", []),
        ("!!! 42", []),
    ],
)
def test_words(text: str, found: list[str]) -> None:
    """Lower case, no addresses and mentions, one spelling of the apostrophe, unspaced scripts in pairs of signs."""
    assert found == words(text)


def test_function_words_tell_nothing() -> None:
    """Function words and words under three letters can't name a cause; a pair of signs of an unspaced script can."""
    assert [False, False, False, True, True, True] == [telling(word) for word in ("the", "it's", "ok", "battery", "#delay", "熱い")]


@given(st.text(max_size=200))
def test_any_text_has_words_without_spaces(text: str) -> None:
    """Whatever the input, words are found without an error and hold no space."""
    assert all(word and not word.isspace() and " " not in word for word in words(text))


TEXT = "do not buy the new kettle from this shop because it leaks on the table"


@pytest.mark.parametrize(
    "copy",
    [TEXT, TEXT.upper() + "!!!", f"@friend {TEXT} https://a.b/c", TEXT.replace("table", "floor"), f"listen {TEXT}"],
)
def test_near_copies_are_one_cluster(copy: str) -> None:
    """Case, signs, mentions, addresses, one word changed or added: still the same text."""
    assert [0, 1, 0] == clusters([words(TEXT), words("an altogether different opinion on green tea"), words(copy)])


def test_short_texts_are_not_copies() -> None:
    """Many people say "love it so much" in the same words; that is no copying."""
    assert [0, 1, 2] == clusters([words("love it so much")] * 3)


def test_a_chain_of_small_changes_is_one_cluster() -> None:
    """Copies of copies belong to the first text."""
    second = TEXT.replace("table", "floor")
    third = second.replace("do not buy", "never buy")
    assert [0, 0, 0] == clusters([words(text) for text in (TEXT, second, third)])
