"""Writing documents: a batch is compared with what is stored; the differences go in by bulk requests that win only if nobody was quicker.

The order of the steps makes every one of them repeatable after a crash:
1. what explains a change: topics, tombstones, changes, and marks on the bins of documents that are replaced or removed;
2. the documents: `create` for new ones, the exact stored version for others; who loses to another writer looks again;
3. marks on the bins of all posts of the batch, also of repeated ones, for a writer may have died between 2 and 3.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from consumers.stores.elastic_client import Elastic, Hit, Op, Verdict, check
from consumers.stores.elastic_clock import Clock, Turn
from consumers.stores.elastic_docs import doc_id, document_of, identity_hash, month_of, sources_of
from consumers.stores.revision import Document, first_version, next_version
from consumers.stores.revision import check as check_post
from pipeline.errors import StoreBusy
from pipeline.ports import Written
from pipeline.records import BIN, ScoredPost
from pipeline.trends import floor_to

TRIES = 10  # how often a post is looked at again because another writer was quicker


@dataclass
class Batch:
    """The documents that some events touch: as stored, and as they are to be (None: deleted)."""

    stored: dict[str, list[tuple[Hit, Document]]]  # normally one; two after a crash while a post moved to another month
    buried: set[str]  # hashes of the identities among them that have a tombstone
    turn: Turn
    current: dict[str, Document | None] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)  # what happened last to a document that changed
    tombs: dict[str, int] = field(default_factory=dict)  # new ones, with the time
    outcomes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def take(self, item: ScoredPost) -> None:
        """Settle one event."""
        now = self.now(item.id)
        if item.post.event == "delete":
            self.bury(item.id, item.ingested_at)
            self.outcomes[item.id].append("erased" if now else "repeated")
        elif item.post.created_at < self.turn.horizon or self._is_buried(item.id):
            self.outcomes[item.id].append("refused")
        elif now is None:
            self.current[item.id] = first_version(item, self.turn.arrival(item.ingested_at))
            self.outcomes[item.id].append("stored")
        else:
            self._revise(item.id, now, item)

    def bury(self, post_id: str, at: int) -> None:
        """Delete a document if it is there, and leave a tombstone."""
        if not self._is_buried(post_id):
            self.tombs[identity_hash(post_id)] = self.turn.arrival(at)
        if self.now(post_id):
            self.current[post_id] = None
            self.kinds[post_id] = "erased"

    def now(self, post_id: str) -> Document | None:
        """The document after the events so far."""
        if post_id in self.current:
            return self.current[post_id]
        found = self.stored.get(post_id)
        return found[0][1] if found else None

    def _is_buried(self, post_id: str) -> bool:
        tomb = identity_hash(post_id)
        return tomb in self.buried or tomb in self.tombs

    def _revise(self, post_id: str, now: Document, item: ScoredPost) -> None:
        result = next_version(now, item)
        if result is None:
            self.outcomes[post_id].append("repeated")
            return
        kind, self.current[post_id] = result
        self.outcomes[post_id].append("repeated" if kind == "noted" else "updated")
        if kind != "noted":
            self.kinds[post_id] = kind


class Writer:
    """The write side of one store."""

    def __init__(self, es: Elastic, clock: Clock) -> None:
        self._es = es
        self._clock = clock

    def write(self, posts: Sequence[ScoredPost]) -> Written:
        """Store a batch of events. ValueError names a post that no store can hold, or that Elasticsearch refuses."""
        for item in posts:
            check_post(item)
        counts: Counter[str] = Counter()
        if posts:
            with self._clock.turn() as turn:
                self._settle_all(posts, turn, counts)
        return Written(**{name: counts[name] for name in ("stored", "updated", "repeated", "erased", "refused")})

    def erase(self, post_id: str, at: int) -> bool:
        """Remove one post and leave a tombstone; was it there?"""
        with self._clock.turn() as turn:
            for _ in range(TRIES):
                batch = Batch(*self._read([post_id], {post_id: set()}), turn)
                batch.bury(post_id, at)
                if not self._settle(batch):
                    return post_id in batch.stored
        raise StoreBusy(f"other writers keep changing {post_id}", seconds=0.1)

    def _settle_all(self, posts: Sequence[ScoredPost], turn: Turn, counts: Counter[str]) -> None:
        todo = list(posts)
        for _ in range(TRIES):
            months: dict[str, set[str]] = defaultdict(set)
            for item in todo:
                months[item.id].add(self._es.index(month_of(item.post.created_at)))
            batch = Batch(*self._read(list(months), months), turn)
            for item in todo:
                batch.take(item)
            lost = self._settle(batch)
            counts.update(outcome for post_id, outcomes in batch.outcomes.items() if post_id not in lost for outcome in outcomes)
            todo = [item for item in todo if item.id in lost]
            if not todo:
                return
        raise StoreBusy("other writers keep changing the same posts", seconds=0.1)

    # ------------------------------------------------------------ reading what is stored

    def _read(self, ids: list[str], months: dict[str, set[str]]) -> tuple[dict[str, list[tuple[Hit, Document]]], set[str]]:
        """What is stored of these identities, and which have a tombstone: by key where they should be, then in all other months."""
        tombstones = self._es.index("tombstones")
        wanted = [(tombstones, identity_hash(post_id)) for post_id in ids]
        found = self._es.get_many(wanted + [(index, doc_id(post_id)) for post_id in ids for index in sorted(months[post_id])])
        buried = {hit.id for hit in found if hit.index == tombstones}
        hits = {(hit.index, hit.id): hit for hit in found if hit.index != tombstones}
        seen = {hit.id for hit in hits.values()}
        missing = [post_id for post_id in ids if doc_id(post_id) not in seen]
        if missing:
            hits |= {
                (hit.index, hit.id): hit for hit in self._elsewhere(missing, {index for post_id in missing for index in months[post_id]})
            }
        stored: dict[str, list[tuple[Hit, Document]]] = defaultdict(list)
        for hit in hits.values():
            document = document_of(hit.source)
            stored[document.item.id].append((hit, document))
        for copies in stored.values():
            copies.sort(key=lambda pair: -pair[1].revised_at)
        return dict(stored), buried

    def _elsewhere(self, ids: list[str], looked: set[str]) -> list[Hit]:
        """Posts stored under another time than expected."""
        known = {entry["name"] for entry in self._es.call("GET", f"/_resolve/index/{self._es.index('posts-*')}")["indices"]}
        if not known - looked:
            return []
        skip = f",-{next(iter(looked))}" if len(looked) == 1 else ""
        self._es.show(f"posts-*{skip}", always=True)
        query = {"ids": {"values": [doc_id(post_id) for post_id in ids]}}
        return [hit for hit in self._es.scan(f"posts-*{skip}", query, [{"_doc": "asc"}]) if hit.index not in looked or len(looked) > 1]

    # ------------------------------------------------------------ writing

    def _settle(self, batch: Batch) -> set[str]:
        """Write the differences; the identities for which another writer was quicker."""
        ids = [*batch.outcomes] or [*batch.current]
        documents = self._documents(batch)  # first, for a score that is no number refuses the batch
        before = self._explanations(batch)
        if before:
            self._es.settle(before)
        results = self._es.bulk(documents)
        marks = self._marks(document for post_id in ids for document in self._versions(batch, post_id))
        if marks:
            self._es.settle(marks)
        lost = {op.id for op, what, _ in results if what == "conflict"}
        _check_documents([result for result in results if result[1] != "conflict"])
        return {post_id for post_id in ids if doc_id(post_id) in lost}

    def _explanations(self, batch: Batch) -> list[Op]:
        new = [document for document in batch.current.values() if document]
        self._clock.add_topics(topic for document in new for topic in document.item.topics)
        ops = [Op("index", self._es.index("tombstones"), tomb, {"at": at}) for tomb, at in batch.tombs.items()]
        at = max([batch.turn.floor + 1, *batch.tombs.values(), *(document.item.ingested_at for document in new)])
        batch.turn.arrival(at) if batch.kinds else None
        for post_id, kind in batch.kinds.items():
            for hit, old in batch.stored.get(post_id, ())[:1]:
                ops += self._changes(hit, old, batch.current[post_id], kind, at)
        replaced = [document for post_id in batch.current if post_id in batch.stored for document in self._versions(batch, post_id)]
        return ops + self._marks(replaced)

    def _changes(self, hit: Hit, old: Document, new: Document | None, kind: str, at: int) -> list[Op]:
        """What became of a document that was there before, under each topic that it had or has."""
        topics = {*old.item.topics, *(new.item.topics if new else ())}
        created_at = old.item.post.created_at
        return [
            Op(
                "index",
                self._es.index("changes"),
                identity_hash(f"{hit.index}/{hit.id}/{hit.if_seq}/{kind}/{topic}"),
                {"kind": kind, "topic": topic, "created_at": created_at, "at": at, "count": 1},
            )
            for topic in sorted(topics)
        ]

    def _documents(self, batch: Batch) -> list[Op]:
        new = {post_id: document for post_id, document in batch.current.items() if document}
        sources = dict(zip(new, sources_of(list(new.values())), strict=True))
        ops: list[Op] = []
        for post_id in batch.current:
            hits = [hit for hit, _ in batch.stored.get(post_id, ())]
            if post_id in new:
                home = self._es.index(month_of(new[post_id].item.post.created_at))
                same = next((hit for hit in hits if hit.index == home), None)
                action = Op("create", home, doc_id(post_id), sources[post_id])
                ops.append(action if same is None else Op("index", home, same.id, sources[post_id], if_seq=same.if_seq))
                hits = [hit for hit in hits if hit is not same]
            ops += [Op("delete", hit.index, hit.id, if_seq=hit.if_seq) for hit in hits]
        return ops

    def _versions(self, batch: Batch, post_id: str) -> list[Document]:
        new = batch.current.get(post_id)
        return [document for _, document in batch.stored.get(post_id, ())] + ([new] if new else [])

    def _marks(self, documents: Iterable[Document]) -> list[Op]:
        """Bins whose figures are to be made anew."""
        places = {
            (topic, document.item.post.dated, floor_to(document.item.post.created_at, BIN))
            for document in documents
            for topic in document.item.topics
        }
        index = self._es.index("marks")
        return [
            Op("index", index, doc_id("dirty", topic, int(dated), start), {"kind": "dirty", "topic": topic, "dated": dated, "start": start})
            for topic, dated, start in sorted(places)
        ]


def _check_documents(results: list[tuple[Op, Verdict, str]]) -> None:
    """ValueError for a document that Elasticsearch will never take; the others of its batch are stored."""
    check(result for result in results if result[1] != "bad")
    for op, what, why in results:
        if what == "bad":
            raise ValueError(f"{op.id}: Elasticsearch refuses the document ({why})")
