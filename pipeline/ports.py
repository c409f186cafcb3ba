"""What the stages need of the outside: a classifier and a store. Their promises are suites in tests/contracts/."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pipeline.confusion import Confusion
from pipeline.records import Bin, Incident, Notification, Post, Rejected, Score, ScoredPost, TopicSummary, TrendPoint


class Classifier(Protocol):
    """Text to emotion."""

    @property
    def name(self) -> str:
        """`name@hash`: two classifiers with one name give the same scores."""

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes that it covers."""

    def score(self, texts: Sequence[str]) -> list[Score]:
        """One score per text, in order. The answer to a text depends on that text alone."""


@runtime_checkable
class Counting(Protocol):
    """A classifier that tells how it came to its answers."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Texts since the start: `asked`, of these `repeated` (answered from memory) and `forwarded` (by a cascade to the transformer)."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did."""

    stored: int  # new documents
    updated: int  # edits that changed a document
    repeated: int  # seen before: no change
    erased: int  # deletions that removed a document
    refused: int = 0  # posts whose tombstone says that they stay deleted


@dataclass(frozen=True, slots=True)
class Change:
    """A document that is no longer as it was: why a figure may differ from what was sent. Holds nothing personal."""

    kind: str  # erased | edited | expired | rescored
    topic: str
    created_at: int
    at: int
    count: int


class PostStore(Protocol):
    """The write side. Every call is one durable transaction: when it returns, it survives SIGKILL."""

    def write(self, posts: Sequence[ScoredPost]) -> Written:
        """Store posts, edits and deletes by identity; a repeated post changes nothing, `ingested_at` is kept.

        Raises StoreBusy (try again), StoreBlocked (disk full, read-only), StoreError.
        """

    def reject(self, rejected: Sequence[Rejected]) -> None:
        """Keep dead letters; the same `where` and `raw` again changes nothing."""

    def dead_letters(self, limit: int = 100) -> list[Rejected]:
        """The newest dead letters first."""

    def erase(self, platform: str, post_id: str, at: int) -> bool:
        """Remove one post from documents, search, bins, roll-ups and dead letters, and leave a tombstone. False if there was none."""

    def refresh(self) -> list[tuple[str, int]]:
        """Recompute bins and roll-ups from the documents of the bins that changed; which: (topic, bin start)."""

    def expire(self, before: int) -> int:
        """Retention: remove posts created before; trends keep their hourly roll-up. How many went."""

    def add_topic(self, topic: str) -> None:
        """Make a topic known although it has no posts yet."""

    def close(self) -> None:
        """Release the store; calling it twice is fine."""


class TrendReader(Protocol):
    """The read side, all that the page, the API and the commands need. Unknown topics raise NotFoundError."""

    def topics(self) -> list[TopicSummary]:
        """All topics by name, with the totals of everything stored."""

    def trend(self, topic: str, every: int, since: int | None = None, until: int | None = None) -> list[TrendPoint]:
        """Buckets of `every` ms (a multiple of BIN) with posts in them, oldest first; undated posts are included."""

    def bins(self, topics: Sequence[str], since: int, until: int, as_of: int | None = None) -> list[Bin]:
        """Non-empty bins with since <= start < until, by start then topic. `as_of`: from documents ingested by then."""

    def mentions(self, topic: str, term: str, since: int, until: int, as_of: int) -> dict[int, float]:
        """Bin start → Σ weight of a topic's dated posts with a word or phrase, as `search` finds it, from documents ingested by `as_of`.

        Bins with since <= start < until; those without such a post are left out.
        """

    def posts(
        self, topic: str, since: int, until: int, limit: int, *, as_of: int | None = None, newest_first: bool = True
    ) -> list[ScoredPost]:
        """Dated posts of a topic by event time."""

    def get(self, ids: Sequence[str]) -> dict[str, ScoredPost]:
        """Posts by `platform:post_id`; those that are not there are left out."""

    def search(
        self, query: str, topic: str | None = None, since: int | None = None, until: int | None = None, limit: int = 20
    ) -> list[ScoredPost]:
        """Full text, newest first: all words must occur, "a phrase" as it stands. Undated posts are included."""

    def count(self, topic: str | None = None) -> int:
        """Stored posts."""

    def latest(self) -> tuple[int | None, int | None]:
        """(newest event time of dated posts, newest ingested_at)."""

    def confusion(self, model: str) -> Confusion | None:
        """What a model confuses, as the process that scored with it told this store; None if none did."""

    def changes(self, topic: str, since: int, until: int, after: int) -> list[Change]:
        """What was erased, edited, expired or re-scored after `after` among posts created in [since, until)."""


class IncidentStore(Protocol):
    """Incidents, the outbox and the detector's state."""

    def save(self, incident: Incident, messages: Sequence[Notification] = ()) -> None:
        """Store the incident and queue its messages in one transaction; a message id is queued once for ever."""

    def incident(self, incident_id: str) -> Incident:
        """One incident by id or unique prefix of it; NotFoundError."""

    def incidents(self, topic: str | None = None, open_only: bool = False, limit: int = 100) -> list[Incident]:
        """Newest onset first."""

    def pending(self, now: int, limit: int = 100) -> list[Notification]:
        """Messages that are due, oldest first."""

    def delivered(self, message_id: str, at: int) -> None:
        """The receiver has it."""

    def failed(self, message_id: str, error: str, retry_at: int) -> None:
        """Try again at `retry_at`."""

    def attempts(self, message_id: str) -> int:
        """How often a message has failed."""

    def state(self, name: str) -> bytes | None:
        """A saved state, e.g. the detector's."""

    def save_state(self, name: str, data: bytes) -> None:
        """Replace a saved state."""

    def revise_state(self, name: str, change: Callable[[bytes | None], bytes]) -> None:
        """Replace a saved state by what `change` makes of it as it is now; of several who do so at once none undoes another's change.

        `change` may be called more than once.
        """


class Store(PostStore, TrendReader, IncidentStore, Protocol):
    """All three sides of one database."""


class Source(Protocol):
    """Where posts come from."""

    name: str

    def read(self) -> Iterator[Post | Rejected]:
        """Posts in the order of the source."""


class Receiver(Protocol):
    """Where messages go."""

    name: str

    def send(self, message: Notification, incident: Mapping[str, object]) -> None:
        """Deliver or raise Unavailable; the same message id may come twice after a crash."""
