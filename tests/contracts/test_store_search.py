"""What every store promises of lists and search."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
from contracts.store_samples import PROPERTY, T0, event, ids, scored
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import NotFoundError
from pipeline.ports import Store
from pipeline.records import HOUR, ScoredPost


def test_posts_are_listed_by_event_time(store: Store) -> None:
    """Dated posts of one topic with since <= created_at < until, newest or oldest first, at most `limit`."""
    store.write([scored(number, created_at=T0 + number) for number in (3, 1, 4, 2, 5)])
    store.write([scored(8, created_at=T0 + 2, topics=("cups",)), scored(9, created_at=T0 + 2, dated=False)])
    assert ["4", "3"] == ids(store.posts("tea", T0 + 1, T0 + 5, 2))
    assert ["1", "2", "3", "4"] == ids(store.posts("tea", T0 + 1, T0 + 5, 9, newest_first=False))
    assert [] == store.posts("tea", T0 + 1, T0 + 5, 0)


@given(st.permutations(range(6)), st.integers(1, 7), st.booleans())
@PROPERTY
def test_posts_of_one_time_are_listed_by_id(new_store: Callable[[], Store], order: list[int], limit: int, newest_first: bool) -> None:
    """The list is the same in whatever order they came, also where the limit cuts them."""
    with closing(new_store()) as store:
        for number in order:
            store.write([scored(number, created_at=T0 + number // 4)])
        expected = ["4", "5", "0", "1", "2", "3"] if newest_first else ["0", "1", "2", "3", "4", "5"]
        assert expected[:limit] == ids(store.posts("tea", T0, T0 + 9, limit, newest_first=newest_first))


def test_search_finds_posts_with_all_words_newest_first(store: Store) -> None:
    """Words in any order; case and accents don't count; undated posts are there; a limit cuts the oldest."""
    store.write([scored(1, text="Green tea, please"), scored(2, created_at=T0 + 2, text="tea is GREEN")])
    store.write([scored(3, created_at=T0 + 1, text="té gréen tea", dated=False), scored(4, text="green grass")])
    assert ["2", "3", "1"] == ids(store.search("tea green"))
    assert ["2", "3"] == ids(store.search("tea Gréen", limit=2))
    assert ["3"] == ids(store.search("te"))


def test_search_takes_a_phrase_as_it_stands(store: Store) -> None:
    """Words between quotation marks must follow each other; a missing mark at the end is fine."""
    store.write([scored(1, text="too small for me"), scored(2, text="small, too"), scored(3, text="far too, small cups")])
    assert {"1", "3"} == set(ids(store.search('"too small"')))
    assert ["3"] == ids(store.search('cups "too small'))
    assert {"1", "2", "3"} == set(ids(store.search("too small")))


def test_search_can_be_narrowed(store: Store) -> None:
    """By topic and by event time: since <= created_at < until. A topic's name is no word of the text."""
    store.write([scored(number, created_at=T0 + number, topics=("tea",) if number % 2 else ("cups",)) for number in range(6)])
    assert ["5", "3", "1"] == ids(store.search("cup", topic="tea"))
    assert ["3", "2"] == ids(store.search("cup", since=T0 + 2, until=T0 + 4))
    assert [] == store.search("t1")


def test_search_in_scripts_without_spaces(store: Store) -> None:
    """A part of a Chinese or Japanese sentence is found."""
    store.write([scored(1, text="我很喜欢这杯茶"), scored(2, text="このお茶はとてもおいしい"), scored(3, text="茶杯")])
    assert (["1"], ["2"], ["3"], []) == tuple(ids(store.search(query)) for query in ("喜欢", "おいしい", "茶杯", "杯喜"))


@PROPERTY
@given(st.text() | st.just("tea \udcff") | st.text(alphabet="\"'()*:^-+ aNEAR\0,{}"))
def test_any_query_is_fine(new_store: Callable[[], Store], query: str) -> None:
    """No input is a syntax error; a query without a letter or digit finds nothing."""
    with closing(new_store()) as store:
        store.write([scored(1)])
        found = store.search(query) + store.search(query, topic="tea")
        assert found == [] or any(sign.isalnum() for sign in query)


def test_an_unknown_topic_is_an_error_that_names_the_nearest(store: Store) -> None:
    """In every reading call that takes a topic."""
    store.write([scored(1)])
    calls: list[Callable[[], object]] = [
        lambda: store.trend("teaa", HOUR),
        lambda: store.bins(["teaa"], 0, 1),
        lambda: store.bins(["teaa"], 0, 1, as_of=1),
        lambda: store.posts("teaa", 0, 1, 1),
        lambda: store.search("x", topic="teaa"),
        lambda: store.count("teaa"),
        lambda: store.changes("teaa", 0, 1, 0),
    ]
    for call in calls:
        with pytest.raises(NotFoundError, match="did you mean 'tea'"):
            call()


WORDS = ("tea", "cup", "hot", "cold")
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
edits = st.builds(event, st.integers(0, 5), st.sampled_from(["post", "edit", "delete"]), text=texts, ingested_at=st.just(T0 + 5))


@PROPERTY
@given(st.lists(edits, max_size=20), st.integers(1, 6))
def test_search_agrees_with_the_documents(new_store: Callable[[], Store], events: list[ScoredPost], size: int) -> None:
    """After any posts, edits and deletions each word is found in the documents that hold it, and nowhere else."""
    with closing(new_store()) as store:
        for start in range(0, len(events), size):
            store.write(events[start : start + size])
            store.refresh()
        there = store.get([f"net:{number}" for number in range(6)])
        for query in (*WORDS, '"hot tea"'):
            holding = {key for key, item in there.items() if f" {query} ".replace('"', "") in f" {item.post.text} "}
            assert holding == {item.id for item in store.search(query)}
