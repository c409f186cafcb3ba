"""Quiet hours: when a receiver may be told, by its own clock."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.quiet import hours
from pipeline.records import HOUR


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("span", "zone", "now", "opens"),
    [
        ("08:00-22:00", "UTC", "2026-11-25T08:00Z", "2026-11-25T08:00Z"),
        ("08:00-22:00", "UTC", "2026-11-25T07:59:59Z", "2026-11-25T08:00Z"),
        ("08:00-22:00", "UTC", "2026-11-25T22:00Z", "2026-11-26T08:00Z"),
        ("22:00-06:00", "UTC", "2026-11-25T23:30Z", "2026-11-25T23:30Z"),
        ("22:00-06:00", "UTC", "2026-11-25T06:00Z", "2026-11-25T22:00Z"),
        ("08:00-22:00", "Europe/Berlin", "2026-11-25T06:30Z", "2026-11-25T07:00Z"),
        ("08:00-22:00", "Europe/Berlin", "2026-07-01T05:30Z", "2026-07-01T06:00Z"),
        ("08:00-22:00", "Europe/Berlin", "2026-03-28T22:00Z", "2026-03-29T06:00Z"),  # the night that is an hour shorter
        ("08:00-22:00", "Asia/Kolkata", "2026-11-25T01:00Z", "2026-11-25T02:30Z"),
    ],
)
def test_the_next_opening(span: str, zone: str, now: str, opens: str) -> None:
    """Within the hours it is now, outside of them the start of the next span, by the clock of the zone."""
    found = hours(span, zone)
    assert found is not None
    assert ms(opens) == found.opens(ms(now))


@given(st.times(), st.times(), st.integers(0, 4_000_000_000_000), st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]))
def test_an_opening_is_near_and_open(start: object, end: object, now: int, zone: str) -> None:
    """Never in the past, at most 25 hours ahead, and a message that waited for it waits no longer."""
    if f"{start:%H:%M}" == f"{end:%H:%M}":
        return
    found = hours(f"{start:%H:%M}-{end:%H:%M}", zone)
    assert found is not None
    opens = found.opens(now)
    assert now <= opens <= now + 25 * HOUR
    assert opens == found.opens(opens)


@pytest.mark.parametrize("span", ["8-22", "08:00", "24:00-06:00", "08:00-08:00", "08:00-22:00 "])
def test_no_span(span: str) -> None:
    """Another form, or a span of no length, is an error that says how to write it."""
    with pytest.raises(ValueError, match="hours"):
        hours(span)


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../etc/passwd", "Europe"])
def test_no_zone(zone: str) -> None:
    """An unknown time zone is an error, also without hours."""
    with pytest.raises(ValueError, match="time zone"):
        hours("", zone)


def test_always() -> None:
    """Without hours a receiver is told at any time."""
    assert hours("") is None
