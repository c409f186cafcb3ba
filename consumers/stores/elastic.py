"""The store in Elasticsearch 8: every promise of `pipeline.ports.Store`, one method each; the work is in elastic_*.py.

* **One document per post**: the id is the post's identity, in the index of its month. A write that another writer overtook looks again.
* **Durable**: a write has returned when every item of the bulk answer says so; the translog is on disk then.
* **Fresh**: reads see what this process wrote; what other processes wrote shows within the refresh interval (1 s). `trend`, `topics` and
  `bins` first recompute the bins that changed, at most every `fresh_ms`.
* **Recomputable**: `latest()[1]` is a watermark that holds with any number of writers (elastic_clock.py).
* **Exact**: scores are integers, sums are of integers; the figures equal those of SQLite for the same posts.
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import elasticsearch

from consumers.stores.elastic_client import Elastic, Json
from consumers.stores.elastic_clock import Clock
from consumers.stores.elastic_docs import words_of
from consumers.stores.elastic_expire import Expiry
from consumers.stores.elastic_figures import Figures
from consumers.stores.elastic_incidents import Incidents
from consumers.stores.elastic_read import Reader
from consumers.stores.elastic_write import Writer
from pipeline.confusion import Confusion, recall
from pipeline.errors import SettingsError, StoreBlocked, StoreBusy, StoreError
from pipeline.ports import Change, Written
from pipeline.records import Bin, Incident, Notification, Rejected, ScoredPost, TopicSummary, TrendPoint

if TYPE_CHECKING:
    from pipeline.settings import ElasticsearchSettings

VERSION = 1  # of the mappings; a store of a newer one is refused
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
TEMPLATES = ("changes", "incidents", "letters", "marks", "posts", "state", "tombstones", "trends")


class ElasticStore:
    """A `pipeline.ports.Store` in one Elasticsearch cluster, for any number of threads and processes."""

    def __init__(self, es: Elastic, *, now: Callable[[], int], fresh_ms: int = 0, replicas: int = 0) -> None:
        """`now` gives ms since 1970. Makes the index templates if need be. StoreBusy, StoreBlocked, StoreError (a newer version)."""
        self._es = es
        self._now = now
        self._fresh_ms = fresh_ms
        self._recomputed_at: int | None = None
        prepare(es, replicas)
        self._clock = Clock(es, now)
        self._figures = Figures(es, self._clock)
        self._writer = Writer(es, self._clock)
        self._reader = Reader(es, self._clock)
        self._incidents = Incidents(es)
        self._expiry = Expiry(es, self._clock, self._figures)

    @classmethod
    def open(cls, url: str, settings: ElasticsearchSettings, *, now: Callable[[], int]) -> ElasticStore:
        """The store behind `elasticsearch://HOST:PORT` (or `elasticsearchs://` for TLS), with the settings' credentials."""
        es = connect(url, settings)
        try:
            return cls(es, now=now, fresh_ms=round(settings.fresh_seconds * 1000), replicas=settings.replicas)
        except BaseException:
            es.close()
            raise

    # ------------------------------------------------------------ write side

    def write(self, posts: Sequence[ScoredPost]) -> Written:
        """Store posts, edits and deletes by identity; see revision.py for what replaces what. Repeating it after StoreBusy is safe.

        ValueError names a post that no store can hold (nothing of the batch is stored then), or one that Elasticsearch refuses
        (the others are stored).
        """
        gone = {item.id for item in posts if item.post.event == "delete"}
        if gone:
            self._incidents.erase_dead_letters(gone)
        return self._writer.write(posts)

    def reject(self, rejected: Sequence[Rejected]) -> None:
        """Keep dead letters; the same `where` and `raw` again changes nothing."""
        self._incidents.reject(rejected)

    def dead_letters(self, limit: int = 100) -> list[Rejected]:
        """The newest dead letters first."""
        return self._incidents.dead_letters(limit)

    def count_dead_letters(self) -> int:
        """How many dead letters there are."""
        return self._incidents.count_dead_letters()

    def purge_dead_letters(self) -> int:
        """Forget all dead letters; how many there were."""
        return self._incidents.purge_dead_letters()

    def erase(self, platform: str, post_id: str, at: int) -> bool:
        """Remove one post everywhere and leave a tombstone, also for one that isn't here yet."""
        self._incidents.erase_dead_letters({f"{platform}:{post_id}"})
        return self._writer.erase(f"{platform}:{post_id}", at)

    def refresh(self) -> list[tuple[str, int]]:
        """Recompute what changed and return the bins, also those that a read has recomputed since."""
        self._es.show("marks", always=True)
        self._figures.recompute()
        self._es.show("marks", always=True)
        return self._figures.take_changed()

    def expire(self, before: int) -> int:
        """Remove posts created before `before`, rounded down to the hour; the hourly rows stay."""
        self._es.show("marks", always=True)
        self._es.show("posts-*", always=True)
        return self._expiry.expire(before, self._now())

    def add_topic(self, topic: str) -> None:
        """Make a topic known although it has no posts yet."""
        self._clock.add_topics([topic])

    def close(self) -> None:
        """Release the connections; calling it twice is fine."""
        self._es.close()

    # ------------------------------------------------------------ read side

    def topics(self) -> list[TopicSummary]:
        """All topics by name, with the totals of everything stored."""
        self._recompute()
        return self._reader.topics(recall(self._incidents.state))

    def trend(self, topic: str, every: int, since: int | None = None, until: int | None = None) -> list[TrendPoint]:
        """Buckets of `every` ms with posts in them; `since` and `until` are widened to whole hours (bins below 1 h)."""
        self._recompute()
        return self._reader.trend(topic, every, since, until, recall(self._incidents.state))

    def bins(self, topics: Sequence[str], since: int, until: int, as_of: int | None = None) -> list[Bin]:
        """Non-empty bins with since <= start < until; `as_of` sums the documents with ingested_at <= as_of instead."""
        if as_of is None:
            self._recompute()
            return self._reader.bins(topics, since, until)
        for topic in topics:
            self._clock.check_topic(topic)
        found = [one for topic in sorted(set(topics)) for one in self._figures.bins_as_of(topic, since, until, as_of)]
        return sorted(found, key=lambda one: (one.start, one.topic))

    def mentions(self, topic: str, term: str, since: int, until: int, as_of: int) -> dict[int, float]:
        """Σ weight per bin of a topic's dated posts with a word or phrase, over the documents with ingested_at <= as_of."""
        self._clock.check_topic(topic)
        words = words_of(term)
        return self._figures.mentions(topic, " ".join(words), since, until, as_of) if words else {}

    def _recompute(self) -> None:
        """Recompute unless this was done a moment ago; while the store can't be written, the last figures are better than none."""
        now = self._now()
        if self._recomputed_at is not None and 0 <= now - self._recomputed_at < self._fresh_ms:
            return
        try:
            self._es.show("marks", always=True)  # what other processes changed
            self._figures.recompute()
        except (StoreBusy, StoreBlocked):
            return
        self._recomputed_at = now

    def posts(
        self, topic: str, since: int, until: int, limit: int, *, as_of: int | None = None, newest_first: bool = True
    ) -> list[ScoredPost]:
        """Dated posts of a topic by event time, those of one millisecond by id."""
        return self._reader.posts(topic, since, until, limit, as_of, newest_first)

    def get(self, ids: Sequence[str]) -> dict[str, ScoredPost]:
        """Posts by `platform:post_id`; those that are not there are left out."""
        return self._reader.get(ids)

    def search(
        self, query: str, topic: str | None = None, since: int | None = None, until: int | None = None, limit: int = 20
    ) -> list[ScoredPost]:
        """Full text, newest first; case and accents don't count. Any input is fine; one without a letter or digit finds nothing."""
        return self._reader.search(query, topic, since, until, limit)

    def count(self, topic: str | None = None) -> int:
        """Stored posts."""
        return self._reader.count(topic)

    def latest(self) -> tuple[int | None, int | None]:
        """(newest event time of dated posts, the watermark): the watermark never goes back and can be used as `as_of`."""
        return self._reader.newest(), self._clock.watermark()

    def changes(self, topic: str, since: int, until: int, after: int) -> list[Change]:
        """What was erased, edited, expired (counted per hour) or re-scored after `after` among posts created in [since, until)."""
        return self._reader.changes(topic, since, until, after)

    def confusion(self, model: str) -> Confusion | None:
        """What a model confuses, as the process that scored with it told this store; None if none did."""
        return recall(self._incidents.state)(model)

    # ------------------------------------------------------------ incidents

    def save(self, incident: Incident, messages: Sequence[Notification] = ()) -> None:
        """Store the incident and queue its messages in one write; a message id is queued once for ever."""
        self._incidents.save(incident, messages)

    def incident(self, incident_id: str) -> Incident:
        """One incident by id or unique prefix of it; NotFoundError."""
        return self._incidents.incident(incident_id)

    def incidents(self, topic: str | None = None, open_only: bool = False, limit: int = 100) -> list[Incident]:
        """Newest onset first."""
        return self._incidents.incidents(topic, open_only, limit)

    def pending(self, now: int, limit: int = 100) -> list[Notification]:
        """Messages that are due, oldest first."""
        return self._incidents.pending(now, limit)

    def delivered(self, message_id: str, at: int) -> None:
        """The receiver has it."""
        self._incidents.delivered(message_id, at)

    def failed(self, message_id: str, error: str, retry_at: int) -> None:
        """Try again at `retry_at`."""
        self._incidents.failed(message_id, error, retry_at)

    def attempts(self, message_id: str) -> int:
        """How often a message has failed, for the pause before the next try."""
        return self._incidents.attempts(message_id)

    def state(self, name: str) -> bytes | None:
        """A saved state, e.g. the detector's."""
        return self._incidents.state(name)

    def save_state(self, name: str, data: bytes) -> None:
        """Replace a saved state."""
        self._incidents.save_state(name, data)

    def revise_state(self, name: str, change: Callable[[bytes | None], bytes]) -> None:
        """Replace a saved state by what `change` makes of it; tried again when another writer was quicker."""
        self._incidents.revise_state(name, change)

    # ------------------------------------------------------------ leases

    def lease(self, name: str, holder: str, until: int) -> bool:
        """Take or prolong a lease till `until` (ms); False while somebody else holds it. Give it back with `until` = 0."""
        now = self._now()
        taken = {"value": {"holder": holder, "until": until}}

        def change(old: Json | None) -> Json | None:
            value: Json = old["value"] if old else {"holder": holder, "until": 0}
            return taken if value["holder"] == holder or value["until"] <= now else None

        return self._es.revise("state", f"lease|{name}", change) == taken


def connect(url: str, settings: ElasticsearchSettings) -> Elastic:
    """A client for a store's URL; nothing is sent yet. Certificates are checked. SettingsError for a URL that can't be used."""
    parts = urlsplit(url)
    if not parts.hostname or parts.port is None or parts.username:
        raise SettingsError(f"store {url!r} can't be used: write elasticsearch://HOST:PORT; credentials are settings of their own")
    scheme, host, prefix = parts.scheme, parts.netloc, parts.path.strip("/")
    if scheme == "elasticsearch" and not settings.allow_insecure and parts.hostname not in LOOPBACK:
        raise SettingsError(f"{parts.hostname} is not this machine: write elasticsearchs:// for TLS, or set elasticsearch.allow_insecure")
    options: Json = {"request_timeout": settings.request_seconds, "max_retries": 0, "retry_on_timeout": False, "http_compress": False}
    if settings.api_key is not None:
        options["api_key"] = settings.api_key.get_secret_value()
    elif settings.username is not None and settings.password is not None:
        options["basic_auth"] = (settings.username, settings.password.get_secret_value())
    if scheme == "elasticsearchs":
        options["ca_certs"] = str(settings.ca_file) if settings.ca_file else None
    client = elasticsearch.Elasticsearch(f"{'https' if scheme == 'elasticsearchs' else 'http'}://{host}", **options)
    return Elastic(client, prefix or "moodstream")


def templates(prefix: str, replicas: int) -> dict[str, Json]:
    """The index templates by name, from mappings/*.json."""
    folder = importlib.resources.files("consumers.stores") / "mappings"
    out: dict[str, Json] = {}
    for name in TEMPLATES:
        template = json.loads((folder / f"{name}.json").read_text(encoding="utf-8").replace("{prefix}", prefix))
        template["template"]["settings"]["number_of_replicas"] = replicas
        out[f"{prefix}-{name}"] = template
    return out


def prepare(es: Elastic, replicas: int) -> None:
    """Put the templates of this version in place; StoreError when the store was made by a newer moodstream."""
    found = es.call(
        "GET", f"/_index_template/{es.index('*')}", ok=(404,), filter_path="index_templates.name,index_templates.index_template.version"
    )
    versions = {entry["name"]: entry["index_template"].get("version", 0) for entry in (found or {}).get("index_templates", ())}
    for name, template in templates(es.prefix, replicas).items():
        if versions.get(name, 0) > VERSION:
            raise StoreError(
                f"{name} is of version {versions[name]}; this moodstream knows up to version {VERSION}: use a newer moodstream"
            )
        if versions.get(name) != VERSION:
            es.call("PUT", f"/_index_template/{name}", template)
