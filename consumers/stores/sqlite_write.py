"""Writing documents: one batch is compared with what is stored, then the differences go in by a few bulk statements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from sqlite3 import Connection

import orjson

from consumers.stores import sqlite_search
from consumers.stores.revision import Document, check, first_version, next_version
from consumers.stores.sqlite_meta import add_meta, advance, get_meta, set_meta, topic_numbers
from consumers.stores.sqlite_rows import (
    INSERT_POST,
    P_NEGATIVE,
    SELECT_POST,
    TIE_BITS,
    WEIGHT,
    Row,
    document_of,
    first_key,
    identity_hash,
    rows_of,
)
from pipeline.ports import Written
from pipeline.records import BIN, MINUTE, ScoredPost
from pipeline.trends import author_key, floor_to, text_key

NO_TOPIC = 0  # where posts without a topic are listed; real topics count from 1
Keyed = tuple[int, Document]
Placed = tuple[int, Document, list[int]]  # key, document, the numbers of its topics


@dataclass
class Batch:
    """The documents that a batch touches: as stored (with their keys), and as they are to be (None: deleted)."""

    stored: dict[str, Keyed]
    buried: set[str]  # hashes of the identities among them that have a tombstone
    horizon: int
    clock: int  # the watermark before the batch; whatever it stores counts as later
    current: dict[str, Document | None] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)  # what happened last to a document that changed
    tombs: dict[str, int] = field(default_factory=dict)  # new ones, with the time
    counts: Counter[str] = field(default_factory=Counter)

    def take(self, item: ScoredPost) -> None:
        """Settle one event; the outcome is counted."""
        post_id = item.id
        arrived = max(item.ingested_at, self.clock + 1)
        now = self._now(post_id)
        if item.post.event == "delete":
            self.bury(post_id, arrived)
            self.counts["erased" if now else "repeated"] += 1
        elif item.post.created_at < self.horizon or self._is_buried(post_id):
            self.counts["refused"] += 1
        elif now is None:
            self.current[post_id] = first_version(item, arrived)
            self.counts["stored"] += 1
        else:
            self._revise(post_id, now, item)

    def bury(self, post_id: str, at: int) -> None:
        """Delete a document if it is there, and leave a tombstone."""
        if not self._is_buried(post_id):
            self.tombs[identity_hash(post_id)] = at
        if self._now(post_id):
            self.current[post_id] = None
            self.kinds[post_id] = "erased"

    def _now(self, post_id: str) -> Document | None:
        if post_id in self.current:
            return self.current[post_id]
        found = self.stored.get(post_id)
        return found[1] if found else None

    def _is_buried(self, post_id: str) -> bool:
        if not self.buried and not self.tombs:
            return False
        tomb = identity_hash(post_id)
        return tomb in self.buried or tomb in self.tombs

    def _revise(self, post_id: str, now: Document, item: ScoredPost) -> None:
        result = next_version(now, item)
        if result is None:
            self.counts["repeated"] += 1
            return
        kind, self.current[post_id] = result
        self.counts["repeated" if kind == "noted" else "updated"] += 1
        if kind != "noted":
            self.kinds[post_id] = kind


def write(connection: Connection, posts: Sequence[ScoredPost]) -> Written:
    """Store a batch of events in the open transaction.

    ValueError names a post that can't be held (see revision.check); nothing of the batch is stored then.
    """
    for item in posts:
        check(item)
    batch = _open_batch(connection, [item.id for item in posts])
    for item in posts:
        batch.take(item)
    _settle(connection, batch)
    return Written(**{name: batch.counts[name] for name in ("stored", "updated", "repeated", "erased", "refused")})


def erase(connection: Connection, post_id: str, at: int) -> bool:
    """Remove one post and leave a tombstone; was it there?"""
    batch = _open_batch(connection, [post_id])
    batch.bury(post_id, max(at, batch.clock + 1))
    _settle(connection, batch)
    return post_id in batch.stored


def _open_batch(connection: Connection, ids: list[str]) -> Batch:
    rows = connection.execute(f"{SELECT_POST} FROM posts p WHERE p.id IN (SELECT value FROM json_each(?))", (_json(ids),))
    stored = {row[1]: (row[0], document_of(row)) for row in rows}
    buried: set[str] = set()
    if connection.execute("SELECT EXISTS (SELECT 1 FROM tombstones)").fetchone()[0]:
        hashes = _json([identity_hash(post_id) for post_id in ids])
        query = "SELECT identity FROM tombstones WHERE identity IN (SELECT value FROM json_each(?))"
        buried = {identity for (identity,) in connection.execute(query, (hashes,))}
    return Batch(stored, buried, get_meta(connection, "horizon"), get_meta(connection, "watermark"))


def _settle(connection: Connection, batch: Batch) -> None:
    """Write the batch's differences."""
    old = [batch.stored[post_id] for post_id in batch.current if post_id in batch.stored]
    new = [document for document in batch.current.values() if document]
    numbers = topic_numbers(connection, [t for document in [*new, *(d for _, d in old)] for t in document.item.topics])
    remove(connection, old, numbers)
    _insert(connection, _place(_with_keys(connection, new, batch.stored), numbers))
    connection.executemany("INSERT INTO tombstones VALUES (?, ?)", batch.tombs.items())
    if batch.current:
        arrivals = [document.item.ingested_at for document in new]
        at = advance(connection, [batch.clock + 1, *arrivals, *batch.tombs.values()])
        _record(connection, batch, at, numbers)


def _record(connection: Connection, batch: Batch, at: int, numbers: dict[str, int]) -> None:
    """Say what became of documents that were there before, under each topic that they had or have."""
    rows = []
    for post_id, kind in batch.kinds.items():
        old, new = batch.stored.get(post_id), batch.current[post_id]
        if old is None:
            continue  # came and changed in this batch: nobody has seen the earlier version
        topics = {*old[1].item.topics, *(new.item.topics if new else ())}
        rows += [(numbers[topic], old[1].item.post.created_at, at, kind) for topic in sorted(topics)]
    connection.executemany("INSERT INTO changes (topic, created_at, at, kind, count) VALUES (?, ?, ?, ?, 1)", rows)


def _with_keys(connection: Connection, documents: Iterable[Document], stored: Mapping[str, Keyed]) -> list[Keyed]:
    """The documents to insert with their keys. One whose time is as before keeps its key."""
    keyed: list[Keyed] = []
    keyless: list[Document] = []
    for document in documents:
        found = stored.get(document.item.id)
        if found and found[1].item.post.created_at == document.item.post.created_at:
            keyed.append((found[0], document))
        else:
            keyless.append(document)
    return keyed + _new_keys(connection, keyless, {key for key, _ in keyed})


def _new_keys(connection: Connection, documents: list[Document], taken: set[int]) -> list[Keyed]:
    """The next free key of each document's millisecond."""
    times = {document.item.post.created_at for document in documents}
    query = "SELECT value, (SELECT MAX(key) FROM posts WHERE key >= value << ?1 AND key < (value + 1) << ?1) FROM json_each(?2)"
    used = dict(connection.execute(query, (TIE_BITS, _json(sorted(times)))))
    keyed: list[Keyed] = []
    for document in documents:
        moment = document.item.post.created_at
        last = used[moment]
        key = first_key(moment) if last is None else last + 1
        while key in taken:
            key += 1
        if key == first_key(moment + 1):
            key = _after_a_full_millisecond(connection, moment)
        used[moment] = key
        keyed.append((key, document))
    return keyed


def _after_a_full_millisecond(connection: Connection, moment: int) -> int:
    """2^21 posts of one time happen when a long file gets a constant one: go on behind the last key of that minute."""
    (last,) = connection.execute("SELECT MAX(key) FROM posts WHERE key < ?", (first_key(moment + MINUTE),)).fetchone()
    return int(last) + 1


def _place(keyed: Iterable[Keyed], numbers: Mapping[str, int]) -> list[Placed]:
    """By ascending key, which is quickest for every table."""
    ordered = sorted(keyed, key=itemgetter(0))
    return [(key, document, [numbers[name] for name in dict.fromkeys(document.item.topics)] or [NO_TOPIC]) for key, document in ordered]


def _insert(connection: Connection, placed: list[Placed]) -> None:
    rows = rows_of([(key, document) for key, document, _ in placed])
    connection.executemany(INSERT_POST, rows)
    connection.executemany("INSERT INTO topic_posts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _topic_rows(placed, rows))
    add_meta(connection, "documents", len(placed))
    sqlite_search.add(connection, [(key, document.item.post.text, topics) for key, document, topics in placed])
    _mark_dirty(connection, placed)


def _topic_rows(placed: list[Placed], rows: list[Row]) -> list[Row]:
    found: list[Row] = []
    for (key, document, topics), row in zip(placed, rows, strict=True):
        item, post = document.item, document.item.post
        tail = (key, row[WEIGHT], row[P_NEGATIVE], item.ingested_at, author_key(post.author), text_key(post.text))
        found += [(topic, post.dated, *tail) for topic in topics]
    return sorted(found, key=itemgetter(0, 1, 2))


def remove(connection: Connection, keyed: Iterable[Keyed], numbers: Mapping[str, int]) -> None:
    """Take documents out of all tables but the sums, and ask for a purge of their words."""
    placed = _place(keyed, numbers)
    if not placed:
        return
    add_meta(connection, "documents", -len(placed))
    sqlite_search.remove(connection, [(key, document.item.post.text, topics) for key, document, topics in placed])
    in_topics = [(topic, document.item.post.dated, key) for key, document, topics in placed for topic in topics]
    connection.executemany("DELETE FROM topic_posts WHERE topic = ? AND dated = ? AND post = ?", in_topics)
    connection.executemany("DELETE FROM posts WHERE key = ?", [(key,) for key, _, _ in placed])
    _mark_dirty(connection, placed)
    set_meta(connection, "purge", sqlite_search.PURGE_DUE)


def _mark_dirty(connection: Connection, placed: list[Placed]) -> None:
    """Bins before the retention horizon are never made anew: their hours are all that is left of them."""
    horizon = get_meta(connection, "horizon")
    bins = {
        (topic, document.item.post.dated, floor_to(key >> TIE_BITS, BIN))
        for key, document, topics in placed
        if key >> TIE_BITS >= horizon
        for topic in topics
        if topic != NO_TOPIC
    }
    connection.executemany("INSERT OR IGNORE INTO dirty VALUES (?, ?, ?)", sorted(bins))


def _json(values: Sequence[object]) -> str:
    return orjson.dumps(values).decode()
