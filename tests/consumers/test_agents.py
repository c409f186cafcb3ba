"""The agent's batches."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from consumers.agents import POSTS, portions


def event(posts: int) -> Any:
    return SimpleNamespace(message=SimpleNamespace(value=b"\n".join([b"{}"] * posts) or None))


@given(st.lists(st.integers(0, 600), max_size=30))
def test_a_batch_is_brought_home_in_parts(sizes: list[int]) -> None:
    """All records, in order, none twice; a part ends with the record that fills it, so what is done again after a crash is bounded."""
    events = [event(size) for size in sizes]
    parts = list(portions(events))
    assert [id(one) for part in parts for one in part] == [id(one) for one in events]
    counts = [[max(1, (one.message.value or b"").count(b"\n") + 1) for one in part] for part in parts]
    assert all(sum(part) >= POSTS for part in counts[:-1])
    assert all(sum(part[:-1]) < POSTS for part in counts)
