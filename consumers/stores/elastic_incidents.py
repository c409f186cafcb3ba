"""Incidents with their messages on the way out, dead letters and saved states.

An incident and its messages are one document, so that one write is one transaction; a change goes through only on the version it read.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict

from consumers.stores.elastic_client import Elastic, Hit, Json, Op
from consumers.stores.elastic_docs import doc_id
from pipeline.errors import NotFoundError
from pipeline.letters import holds
from pipeline.records import Incident, Notification, Rejected, incident_from_json, to_json

COPIED = (
    "id", "topic", "rule", "severity", "state", "onset", "fired", "closed", "start", "end", "n", "share", "low", "high", "expected",
    "volume_ratio", "sentence", "coordinated", "historical", "late",
)  # fmt: skip
RECENT: tuple[Json, ...] = ({"onset": "desc"}, {"id": "asc"})
CANDIDATES = 11
KNOWN = 1_000
OUTBOX = 10_000  # incidents with messages that are due, looked at by one call


class Incidents:
    """The incident side of one store, and its dead letters."""

    def __init__(self, es: Elastic) -> None:
        self._es = es

    def save(self, incident: Incident, messages: Sequence[Notification]) -> None:
        """Replace the incident and queue its messages; one whose id was ever queued stays as it is."""

        def change(old: Json | None) -> Json:
            queued: dict[str, Json] = {entry["id"]: entry for entry in (old or {}).get("messages", ())}
            for one in messages:
                queued.setdefault(one.id, asdict(one) | {"due": one.created_at, "attempts": 0, "error": None, "delivered_at": None})
            head = {name: getattr(incident, name) for name in COPIED}
            return _with_messages(head | {"open": incident.state != "closed", "record": to_json(incident)}, list(queued.values()))

        self._es.revise("incidents", doc_id(incident.id), change)

    def incident(self, incident_id: str) -> Incident:
        """By id, or by the beginning of one if it is the only such."""
        hits: list[Hit] = []
        if incident_id:
            hits = list(self._es.scan("incidents", {"prefix": {"id": incident_id}}, [{"id": "asc"}], CANDIDATES))
        exact = [hit for hit in hits if hit.source["id"] == incident_id] or hits
        if len(exact) == 1:
            return incident_from_json(exact[0].source["record"])
        if hits:
            raise NotFoundError(f"{incident_id!r} is the beginning of several incidents: {', '.join(hit.source['id'] for hit in hits)}")
        known = [hit.source["id"] for hit in self._es.scan("incidents", {"match_all": {}}, RECENT, KNOWN, source=["id"])]
        raise NotFoundError.of("incident", incident_id, known)

    def incidents(self, topic: str | None, open_only: bool, limit: int) -> list[Incident]:
        """Newest onset first."""
        clauses: list[Json] = [{"term": {"topic": topic}}] if topic is not None else []
        clauses += [{"term": {"open": True}}] if open_only else []
        hits = self._es.scan("incidents", {"bool": {"filter": clauses}}, RECENT, limit)
        return [incident_from_json(hit.source["record"]) for hit in hits]

    # ------------------------------------------------------------ the outbox

    def pending(self, now: int, limit: int) -> list[Notification]:
        """Messages that are due, oldest first."""
        hits = self._es.scan("incidents", {"range": {"due": {"lte": now}}}, [{"due": "asc"}], OUTBOX, source=["messages"])
        due = [one for hit in hits for one in hit.source["messages"] if one["delivered_at"] is None and one["due"] <= now]
        due.sort(key=lambda one: (one["created_at"], one["id"]))
        return [Notification(**{name: one[name] for name in Notification.__dataclass_fields__}) for one in due[:limit]]

    def delivered(self, message_id: str, at: int) -> None:
        """Take a message off the queue; its id stays, so it is never queued again."""
        self._change_message(message_id, lambda one: one | {"delivered_at": at, "error": None})

    def failed(self, message_id: str, error: str, retry_at: int) -> None:
        """Put a message off."""
        self._change_message(message_id, lambda one: one | {"attempts": one["attempts"] + 1, "error": error, "due": retry_at})

    def attempts(self, message_id: str) -> int:
        """How often a message has failed."""
        messages = (one for hit in self._holding(message_id) for one in hit.source["messages"])
        return next((int(one["attempts"]) for one in messages if one["id"] == message_id), 0)

    def _holding(self, message_id: str) -> Iterator[Hit]:
        return self._es.scan("incidents", {"term": {"message_ids": message_id}}, [{"id": "asc"}], 1)

    def _change_message(self, message_id: str, change: Callable[[Json], Json]) -> None:
        def revised(old: Json | None) -> Json | None:
            if old is None:
                return None
            return _with_messages(old, [change(one) if one["id"] == message_id else one for one in old["messages"]])

        for hit in list(self._holding(message_id)):
            self._es.revise("incidents", hit.id, revised)

    # ------------------------------------------------------------ states and dead letters

    def state(self, name: str) -> bytes | None:
        """A saved state."""
        found = self._es.get("state", doc_id("state", name))
        return _data(found.source) if found else None

    def save_state(self, name: str, data: bytes) -> None:
        """Replace a saved state."""
        self._es.settle([Op("index", self._es.index("state"), doc_id("state", name), _source(data))])

    def revise_state(self, name: str, change: Callable[[bytes | None], bytes]) -> None:
        """Replace a saved state by what `change` makes of it as it is now."""
        self._es.revise("state", doc_id("state", name), lambda old: _source(change(_data(old) if old else None)))

    def reject(self, rejected: Sequence[Rejected]) -> None:
        """Keep dead letters, one per place and bytes."""
        index = self._es.index("letters")
        ops = [
            Op(
                "create",
                index,
                _letter_hash(one),
                {"place": one.where, "reason": one.reason, "raw": base64.b64encode(one.raw).decode(), "at": one.at},
            )
            for one in rejected
        ]
        self._es.settle(ops, conflicts=True)

    def dead_letters(self, limit: int) -> list[Rejected]:
        """The newest first: the order in which they were kept."""
        sources = (hit.source for hit in self._es.scan("letters", {"match_all": {}}, [{"_seq_no": "desc"}], limit))
        return [Rejected(one["reason"], base64.b64decode(one["raw"]), one["place"], one["at"]) for one in sources]

    def erase_dead_letters(self, identities: Collection[str]) -> None:
        """Forget those that hold one of these posts; costs a look at every letter, also at those that other processes just kept."""
        self._es.show("letters", always=True)
        hits = list(self._es.scan("letters", {"match_all": {}}, [{"_seq_no": "asc"}], source=["raw"]))
        gone = [hit for hit in hits if holds(base64.b64decode(hit.source["raw"]), identities)]
        self._es.settle([Op("delete", hit.index, hit.id) for hit in gone])

    def count_dead_letters(self) -> int:
        """How many there are."""
        return self._es.count("letters", {"match_all": {}})

    def purge_dead_letters(self) -> int:
        """Forget them all; how many there were."""
        hits = list(self._es.scan("letters", {"match_all": {}}, [{"_seq_no": "asc"}], source=False))
        self._es.settle([Op("delete", hit.index, hit.id) for hit in hits])
        return len(hits)


def _with_messages(head: Json, messages: list[Json]) -> Json:
    waiting = [one["due"] for one in messages if one["delivered_at"] is None]
    return head | {"messages": messages, "message_ids": [one["id"] for one in messages], "due": min(waiting, default=None)}


def _letter_hash(letter: Rejected) -> str:
    place = letter.where.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(len(place).to_bytes(8, "little") + place + letter.raw, digest_size=16).hexdigest()


def _source(data: bytes) -> Json:
    return {"data": base64.b64encode(data).decode()}


def _data(source: Json) -> bytes:
    return base64.b64decode(source["data"])
