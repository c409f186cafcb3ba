"""Posts and reviews from a CSV or JSONL file, also gzipped: the file's columns become a post's fields."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final

from pipeline.decode import Unfit, post_from, refuse_impossible_time, rejected, time_from
from pipeline.errors import InputError, NotFoundError
from pipeline.records import Post, Rejected
from pipeline.settings import LimitSettings
from producers.opened import Opened
from producers.rows import Row

FIELDS: Final = (
    "platform", "post_id", "created_at", "text", "event", "kind", "lang", "author", "parent_id", "root_id", "url", "rating", "reach",
)  # fmt: skip
_HEAD_ROWS: Final = 1_000  # looked at before the first post: columns, time format, scale of the ratings
_HEAD_CHARS: Final = 8_000_000
_TIMES_TRIED: Final = 20
_REPORT_ROWS: Final = 200


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of a file become posts.

    A field is read from the column that `columns` names, else from the column of its own name. `created_at` (ms) stands in for the time
    of every row, which makes the posts undated. Ratings in CSV and in mapped columns are stars, 1 to `rating_max`, and become
    (r − 1)/(rating_max − 1); if the first 1,000 rows hold only numbers from 0 to 1, one of them below 1, they are kept as they are.
    """

    platform: str = "file"
    columns: Mapping[str, str] = field(default_factory=dict)
    created_at: int | None = None
    topics: tuple[str, ...] = ()
    lang: str | None = None
    rating_max: float = 5.0
    encoding: str | None = None  # None: UTF-8, or what a byte order mark says


class FileSource:
    """A file as a source. Without a column for post_id a post's id is a hash of all its cells and `#k` for the k-th identical row,
    so that reading a file again gives the same posts."""

    def __init__(
        self,
        path: Path,
        layout: Layout,
        *,
        now: Callable[[], int],
        limits: LimitSettings,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        for name in layout.columns:
            if name not in FIELDS:
                raise InputError(str(NotFoundError.of("field of a post", name, FIELDS)))
        if layout.created_at is not None and "created_at" in layout.columns:
            raise InputError("a column for created_at and one time for all rows exclude each other; give one of them")
        self.name = path.name
        self._path = path
        self._layout = layout
        self._now = now
        self._limits = limits
        self._progress = progress
        self._forget()

    def _forget(self) -> None:
        self._mark = hashlib.blake2b(digest_size=16)
        self._seen: set[int] = set()
        self._copies: dict[int, int] = {}
        self._ids: dict[int, int] = {}

    @property
    def mark(self) -> str:
        """A hash of all records that were read so far: the same again means the same beginning of the file."""
        return self._mark.hexdigest()

    def read(self) -> Iterator[Post | Rejected]:
        """One item per record, from the first one on. Raises InputError for a file that can't be read or understood at all."""
        self._forget()
        with Opened(self._path, self._layout.encoding, self._limits.record_bytes) as opened:
            rows = opened.rows()
            head = _head(rows)
            reader = _Reader(self._layout, _fields(head, self._layout, opened), opened.is_json, _keeps_ratings(head, self._layout))
            reader.check_times(head, self.name)
            for count, row in enumerate(chain(_records(head, opened.is_json), rows)):
                raw = row.raw.encode(opened.raw_encoding, "surrogateescape")
                self._mark.update(raw)
                yield self._item(row, raw, reader)
                if self._progress and count % _REPORT_ROWS == 0:
                    self._progress(opened.position)
            if self._progress:
                self._progress(opened.position)

    def _item(self, row: Row, raw: bytes, reader: _Reader) -> Post | Rejected:
        now = self._now()
        try:
            if row.problem:
                return rejected(row.problem, raw, f"{self.name}:{row.line}", now)
            data = reader.data(row.cells)
            given = "post_id" in reader.fields
            if not given:
                data["post_id"] = self._identity(row.key)
            post = post_from(data, now)
            refuse_impossible_time(post, now)
            if given and post.event == "post":
                self._refuse_other_content(post, row.key)
        except Unfit as reason:
            return rejected(str(reason), raw, f"{self.name}:{row.line}", now)
        return post

    def _identity(self, key: str) -> str:
        """Hash of all cells, `#k` for the k-th such row. Rows that occur once cost a number in a set, not a dictionary's entry."""
        digest = hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=12)
        short = int.from_bytes(digest.digest()[:8], "little")
        if short in self._seen:
            self._copies[short] = self._copies.get(short, 1) + 1
        self._seen.add(short)
        return f"{digest.hexdigest()}#{self._copies.get(short, 1)}"

    def _refuse_other_content(self, post: Post, key: str) -> None:
        """Two rows of one id with different cells: the second one would be lost as a repetition, so it is said."""
        content = hash(key)
        if self._ids.setdefault(hash(post.id), content) != content:
            raise Unfit("duplicate_id", f"an earlier row with other content has the post_id {post.post_id[:60]!r}")


class _Reader:
    """Turns cells into the fields of a post."""

    def __init__(self, layout: Layout, fields: Mapping[str, str], is_json: bool, keeps_ratings: bool) -> None:
        self.fields = fields
        self._layout = layout
        self._is_json = is_json
        self._keeps_ratings = keeps_ratings
        self._kind = "review" if "rating" in layout.columns or ("rating" in fields and not is_json) else "post"

    def data(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """A record's fields, for `post_from`. Raises Unfit."""
        layout = self._layout
        data = dict(cells) if self._is_json else {}
        for name, column in self.fields.items():
            value = cells.get(column)
            data[name] = None if value == "" else value
        if not self._is_json or "rating" in layout.columns:
            data["rating"] = self._rating(data.get("rating"))
        if not self._is_json and data.get("reach") is not None:
            data["reach"] = _whole(data["reach"])
        for name, fallback in (("platform", layout.platform), ("kind", self._kind), ("lang", layout.lang)):
            if data.get(name) is None:
                data[name] = fallback
        if layout.created_at is not None:
            data["created_at"], data["dated"] = layout.created_at, False
        if layout.topics:
            data["topics"] = layout.topics
        return data

    def check_times(self, head: list[Row], name: str) -> None:
        """Raises InputError if none of the first times can be read."""
        column = self.fields.get("created_at")
        if self._layout.created_at is not None:
            return
        if column is None:
            advice = "name it with --map created_at=COLUMN, or give one time for all rows with --created-at"
            raise InputError(f"{name} has no column for created_at; {advice}")
        times = [value for row in _records(head, self._is_json) if (value := row.cells.get(column)) not in (None, "")][:_TIMES_TRIED]
        if times and not any(map(_is_time, times)):
            raise InputError(
                f"{name}: {str(times[0])[:40]!r} in column {column!r} is not a time; what can be read: 2026-11-01T09:30:00Z (RFC 3339), "
                "2026-11-01, 2026-11-01 09:30, 2026-11-01 09:30:00, Unix seconds or milliseconds"
            )

    def _rating(self, value: object) -> float | None:
        if value is None:
            return None
        number = _number(value)
        if number is None:
            raise Unfit("bad_value", f"rating {str(value)[:40]!r} is not a number")
        low, high = (0.0, 1.0) if self._keeps_ratings else (1.0, self._layout.rating_max)
        if not low <= number <= high:
            raise Unfit("bad_value", f"rating {number:g} is not between {low:g} and {high:g}")
        return number if self._keeps_ratings else (number - 1) / (high - 1)


def _head(rows: Iterator[Row]) -> list[Row]:
    head: list[Row] = []
    size = 0
    for row in rows:
        head.append(row)
        size += len(row.raw)
        if len(head) >= _HEAD_ROWS or size >= _HEAD_CHARS:
            break
    return head


def _records(head: list[Row], is_json: bool) -> list[Row]:
    """The rows without the header of a CSV file."""
    return head if is_json else head[1:]


def _fields(head: list[Row], layout: Layout, opened: Opened) -> dict[str, str]:
    """Field → column, for the columns that are there. Raises InputError for one that isn't, with the nearest name."""
    if not opened.is_json and head and head[0].problem:
        raise InputError(f"{opened.name}: the header can't be read: {head[0].problem}")
    columns = dict.fromkeys(name for row in (head if opened.is_json else head[:1]) for name in row.cells)
    if not columns:
        return {name: layout.columns.get(name, name) for name in FIELDS}
    for name, column in layout.columns.items():
        if column not in columns:
            raise InputError(f"{opened.name}: {NotFoundError.of('column', column, columns)} (for {name})")
    fields = {name: column for name in FIELDS if (column := layout.columns.get(name, name)) in columns}
    if "text" not in fields:
        there = ", ".join(repr(name) for name in list(columns)[:20])
        raise InputError(f"{opened.name} has no column for text; name it with --map text=COLUMN; there is: {there}")
    return fields


def _keeps_ratings(head: list[Row], layout: Layout) -> bool:
    column = layout.columns.get("rating", "rating")
    numbers = [number for row in head if (number := _number(row.cells.get(column))) is not None]
    return layout.rating_max <= 1 or (bool(numbers) and 0 <= min(numbers) < 1 and max(numbers) <= 1)


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, (str, int, float)) else None
    except ValueError:
        return None


def _whole(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20 else value


def _is_time(value: object) -> bool:
    try:
        time_from(value)
    except Unfit:
        return False
    return True
