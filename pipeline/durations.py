"""How people write time: `90s`, `30m`, `1h`, `7d`, `2w`, a date, a moment, or `now`. Commands and the API share it."""

from __future__ import annotations

import re

from pipeline.errors import InputError
from pipeline.records import BIN, DAY, HOUR, MINUTE, to_ms

UNITS = {"s": 1_000, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
LONGEST = 36_500 * DAY  # a century: a longer one is a slip of the keyboard
_DURATION = re.compile(r"([0-9]{1,9})([smhdw])")
_FIRST, _LAST = to_ms("1970-01-01T00:00:00Z"), to_ms("9998-01-01T00:00:00Z")


def duration(text: str) -> int:
    """`30m`, `1h`, `7d` → milliseconds, more than 0 and at most a century. InputError says how to write it."""
    found = _DURATION.fullmatch(text.strip().lower())
    length = int(found[1]) * UNITS[found[2]] if found else 0
    if not 0 < length <= LONGEST:
        raise InputError(f"{text!r} is not a length of time: write a number and s, m, h, d or w, such as 30m, 1h or 7d")
    return length


def bucket(text: str) -> int:
    """The width of a chart's buckets in milliseconds: a duration that is a multiple of 5 minutes."""
    width = duration(text)
    if width % BIN:
        raise InputError(f"{text!r} can't be the width of a bucket: it must be a multiple of 5 minutes, such as 5m, 1h or 1d")
    return width


def moment(text: str, now: int) -> int:
    """`7d` (that long before `now`), `now`, `2026-11-01` or RFC 3339 (a missing zone means UTC) → milliseconds since 1970."""
    plain = text.strip()
    if plain.lower() == "now":
        return now
    if _DURATION.fullmatch(plain.lower()):
        return max(_FIRST, now - duration(plain))
    try:
        when = to_ms(plain)
    except (ValueError, OverflowError):
        when = -1
    if not _FIRST <= when <= _LAST:
        raise InputError(f"{text!r} is not a time: write 7d (seven days ago), 2026-11-01 or 2026-11-01T14:00:00Z")
    return when
