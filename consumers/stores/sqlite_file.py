"""One SQLite file: a writer behind a lock, readers that don't wait for it, and SQLite's errors in the project's words."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from consumers.stores.sqlite_schema import migrate
from pipeline.errors import StoreBlocked, StoreBusy, StoreError

BUSY_MS = 5_000  # how long a statement waits for another process that writes
CHECKPOINT_PAGES = 32_000  # 128 MB of log between checkpoints, so that inserts into the index of identities share page writes
WRITER_CACHE_KIB = 65_536
READER_CACHE_KIB = 16_384
SPARE_READERS = 4

BLOCKED = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR}
BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class SqliteFile:
    """The connections to one store. Safe to use from any thread; other processes may use the same file."""

    def __init__(self, path: Path, busy_ms: int = BUSY_MS) -> None:
        if str(path) == ":memory:":
            raise StoreError("':memory:' would be another database for each thread: give a file")
        self.path = path
        self._busy_ms = busy_ms
        self._lock = threading.RLock()
        self._readers: deque[sqlite3.Connection] = deque()
        self._closed = False
        with self._named_errors():
            self._writer = self._connect(WRITER_CACHE_KIB)
        try:
            with self._named_errors():
                self._prepare()
        except StoreError:
            self._writer.close()
            raise

    def _prepare(self) -> None:
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.execute("PRAGMA synchronous = FULL")
        self._writer.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten with zeros
        self._writer.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        migrate(self._writer, self.path)

    def _connect(self, cache_kib: int) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=self._busy_ms / 1000, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute(f"PRAGMA cache_size = -{cache_kib}")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is durable when the block ends, and never happened if it raises."""
        with self._lock, self._named_errors():
            self._check_open()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A view of the store as it is at the first statement, whatever is written meanwhile."""
        with self._named_errors():
            self._check_open()
            connection = self._reader()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self._give_back(connection)

    def _reader(self) -> sqlite3.Connection:
        try:
            return self._readers.pop()
        except IndexError:
            connection = self._connect(READER_CACHE_KIB)
            connection.execute("PRAGMA query_only = ON")
            return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._closed or len(self._readers) >= SPARE_READERS:
            connection.close()
        else:
            self._readers.append(connection)

    def empty_log(self) -> bool:
        """Move the log into the file and cut it to nothing, so that no deleted word is left there. False if a reader is in the way."""
        with self._lock, self._named_errors():
            self._check_open()
            self._writer.execute("PRAGMA busy_timeout = 0")  # somebody reads: better later than make writers wait
            try:
                return bool(self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)
            finally:
                self._writer.execute(f"PRAGMA busy_timeout = {self._busy_ms}")

    def rewrite(self) -> None:
        """Copy what is in use into fresh pages, so that no deleted byte is left; writers wait meanwhile."""
        with self._lock, self._named_errors():
            self._check_open()
            self._writer.execute("VACUUM")
            self.empty_log()

    def close(self) -> None:
        """Close every connection; a reader that is still at work closes its own when it is done."""
        with self._lock:
            self._closed = True
            while self._readers:
                self._readers.pop().close()
            self._writer.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(f"the store {self.path} is closed")

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise self._named(error) from error

    def _named(self, error: sqlite3.DatabaseError) -> StoreError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code; the upper bits say more of it
        if code in BUSY:
            return StoreBusy(f"another process is writing to {self.path}", seconds=1.0)
        if code in BLOCKED:
            return StoreBlocked(f"{self.path} can't be written ({error}): free disk space or change its permissions")
        if code in BROKEN:
            return StoreError(f"{self.path} is damaged or not a SQLite database ({error}): restore a copy or give another --store")
        return StoreError(f"{self.path}: {error}")
