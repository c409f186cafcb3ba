"""Records of a CSV or JSONL file, with bounded memory: whatever the file holds, one record's worth of it is in memory.

A record that can't be read is a Row with a problem, and the next one is read: an open quote costs its line, not the rest of the file.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, TextIO

from pipeline.decode import Unfit, parsed

_MOST_LINES: Final = 1_000  # of one quoted record; more is a quote that was never closed
UNDECODED: Final = re.compile("[\udc80-\udcff]")  # bytes that are not of the file's encoding


class Row(NamedTuple):
    """One record: the line on which it begins, its characters, what tells it from others, its cells, or why it has none."""

    line: int
    raw: str
    key: str
    cells: Mapping[str, Any]
    problem: str = ""


class _TooLong(Exception):
    """The record is longer than allowed."""


class _Unclosed(Exception):
    """The file ends, or many lines pass, inside a quoted cell."""


class Lines:
    """Lines of a file of at most `limit` characters, and those that make up the record being read."""

    def __init__(self, file: TextIO, limit: int) -> None:
        self._file = file
        self.limit = limit
        self._again: deque[str] = deque()
        self._record: list[str] = []
        self._size = 0
        self.line = 1  # on which the record begins

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._bounded()
        if not line:
            if self._record:
                raise _Unclosed
            raise StopIteration
        self._record.append(line)
        self._size += len(line)
        if self._size > self.limit:
            raise _TooLong
        if len(self._record) > _MOST_LINES:
            raise _Unclosed
        return line

    def begin(self) -> None:
        """The next line begins a record."""
        self.line += len(self._record)
        self._record, self._size = [], 0

    def raw(self) -> str:
        """The record's characters."""
        return self._record[0] if len(self._record) == 1 else "".join(self._record)

    def keep_first(self) -> None:
        """Give back all lines of the record but the first: they are read again, as records of their own."""
        self._again.extendleft(reversed(self._record[1:]))
        del self._record[1:]

    def _bounded(self) -> str:
        """The next line; of one that is too long the beginning, the rest of it is read and forgotten."""
        line = self._file.readline(self.limit + 1)
        rest = line
        while len(line) > self.limit and rest and rest[-1] not in "\r\n":
            rest = self._file.readline(self.limit)
        return line


def csv_rows(lines: Lines, delimiter: str, limit: int) -> Iterator[Row]:
    """Rows of a CSV file. The first one is the header: each name is its own cell."""
    csv.field_size_limit(limit + 1)  # process-wide; the module's 131,072 is too little for a long review
    reader = csv.reader(lines, delimiter=delimiter)
    header: list[str] | None = None
    while True:
        lines.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _TooLong:
            lines.keep_first()
            yield _bad(lines, f"too_large: more than {limit:,} characters (limits.record_bytes)")
            continue
        except _Unclosed:
            lines.keep_first()
            yield _bad(lines, "bad_row: a quote is opened and not closed")
            continue
        except csv.Error as error:
            yield _bad(lines, f"bad_row: {error}")
            continue
        if header is None and cells:
            header = [name.strip() for name in cells]
            yield Row(lines.line, lines.raw(), "", dict(zip(header, header, strict=True)))
        elif header is not None and cells:
            yield _csv_row(lines, header, cells)


def _csv_row(lines: Lines, header: list[str], cells: list[str]) -> Row:
    raw = lines.raw()
    if len(cells) != len(header):
        return _bad(lines, f"bad_row: {len(cells)} cells where the header has {len(header)}")
    if not raw.isascii() and (found := UNDECODED.search(raw)):
        return _bad(lines, _undecoded(raw, found.start()))
    return Row(lines.line, raw, "\x1f".join(cells), dict(zip(header, cells, strict=True)))


def json_rows(lines: Lines, limit: int) -> Iterator[Row]:
    """Rows of a file with one JSON object per line."""
    while True:
        lines.begin()
        try:
            raw = next(lines)
        except StopIteration:
            return
        except _TooLong:
            yield _bad(lines, f"too_large: more than {limit:,} characters (limits.record_bytes)")
            continue
        if not raw.isspace():
            yield _json_row(lines, raw)


def _json_row(lines: Lines, raw: str) -> Row:
    if not raw.isascii() and (found := UNDECODED.search(raw)):
        return _bad(lines, _undecoded(raw, found.start()))
    try:
        return Row(lines.line, raw, raw.strip(), parsed(raw.encode(), lines.limit))
    except Unfit as reason:
        return _bad(lines, str(reason))


def _bad(lines: Lines, problem: str) -> Row:
    return Row(lines.line, lines.raw(), "", {}, problem)


def _undecoded(raw: str, at: int) -> str:
    byte = len(raw[:at].encode("utf-8", "surrogateescape"))
    return f"bad_encoding: byte {byte} of the record is not in the file's encoding; --encoding names another"
