"""The detector over bins from a CSV file, without a store: what `moodstream detect --bins` does.

Columns `topic,start,n,negative[,volume,n_raw,authors,distinct_texts]`, starts as RFC 3339 on five-minute borders. The rows of a
topic stand in the order in which they arrived: one for a bin that closed long ago is late, and what only late rows bring to light
is a late incident. A bin that comes twice is taken as the last row says; bins that are missing had no posts.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.crossings import Crossings
from pipeline.detector import DetectorConfig
from pipeline.errors import InputError
from pipeline.incidents import LEAST_AUTHORS, LEAST_DISTINCT, incident_id
from pipeline.lifecycle import QUIET_FOR
from pipeline.records import BIN, DAY, MINUTE, Bin, from_ms, to_ms
from pipeline.stories import Teller, Told, windows

REQUIRED = ("topic", "start", "n", "negative")
LATENESS = 10 * MINUTE
FAR = 60 * DAY  # rows on the other side of such a gap are bad stamps, if they are few: the bins between would take hours
FEW = 0.01
AHEAD = DAY  # a row further ahead of its topic's neighbours than this is a bad stamp


@dataclass(frozen=True, slots=True)
class BinFile:
    """The rows of a file: every bin as the last row for it says, and which of them were there in time."""

    bins: list[Bin]  # by start, then topic
    in_time: list[Bin]  # what was known when each bin closed
    guarded: bool  # the columns of the guard against few authors are there
    skipped: list[str]  # rows that can't be used, and why


def read(file: Path) -> BinFile:
    """Read a file. InputError if it has no such columns or no usable row; rows that can't be used are listed in `skipped`."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines)
            columns = rows.fieldnames or []
            missing = [name for name in REQUIRED if name not in columns]
            if missing:
                raise InputError(f"{file}: no column {', '.join(missing)}; it needs {', '.join(REQUIRED)}")
            parsed = list(_rows(rows))
    except OSError as error:
        raise InputError(f"can't read {file}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file} is not a CSV file in UTF-8: {error}") from None
    good = [row for row in parsed if isinstance(row, Bin)]
    skipped = [row for row in parsed if isinstance(row, str)]
    good, lost = _without_far(good)
    skipped += [f"{from_ms(item.start)} of {item.topic!r}: more than {FAR // DAY} days away from nearly all rows" for item in lost]
    good, strays = _without_strays(good)
    skipped += [f"{from_ms(item.start)} of {item.topic!r}: more than a day ahead of its topic's rows around it" for item in strays]
    if not good:
        raise InputError(f"{file}: no usable row; the first: {skipped[0] if skipped else 'the file is empty'}")
    return BinFile(_last(good), _last(_in_time(good)), {"authors", "distinct_texts"} <= set(columns), skipped)


def _rows(rows: Iterable[Mapping[str, str | None]]) -> Iterable[Bin | str]:
    for number, row in enumerate(rows, 2):
        try:
            yield _bin(row)
        except (ValueError, TypeError) as error:
            yield f"line {number}: {error}"


def _bin(row: Mapping[str, str | None]) -> Bin:
    topic, start = row["topic"], to_ms(row["start"] or "")
    n, negative = _number(row, "n"), _number(row, "negative")
    if not topic:
        raise ValueError("no topic")
    if start % BIN:
        raise ValueError(f"start {row['start']!r} is not on a five-minute border")
    if negative > n:
        raise ValueError(f"negative {negative:g} is more than n {n:g}")
    documents, authors, texts = (round(_number(row, name, n)) for name in ("n_raw", "authors", "distinct_texts"))
    return Bin(topic, start, _number(row, "volume", n), n, documents, negative, authors, texts)


def _number(row: Mapping[str, str | None], name: str, default: float | None = None) -> float:
    text = row.get(name)
    if text is None or text == "":
        if default is None:
            raise ValueError(f"no {name}")
        return default
    value = float(text)
    if not 0 <= value < 1e12:
        raise ValueError(f"{name} {text!r} is not a count")
    return value


def _without_far(bins: Sequence[Bin]) -> tuple[list[Bin], list[Bin]]:
    """Rows from before or after a gap of months are left out, if they are fewer than one in a hundred."""
    starts = sorted(item.start for item in bins)
    few = int(FEW * len(starts))
    first, last = 0, len(starts) - 1
    for i in range(min(few, last)):
        if starts[i + 1] - starts[i] > FAR:
            first = i + 1
        if starts[-1 - i] - starts[-2 - i] > FAR:
            last = min(last, len(starts) - 2 - i)
    inside = [item for item in bins if starts[first] <= item.start <= starts[last]] if starts else []
    return inside, [item for item in bins if not starts[first] <= item.start <= starts[last]]


def _without_strays(bins: Sequence[Bin]) -> tuple[list[Bin], list[Bin]]:
    """One bad stamp must not close windows: a row far ahead of its topic's row before, when the next one falls back, is left out."""
    after: dict[str, int] = {}
    falls_back = []
    for item in reversed(bins):
        following = after.get(item.topic)
        falls_back.append(following is not None and following < item.start - AHEAD)
        after[item.topic] = item.start
    good: list[Bin] = []
    strays: list[Bin] = []
    before: dict[str, int] = {}
    for item, alone in zip(bins, reversed(falls_back), strict=True):
        if alone and item.start > before.get(item.topic, item.start) + AHEAD:
            strays.append(item)
            continue
        before[item.topic] = item.start
        good.append(item)
    return good, strays


def _in_time(bins: Sequence[Bin]) -> list[Bin]:
    """The rows that came before their bin was closed, by the other rows of their topic: files are sorted by time or by topic."""
    newest: dict[str, int] = {}
    out = []
    for item in bins:
        newest[item.topic] = max(newest.get(item.topic, 0), item.start)
        if item.start >= newest[item.topic] - LATENESS:
            out.append(item)
    return out


def _last(bins: Iterable[Bin]) -> list[Bin]:
    """By start and topic; of several rows for one bin the last."""
    kept = {(item.start, item.topic): item for item in bins}
    return [kept[key] for key in sorted(kept)]


def incidents(file: BinFile, config: DetectorConfig | None = None) -> list[dict[str, Any]]:
    """The incidents of a file in the order of their firing, as JSON objects; times in RFC 3339."""
    stories = _told(file.bins, config)
    known = stories if file.in_time == file.bins else _told(file.in_time, config)
    return [
        _to_json(story, next((other for other in known if _same_story(story, other)), None), window, guarded=file.guarded)
        for story, window in zip(stories, windows(stories, file.bins), strict=True)
    ]


def _told(bins: Sequence[Bin], config: DetectorConfig | None) -> list[Told]:
    walk, teller = Crossings(bins[0].start, config), Teller()
    for _, events in walk.walk(bins, bins[-1].start + BIN):
        teller.take(events)
    return teller.stories


def _same_story(one: Told, other: Told) -> bool:
    """Alarms of one topic that overlap or follow within the time that a story stays quiet."""
    a, b = one.alarm, other.alarm
    return a.topic == b.topic and a.onset <= b.fired + QUIET_FOR and b.onset <= a.fired + QUIET_FOR


def _to_json(story: Told, in_time: Told | None, window: Sequence[Bin], *, guarded: bool) -> dict[str, Any]:
    """`in_time`: the story as it was found with what had arrived by then; None for one that only late rows bring to light."""
    alarm = story.alarm
    n = sum(item.n for item in window)
    out = {
        "id": incident_id(alarm.topic, alarm.onset, alarm.rule),
        "topic": alarm.topic,
        "onset": from_ms(alarm.onset),
        "fired": None if in_time is None else from_ms(in_time.alarm.fired),
        "closed": None if story.closed is None else from_ms(story.closed),
        "severity": story.severity,
        "share": round(sum(item.negative for item in window) / n, 4) if n else None,
        "expected": round(alarm.expected, 4),
        "n": n,
    }
    if in_time is None:
        out["late"] = True
    if guarded:
        documents = sum(item.n_raw for item in window)
        texts, authors = sum(item.distinct_texts for item in window), max(item.authors for item in window)
        out["coordinated"] = authors < LEAST_AUTHORS or texts < LEAST_DISTINCT * documents
    return out
