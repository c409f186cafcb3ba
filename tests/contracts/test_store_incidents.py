"""What every store promises of incidents, messages, dead letters and saved states."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from contracts.store_samples import T0, incident, message

from pipeline.errors import NotFoundError
from pipeline.ports import Store
from pipeline.records import DAY, Rejected


def test_dead_letters_are_kept_once_newest_first(store: Store) -> None:
    """Bytes as they were; the same place and bytes again changes nothing, other bytes at one place do."""
    first = Rejected("bad_json: no", b"\xff\x00{", "a.csv:1", T0)
    second = Rejected("bad_time: no", b"x", "a.csv:2", T0 + 1)
    store.reject([first, second])
    store.reject([replace(first, at=T0 + 9), replace(first, raw=b"y", at=T0 + 9)])
    assert [replace(first, raw=b"y", at=T0 + 9), second, first] == store.dead_letters()
    assert 1 == len(store.dead_letters(limit=1))


def test_an_incident_comes_back_as_it_was_saved(store: Store) -> None:
    """Every field, by id and by a unique beginning; saving again replaces it."""
    store.save(incident("0123abcd"))
    store.save(incident("0123abcd", state="closed", closed=T0 + DAY))
    store.save(incident("0199abcd"))
    assert incident("0123abcd", state="closed", closed=T0 + DAY) == store.incident("0123")
    assert incident("0199abcd") == store.incident("0199abcd")


def test_an_incident_that_is_not_one_is_an_error(store: Store) -> None:
    """Unknown, empty, and a beginning that several have; a whole id that others begin with is found."""
    store.save(incident("0123"))
    store.save(incident("01234"))
    assert "0123" == store.incident("0123").id
    for name, words in (("9", "unknown incident"), ("", "incident"), ("01", "several")):
        with pytest.raises(NotFoundError, match=words):
            store.incident(name)


def test_incidents_are_listed_newest_onset_first(store: Store) -> None:
    """Of one topic or all, open ones or all, at most `limit`."""
    store.save(incident("a", onset=T0))
    store.save(incident("b", onset=T0 + 2, state="closed"))
    store.save(incident("c", onset=T0 + 1, topic="cups"))
    assert ["b", "c", "a"] == [one.id for one in store.incidents()]
    assert ["b", "a"] == [one.id for one in store.incidents(topic="tea")]
    assert ["c", "a"] == [one.id for one in store.incidents(open_only=True)]
    assert ["b"] == [one.id for one in store.incidents(limit=1)]


def test_a_message_is_queued_once_for_ever(store: Store) -> None:
    """Saving the incident again, even after delivery, queues nothing twice."""
    store.save(incident(), [message("m1")])
    store.save(incident(), [message("m1"), message("m2", T0 + 1)])
    assert [message("m1"), message("m2", T0 + 1)] == store.pending(T0 + 1)
    store.delivered("m1", T0 + 2)
    store.save(incident(), [message("m1")])
    assert ["m2"] == [one.id for one in store.pending(T0 + 9)]


def test_messages_wait_until_they_are_due(store: Store) -> None:
    """A new one from its creation, one that failed from `retry_at`; oldest first, at most `limit`; failures are counted."""
    store.save(incident(), [message("m2", T0 + 5), message("m1", T0)])
    assert (["m1"], ["m1", "m2"]) == tuple([one.id for one in store.pending(at)] for at in (T0, T0 + 5))
    store.failed("m1", "timed out", T0 + 60)
    assert (["m2"], ["m1", "m2"]) == tuple([one.id for one in store.pending(at)] for at in (T0 + 59, T0 + 60))
    assert ["m1"] == [one.id for one in store.pending(T0 + 60, limit=1)]
    assert (1, 0) == (store.attempts("m1"), store.attempts("m2"))


def test_a_state_is_what_was_saved_last(store: Store) -> None:
    """Bytes by name; None before the first."""
    assert store.state("detector") is None
    store.save_state("detector", b"\x00one")
    store.save_state("detector", b"two")
    assert b"two" == store.state("detector")


def test_of_several_who_revise_a_state_none_is_lost(store: Store) -> None:
    """Four threads that each add ten marks leave forty."""

    def add(_: int) -> None:
        for _ in range(10):
            store.revise_state("marks", lambda saved: (saved or b"") + b"x")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    assert b"x" * 40 == store.state("marks")
