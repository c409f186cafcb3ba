"""How people write time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.durations import UNITS, bucket, duration, moment
from pipeline.errors import InputError
from pipeline.records import BIN, DAY, HOUR, MINUTE, from_ms, to_ms

NOW = to_ms("2026-11-02T14:25:00Z")


@pytest.mark.parametrize(("text", "ms"), [("90s", 90_000), ("30m", 30 * MINUTE), ("1h", HOUR), (" 7D ", 7 * DAY), ("2w", 14 * DAY)])
def test_durations(text: str, ms: int) -> None:
    """A number and a unit, in any case."""
    assert ms == duration(text)


@pytest.mark.parametrize("text", ["", "h", "1", "0h", "-1h", "1.5h", "1 h", "1y", "1h30m", "999999999w", "١h", "1h\n2"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    """The error shows what was written and how to write it."""
    with pytest.raises(InputError, match="such as 30m, 1h or 7d"):
        duration(text)


@pytest.mark.parametrize("text", ["7m", "1s", "299s", "301s"])
def test_a_bucket_is_made_of_bins(text: str) -> None:
    """A width that isn't a multiple of five minutes is refused."""
    with pytest.raises(InputError, match="multiple of 5 minutes"):
        bucket(text)


@given(st.integers(1, 1_000), st.sampled_from(sorted(UNITS)))
def test_every_bucket_is_a_multiple_of_a_bin(number: int, unit: str) -> None:
    """Whatever is accepted fits the bins."""
    try:
        assert 0 == bucket(f"{number}{unit}") % BIN
    except InputError:
        assert number * UNITS[unit] % BIN


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("now", NOW),
        ("1h", NOW - HOUR),
        ("2026-11-01", to_ms("2026-11-01T00:00:00Z")),
        ("2026-11-01T14:00:00+02:00", to_ms("2026-11-01T12:00:00Z")),
        ("2026-11-01 14:00", to_ms("2026-11-01T14:00:00Z")),
        ("5000w", 0),
    ],
)
def test_moments(text: str, ms: int) -> None:
    """So long ago, a date, or RFC 3339; never before 1970."""
    assert ms == moment(text, NOW)


@pytest.mark.parametrize("text", ["", "yesterday", "1969-12-31", "0001-01-01", "9999-12-31T23:59:59-14:00", "2026-13-01", "1e9"])
def test_what_is_no_moment_is_refused_with_an_example(text: str) -> None:
    """The error shows what was written and how to write it."""
    with pytest.raises(InputError, match="is not a time: write 7d"):
        moment(text, NOW)


@given(st.integers(0, 250_000_000_000_000))
def test_what_we_print_we_read(ms: int) -> None:
    """A time of our JSON is read as the same moment."""
    assert ms == moment(from_ms(ms), NOW)
