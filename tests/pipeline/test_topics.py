"""Which topics a text is about."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.settings import TopicSettings
from pipeline.text import fold
from pipeline.topics import Matcher

TOPICS = (
    TopicSettings(
        name="coffee", phrases=("coffee", "flat white", "咖啡", "café"), hashtags=("espresso", "#latte"), exclude=("coffee table",)
    ),
    TopicSettings(name="phone", phrases=("iPhone", "C++ phone"), handles=("@apple", "nokia"), languages=("en", "de")),
    TopicSettings(name="train", phrases=("ICE 4", "поезд", "कम", "นม")),
    TopicSettings(name="by hand"),
)


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("I love COFFEE.", ("coffee",)),
        ("coffees and decoffee and coffee_shop", ()),
        ("a flat\n  white, please", ("coffee",)),
        ("ＣＯＦＦＥＥ time", ("coffee",)),
        ("un cafe\u0301 noir", ("coffee",)),
        ("我喜欢喝咖啡因为", ("coffee",)),
        ("我的iPhone很好", ("phone",)),
        ("double #espresso!", ("coffee",)),
        ("espresso without the mark", ()),
        ("#espressomartini", ()),
        ("a#espresso", ()),
        ("#Latte", ("coffee",)),
        ("#coffee is a word too", ("coffee",)),
        ("ask @Apple or @NOKIA", ("phone",)),
        ("write to me@apple.example", ()),
        ("@apple_fan", ()),
        ("apple without the mark", ()),
        ("a C++ phone", ("phone",)),
        ("on ICE 4, ICE 42", ("train",)),
        ("only ICE 42", ()),
        ("Поезда нет", ()),
        ("этот Поезд", ("train",)),
        ("कमी", ()),
        ("बहुत कम है", ("train",)),
        ("ดื่มนมทุกวัน", ("train",)),
        ("my coffee table", ()),
        ("a coffee table and an iPhone", ("phone",)),
        ("coffee on the iPhone", ("coffee", "phone")),
        ("by hand", ()),
        ("", ()),
    ],
)
def test_what_a_text_is_about(text: str, topics: tuple[str, ...]) -> None:
    """Phrases, hashtags, handles and exclusions, with word borders in scripts that have spaces and none in those that don't."""
    assert topics == Matcher(TOPICS).match(text, "en")


def test_a_language_filter_passes_its_languages_and_unknown_ones() -> None:
    """A topic for English and German gets no French post; a post whose language is not known passes."""
    matcher = Matcher(TOPICS)
    assert () == matcher.match("iPhone", "fr")
    assert ("phone",) == matcher.match("iPhone", "de")
    assert ("phone",) == matcher.match("iPhone", None)
    assert matcher.filters(("coffee", "phone"))
    assert not matcher.filters(("coffee", "made up"))


def test_what_the_source_assigned_is_kept() -> None:
    """Assigned topics come first, once, whatever the exclusions, the filters and the settings say."""
    assert ("new", "coffee", "phone") == Matcher(TOPICS).match("coffee table, iPhone", "en", ("new", "coffee", "new"))
    assert ("phone",) == Matcher(TOPICS).match("nothing", "fr", ("phone",))


def test_a_short_text_takes_the_language_of_its_first_topic() -> None:
    """The default language is that of the first topic of the settings, else English."""
    matcher = Matcher([TopicSettings(name="bahn", language="de"), TopicSettings(name="train")])
    assert "de" == matcher.language(("made up", "bahn", "train"))
    assert "en" == matcher.language(("made up",))


def test_topics_without_a_usable_phrase_match_nothing() -> None:
    """Empty phrases and marks without a name would match everything, so they are left out."""
    topic = TopicSettings(name="all", phrases=("", "  ", "\u200b"), hashtags=("#", ""), handles=("@",), exclude=("",))
    assert () == Matcher([topic]).match("# @ anything", "en")
    assert () == Matcher([]).match("anything", "en")


LETTERS = st.text(alphabet="abC é_1咖ÀßΣ#@-'\u0301\n", max_size=30)
PHRASES = st.lists(st.text(alphabet="abC é_1咖ßσ#'", min_size=1, max_size=4), max_size=4).map(tuple)


@given(LETTERS, PHRASES, PHRASES)
@example("ΑΣ ab", ("ας",), ())
@example("#1", ("#",), ())
def test_the_automaton_agrees_with_a_search_by_hand(text: str, phrases: tuple[str, ...], exclude: tuple[str, ...]) -> None:
    """Whatever the text and the phrases: the same as looking for each phrase at each place."""
    topic = TopicSettings(name="t", phrases=phrases, exclude=exclude)
    expected = ("t",) if any(_occurs(p, text) for p in phrases) and not any(_occurs(p, text) for p in exclude) else ()
    assert expected == Matcher([topic]).match(text, None)


def _occurs(phrase: str, text: str) -> bool:
    where, what = fold(text), fold(phrase)
    if not what:
        return False
    places = [i for i in range(len(where)) if where.startswith(what, i)]
    return any(
        _begins(where[i - 1 : i] if i else "", what[0]) and _ends(where[i + len(what) : i + len(what) + 1], what[-1]) for i in places
    )


def _begins(before: str, first: str) -> bool:
    """No word goes on over the left edge, and a mark stands at its beginning."""
    return not (_spaced(before) and (_spaced(first) or first in "#@"))


def _ends(after: str, last: str) -> bool:
    """No word goes on over the right edge."""
    return not (_spaced(after) and _spaced(last))


def _spaced(character: str) -> bool:
    return bool(character) and (character.isalnum() or character in "_\u0301") and character != "咖"
