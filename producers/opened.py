"""Opens a CSV or JSONL file: what it is, how it is encoded, and whether it can be read at all."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Final, cast

from pipeline.errors import InputError
from producers.rows import UNDECODED, Lines, Row, csv_rows, json_rows

_SAMPLE: Final = 1_000_000
_JSON: Final = frozenset({".jsonl", ".ndjson", ".json"})
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BAD_SHARE: Final = 0.2  # of lines that can't be decoded, and at least two: from here on it is the encoding, not the rows


class Opened:
    """A file that is open. Raises InputError with what to do if it is missing, empty, damaged or in another encoding."""

    def __init__(self, path: Path, encoding: str | None, limit: int) -> None:
        self.name = path.name
        self._limit = limit
        try:
            self._file: IO[bytes] = path.open("rb")
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from None
        self._bytes = cast("IO[bytes]", gzip.GzipFile(fileobj=self._file)) if path.suffix == ".gz" else self._file
        try:
            self._open(path, encoding)
        except BaseException:
            self._file.close()
            raise

    def _open(self, path: Path, encoding: str | None) -> None:
        sample = self._sample()
        if not sample.strip():
            raise InputError(f"{path} is empty")
        self.encoding = encoding or next((name for mark, name in _MARKS if sample.startswith(mark)), "utf-8")
        # Bytes of a bad record are kept as they are in the file; of two- and four-byte encodings as UTF-8.
        self.raw_encoding = "utf-8" if self.encoding.lower().replace("_", "-").startswith("utf") else self.encoding
        start = self._decoded(sample).lstrip("\ufeff")
        suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
        self.is_json = suffix.lower() in _JSON or start.lstrip().startswith("{")
        if self.is_json and start.lstrip().startswith("["):
            raise InputError(f"{path} is one JSON array; write one object per line (JSONL), e.g. with `jq -c '.[]'`")
        first = start.splitlines()[0]
        self._delimiter = max(",;\t|", key=first.count)
        self._bytes.seek(0)

    def _sample(self) -> bytes:
        """The first bytes; of a damaged archive what can be had, as its rows up to there are good."""
        sample = b""
        try:
            while len(sample) < _SAMPLE and (more := self._bytes.read1(_SAMPLE)):  # type: ignore[attr-defined]
                sample += more
        except (OSError, EOFError, zlib.error) as error:
            if not sample:
                raise InputError(f"{self.name} can't be read: {error}") from None
        return sample[:_SAMPLE]

    def _decoded(self, sample: bytes) -> str:
        """The sample as text. Raises InputError if the encoding is unknown, or wrong for more than a few lines."""
        try:
            text = codecs.getincrementaldecoder(self.encoding)("surrogateescape").decode(sample)
        except LookupError:
            raise InputError(f"unknown encoding {self.encoding!r}; try utf-8, cp1252, latin-1 or utf-16") from None
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.name} is not {self.encoding}: {error.reason} at byte {error.start}; name its encoding with --encoding"
            ) from None
        lines = text.splitlines()
        bad = [bool(UNDECODED.search(line)) for line in lines]
        if bad and (bad[0] or sum(bad) > max(1, _BAD_SHARE * len(bad))):
            byte = len(text[: UNDECODED.search(text).start()].encode("utf-8"))  # type: ignore[union-attr]
            raise InputError(f"{self.name} is not {self.encoding}: byte {byte} can't be decoded; name its encoding, e.g. --encoding cp1252")
        return text

    def rows(self) -> Iterator[Row]:
        """The records; of a CSV file the header first. Raises InputError if the file turns out to be damaged."""
        self._text = io.TextIOWrapper(self._bytes, self.encoding, errors="surrogateescape", newline="")  # closes the file when it goes
        lines = Lines(self._text, self._limit)
        rows = json_rows(lines, self._limit) if self.is_json else csv_rows(lines, self._delimiter, self._limit)
        while True:
            try:
                row = next(rows, None)
            except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
                raise InputError(
                    f"{self.name} is damaged after line {lines.line}: {error}; the rows before are kept, repair it and run again"
                ) from None
            if row is None:
                return
            yield row

    @property
    def position(self) -> int:
        """Bytes of the file that were read, of a gzipped one those of the compressed form."""
        return self._file.tell()

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
