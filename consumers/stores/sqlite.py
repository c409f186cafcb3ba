"""The store in one SQLite file: every promise of `pipeline.ports.Store`, one method each; the work is in sqlite_*.py.

* **Durable**: every call that writes is one transaction in a write-ahead log with synchronous=FULL. What was returned from
  survives SIGKILL and a power cut.
* **Fresh**: `trend`, `topics` and `bins` first recompute the bins that changed, so they show all that was written. When the store is
  busy or can't be written, they show the last figures instead of failing.
* **Recomputable**: `latest()[1]` is a watermark. Whatever a later transaction stores gets an `ingested_at` above it, if need be by
  moving it up a millisecond, and what it changes is dated above it in `changes`. So figures taken as of a watermark that
  `latest` gave can be computed again from the documents for ever after.
* **Forgotten**: what is erased leaves documents, search, bins and trends at once. Its words leave the search index and the log with
  the next calls of `refresh`, slice by slice. SQLite may still hold copies in the unused part of pages that once overflowed (0.3 %
  of erased posts in a shuffled store of 4,000); `scrub` rewrites the whole file, and then no byte is left.
* **Retention**: posts before the horizon of the last `expire` are refused, so a replay can't bring them back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from consumers.stores import (
    sqlite_bins,
    sqlite_expire,
    sqlite_incidents,
    sqlite_meta,
    sqlite_read,
    sqlite_search,
    sqlite_write,
)
from consumers.stores.sqlite_file import BUSY_MS, SqliteFile
from pipeline.confusion import Confusion
from pipeline.errors import StoreBlocked, StoreBusy
from pipeline.ports import Change, Written
from pipeline.records import Bin, Incident, Notification, Rejected, ScoredPost, TopicSummary, TrendPoint

PURGE_SLICES = 3  # by one `refresh`: a small index is done at once, a large one in some calls more


class SqliteStore:
    """A `pipeline.ports.Store` in one file, for any number of threads and for several processes."""

    def __init__(self, path: Path | str, *, now: Callable[[], int], busy_ms: int = BUSY_MS) -> None:
        """Open the file, or make it. `now` gives ms since 1970. StoreBlocked, StoreBusy, StoreError (damaged, or a newer version)."""
        self._file = SqliteFile(Path(path), busy_ms)
        self._now = now

    @classmethod
    def open(cls, path: Path | str, *, now: Callable[[], int]) -> SqliteStore:
        """The same, with the folder made first."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return cls(path, now=now)

    def write(self, posts: Sequence[ScoredPost]) -> Written:
        """Store posts, edits and deletes by identity; see revision.py for what replaces what.

        A new document's `ingested_at` is above the watermark; weights are kept in 1/10,000. ValueError names a post that can't be
        held (a NUL or half a character in the text, a time outside 1970–2109, a weight outside (0, 10,000], a score that is NaN);
        nothing of its batch is stored then.
        """
        with self._file.writing() as connection:
            gone = {item.id for item in posts if item.post.event == "delete"}
            if gone:
                sqlite_incidents.erase_dead_letters(connection, gone)
            return sqlite_write.write(connection, posts)

    def reject(self, rejected: Sequence[Rejected]) -> None:
        """Keep dead letters; the same `where` and `raw` again changes nothing."""
        with self._file.writing() as connection:
            sqlite_incidents.reject(connection, rejected)

    def dead_letters(self, limit: int = 100) -> list[Rejected]:
        """The newest dead letters first."""
        with self._file.reading() as connection:
            return sqlite_incidents.dead_letters(connection, limit)

    def count_dead_letters(self) -> int:
        """How many dead letters there are."""
        with self._file.reading() as connection:
            return sqlite_incidents.count_dead_letters(connection)

    def purge_dead_letters(self) -> int:
        """Forget all dead letters; how many there were."""
        with self._file.writing() as connection:
            return sqlite_incidents.purge_dead_letters(connection)

    def erase(self, platform: str, post_id: str, at: int) -> bool:
        """Remove one post everywhere and leave a tombstone, also for one that isn't here yet."""
        with self._file.writing() as connection:
            sqlite_incidents.erase_dead_letters(connection, {f"{platform}:{post_id}"})
            return sqlite_write.erase(connection, f"{platform}:{post_id}", at)

    def refresh(self) -> list[tuple[str, int]]:
        """Recompute what changed and return the bins, also those that a read has recomputed since; go on with a purge that is due.

        To be called about each second while posts come: it costs 2 to 10 µs per post of a bin that changed.
        """
        with self._file.reading() as connection:
            if not sqlite_bins.has_news(connection):
                return []
        with self._file.writing() as connection:
            sqlite_bins.recompute(connection)
            changed = sqlite_bins.take_changed(connection)
        for _ in range(PURGE_SLICES):
            if not self._purge_a_slice():
                break
        return changed

    def scrub(self) -> None:
        """Remove every trace of erased posts now: finish the purge and rewrite the file (needs twice its size on disk)."""
        while self._purge_a_slice():
            pass
        self._file.rewrite()

    def _purge_a_slice(self) -> bool:
        """True while there is more to do."""
        with self._file.writing() as connection:
            if sqlite_search.purge_slice(connection):
                return True
            if sqlite_meta.get_meta(connection, "purge") == sqlite_search.PURGE_DONE:
                return False
        if self._file.empty_log():
            with self._file.writing() as connection:
                sqlite_search.end_purge(connection)
        return False

    def expire(self, before: int) -> int:
        """Remove posts created before `before`, rounded down to the hour, in small transactions; the hourly sums stay."""
        with self._file.writing() as connection:
            horizon = sqlite_expire.set_horizon(connection, before)
        total = 0
        while True:
            with self._file.writing() as connection:
                gone = sqlite_expire.expire_slice(connection, horizon, self._now())
            total += gone
            if not gone:
                return total

    def add_topic(self, topic: str) -> None:
        """Make a topic known although it has no posts yet."""
        with self._file.writing() as connection:
            sqlite_meta.topic_numbers(connection, [topic])

    def close(self) -> None:
        """Release the file; calling it twice is fine."""
        self._file.close()

    def topics(self) -> list[TopicSummary]:
        """All topics by name, with the totals of everything stored."""
        self._recompute()
        with self._file.reading() as connection:
            return sqlite_read.topics(connection)

    def trend(self, topic: str, every: int, since: int | None = None, until: int | None = None) -> list[TrendPoint]:
        """Buckets of `every` ms with posts in them; `since` and `until` are widened to whole hours (bins below 1 h)."""
        self._recompute()
        with self._file.reading() as connection:
            return sqlite_read.trend(connection, topic, every, since, until)

    def bins(self, topics: Sequence[str], since: int, until: int, as_of: int | None = None) -> list[Bin]:
        """Non-empty bins with since <= start < until; `as_of` sums the documents with ingested_at <= as_of instead."""
        if as_of is None:
            self._recompute()
        with self._file.reading() as connection:
            return sqlite_bins.bins(connection, topics, since, until, as_of)

    def mentions(self, topic: str, term: str, since: int, until: int, as_of: int) -> dict[int, float]:
        """Σ weight per bin of a topic's dated posts with a word or phrase, over the documents with ingested_at <= as_of."""
        with self._file.reading() as connection:
            return sqlite_bins.mentions(connection, topic, term, since, until, as_of)

    def _recompute(self) -> None:
        with self._file.reading() as connection:
            if not sqlite_bins.is_dirty(connection):
                return
        try:
            with self._file.writing() as connection:
                sqlite_bins.recompute(connection)
        except (StoreBusy, StoreBlocked):
            return  # the figures of the last refresh are better than none

    def posts(
        self, topic: str, since: int, until: int, limit: int, *, as_of: int | None = None, newest_first: bool = True
    ) -> list[ScoredPost]:
        """Dated posts of a topic by event time, those of one millisecond by id."""
        with self._file.reading() as connection:
            return sqlite_read.posts(connection, topic, since, until, limit, as_of, newest_first)

    def get(self, ids: Sequence[str]) -> dict[str, ScoredPost]:
        """Posts by `platform:post_id`; those that are not there are left out."""
        with self._file.reading() as connection:
            return sqlite_read.get(connection, ids)

    def search(
        self, query: str, topic: str | None = None, since: int | None = None, until: int | None = None, limit: int = 20
    ) -> list[ScoredPost]:
        """Full text, newest first; case and accents don't count. Any input is fine; one without a letter or digit finds nothing."""
        with self._file.reading() as connection:
            number = None if topic is None else sqlite_meta.topic_number(connection, topic)
            return sqlite_search.find(connection, query, number, since, until, limit)

    def count(self, topic: str | None = None) -> int:
        """Stored posts."""
        self._recompute()
        with self._file.reading() as connection:
            return sqlite_read.count(connection, topic)

    def latest(self) -> tuple[int | None, int | None]:
        """(newest event time of dated posts, the watermark): the watermark never goes back and can be used as `as_of`."""
        with self._file.reading() as connection:
            return sqlite_read.latest(connection)

    def changes(self, topic: str, since: int, until: int, after: int) -> list[Change]:
        """What was erased, edited, expired (counted per hour) or re-scored after `after` among posts created in [since, until)."""
        with self._file.reading() as connection:
            return sqlite_read.changes(connection, topic, since, until, after)

    def confusion(self, model: str) -> Confusion | None:
        """What a model confuses, as the process that scored with it told this store; None if none did."""
        with self._file.reading() as connection:
            return sqlite_read.confusions(connection)(model)

    def save(self, incident: Incident, messages: Sequence[Notification] = ()) -> None:
        """Store the incident and queue its messages in one transaction; a message id is queued once for ever."""
        with self._file.writing() as connection:
            sqlite_incidents.save(connection, incident, messages)

    def incident(self, incident_id: str) -> Incident:
        """One incident by id or unique prefix of it; NotFoundError."""
        with self._file.reading() as connection:
            return sqlite_incidents.incident(connection, incident_id)

    def incidents(self, topic: str | None = None, open_only: bool = False, limit: int = 100) -> list[Incident]:
        """Newest onset first."""
        with self._file.reading() as connection:
            return sqlite_incidents.incidents(connection, topic, open_only, limit)

    def pending(self, now: int, limit: int = 100) -> list[Notification]:
        """Messages that are due, oldest first."""
        with self._file.reading() as connection:
            return sqlite_incidents.pending(connection, now, limit)

    def delivered(self, message_id: str, at: int) -> None:
        """The receiver has it."""
        with self._file.writing() as connection:
            sqlite_incidents.delivered(connection, message_id, at)

    def failed(self, message_id: str, error: str, retry_at: int) -> None:
        """Try again at `retry_at`."""
        with self._file.writing() as connection:
            sqlite_incidents.failed(connection, message_id, error, retry_at)

    def attempts(self, message_id: str) -> int:
        """How often a message has failed, for the pause before the next try."""
        with self._file.reading() as connection:
            return sqlite_incidents.attempts(connection, message_id)

    def state(self, name: str) -> bytes | None:
        """A saved state, e.g. the detector's."""
        with self._file.reading() as connection:
            return sqlite_incidents.state(connection, name)

    def save_state(self, name: str, data: bytes) -> None:
        """Replace a saved state."""
        with self._file.writing() as connection:
            sqlite_incidents.save_state(connection, name, data)

    def revise_state(self, name: str, change: Callable[[bytes | None], bytes]) -> None:
        """Replace a saved state by what `change` makes of it; nobody else writes meanwhile."""
        with self._file.writing() as connection:
            sqlite_incidents.save_state(connection, name, change(sqlite_incidents.state(connection, name)))
